"""What a file of weights holds: layers of tensors, in an order that can be relied on or not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from netspec.interop.tensors import Array

Library = Literal["torch", "keras"]

Order = Literal["definition", "topological", "names"]
"""Of a file's layers: as the program defines them, so that those made together stand together; as data flows, with
branches side by side mixed; or only by the numbers in their names.
"""


class Norm(NamedTuple):
    """What a file says of a batch normalisation beside its tensors."""

    eps: float
    momentum: float


@dataclass(frozen=True, slots=True)
class FoundLayer:
    """A layer of the file: its tensors by what they are, such as ``weight``, or by their number.

    ``labels`` are the names of the tensors in the file. ``follows`` is the layer whose output goes in, where the file
    tells that.
    """

    name: str
    tensors: Mapping[str, Array]
    labels: Mapping[str, str]
    follows: str | None = None
    norm: Norm | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """All layers of a file, and the tensors that are not weights of the network, with the reason."""

    file: str
    library: Library
    layers: tuple[FoundLayer, ...]
    order: Order
    ignored: Mapping[str, str] = field(default_factory=dict)


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts names as people number them: ``layer2`` before ``layer10``."""
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"([0-9]+)", name) if part)


def without_numbers(name: str) -> str:
    """``layer2.0.conv1`` as ``layer#.#.conv#``."""
    return re.sub(r"[0-9]+", "#", name)


def by_layer(arrays: Mapping[str, Array]) -> Iterable[FoundLayer]:
    """The layers of tensors called ``layer.what``, in the order of the first tensor of each."""
    layers: dict[str, dict[str, str]] = {}
    for label in arrays:
        layer, _, part = label.rpartition(".")
        layers.setdefault(layer, {})[part] = label
    for layer, labels in layers.items():
        yield FoundLayer(layer, {part: arrays[label] for part, label in labels.items()}, labels)
