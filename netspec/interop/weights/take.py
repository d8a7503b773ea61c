"""Weights of another program for a network: every tensor and every weight is accounted for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netspec.core.graph import Graph
from netspec.declarations.recipe import Recipe
from netspec.diagnostics import RunError
from netspec.interop.flattened import flattened_images
from netspec.interop.tensors import Array, Exchanged
from netspec.interop.weights.chosen import chosen_pairs
from netspec.interop.weights.found import Found, FoundLayer
from netspec.interop.weights.keras_files import READERS as KERAS_READERS
from netspec.interop.weights.match import Pair, matched
from netspec.interop.weights.torch_files import read_pickled, read_safetensors
from netspec.interop.weights.wanted import Wanted, wanted_layers
from netspec.syntax.suggestions import closest

READERS: Mapping[str, Callable[[Path], Found]] = {
    ".safetensors": read_safetensors,
    ".pt": read_pickled,
    ".pth": read_pickled,
    **KERAS_READERS,
}
"""By the ending of the file."""
SHOWN = 20
"""Names that a message lists at most on each side."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A tensor of the file and the weight that was made of it: how, and what told that they belong together."""

    tensor: str
    tensor_shape: tuple[int, ...]
    weight: str
    weight_shape: tuple[int, ...]
    change: str
    by: str

    def row(self) -> dict[str, Any]:
        """A row of the report."""
        shapes = {"tensor_shape": list(self.tensor_shape), "weight_shape": list(self.weight_shape)}
        return {"tensor": self.tensor, "weight": self.weight, **shapes, "change": self.change, "by": self.by}


@dataclass(frozen=True, slots=True)
class Imported:
    """The weights by name in netspec's layout, and what became of every tensor."""

    weights: Mapping[str, Array]
    taken: tuple[Taken, ...]
    ignored: Mapping[str, str]
    """Tensors that are no weights, with the reason."""
    missing: tuple[str, ...]
    """Weights without a tensor, and why; empty unless that was allowed."""
    unused: tuple[str, ...]
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "taken": [each.row() for each in self.taken],
            "ignored": dict(self.ignored),
            "missing": list(self.missing),
            "unused": list(self.unused),
            "notes": list(self.notes),
        }


def import_weights(
    graph: Graph, recipe: Recipe, file: Path, pairs: Sequence[str] = (), strict: bool = True
) -> Imported:
    """The weights in a file of PyTorch or Keras for a network, all of them unless ``strict`` is off.

    ``pairs`` are written ``LAYER=LAYER`` or ``TENSOR=WEIGHT``, the file's name first. A RunError where the file cannot
    be read (NS980, NS981, NS931), something is left over on a side (NS982), layers cannot be told apart (NS983), or a
    pair does not fit (NS984); a SpecError where the network has a layer that the other program has not.
    """
    found = READERS[file.suffix.lower()](file)
    wanted = wanted_layers(graph, recipe, found.library)
    chosen, wanted, found = chosen_pairs(wanted, found, pairs)
    told = matched(wanted, found, chosen)
    if strict and found.library == "torch":
        _check_flattened(graph, told)
    shapes = {slot.name: slot.value.type.shape for slot in graph.slots}
    weights, taken, ignored = _weights(found, told, shapes)
    used = {each.tensor for each in taken} | ignored.keys()
    unused = {label: array for layer in found.layers for label, array in _labelled(layer) if label not in used}
    missing = [name for name in shapes if name not in weights]
    if strict and (missing or unused):
        raise _left_over(found, wanted, missing, unused, len(shapes))
    notes = tuple(_norm_notes(graph, told, found))
    return Imported(weights, taken, {**found.ignored, **ignored}, tuple(missing), tuple(unused), notes)


def _labelled(layer: FoundLayer) -> Iterator[tuple[str, Array]]:
    return ((layer.labels[part], array) for part, array in layer.tensors.items())


def _weights(
    found: Found, pairs: Sequence[Pair], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, Array], tuple[Taken, ...], dict[str, str]]:
    """The weights in the order of the network, how each was made, and constants that the network has no weight for."""
    arrays: dict[str, Array] = {}
    rows: dict[str, Taken] = {}
    ignored: dict[str, str] = {}
    for pair in pairs:
        for part, tensor in pair.wanted.tensors.items():
            label, array = pair.found.labels[part], pair.found.tensors[part]
            if array.dtype.kind != "f":
                raise RunError.of("NS980", file=found.file, format="weights", problem=f"'{label}' holds {array.dtype}")
            if tensor.source is None:
                if (array == tensor.fill).all():
                    ignored[label] = f"{tensor.fill:g} throughout, as in the network, which keeps no weight for it"
                continue
            turn = tensor.turn.inverse(tensor.source_shape)
            arrays[tensor.source] = turn.apply(np.asarray(array, np.float32))
            change = _change(tensor, turn.text(array.shape))
            rows[tensor.source] = Taken(label, array.shape, tensor.source, tensor.source_shape, change, pair.by)
    names = [name for name in shapes if name in arrays]
    return {name: arrays[name] for name in names}, tuple(rows[name] for name in names), ignored


def _change(tensor: Exchanged, steps: str) -> str:
    """What is done to a tensor, in words; empty where nothing is."""
    if len(tensor.source_shape) == 2 and len(tensor.turn.cut) > 2:
        return f"rows permuted for flatten: {steps}"
    moved = tensor.turn.axes != tuple(range(len(tensor.turn.axes)))
    return f"transposed: {steps}" if moved else steps


def _check_flattened(graph: Graph, pairs: Sequence[Pair]) -> None:
    """A RunError where weights behind a flattened image would be in another order than its numbers.

    Names that are all as `netspec export` writes them tell that the numbers are in netspec's order there too.
    """
    if all(pair.by == "name" for pair in pairs):
        return
    followed = flattened_images(graph)
    for node in graph.nodes:
        if node.op.name == "flatten" and node.output not in followed and graph.consumers().get(node.output):
            type = node.data[0].type
            if type.positions > 1 and type.channels > 1:
                raise RunError.of("NS985", layer=node.path)


def _left_over(
    found: Found, wanted: Wanted, missing: Sequence[str], unused: Mapping[str, Array], count: int
) -> RunError:
    """The error that lists what is left on both sides, with guesses."""
    there = {t.source: t for layer in wanted.layers for t in layer.tensors.values() if t.source}
    lines = []
    for name in missing:
        tensor = there[name]
        lines.append(f"{name} wants a tensor of {list(tensor.turn.shape)}{_guess(tensor, unused)}")
    spare = [f"'{label}' {list(array.shape)} is taken by no weight" for label, array in unused.items()]
    given = sum(len(layer.tensors) for layer in found.layers)
    return RunError.of(
        "NS982",
        [*_shortened(lines), *_shortened(spare)],
        file=found.file,
        missing=len(missing),
        wanted=count,
        unused=len(unused),
        given=given,
    )


def _guess(tensor: Exchanged, unused: Mapping[str, Array]) -> str:
    """The tensor left over that may be meant by one that is wanted: of its shape, or of as many numbers."""
    shape, part = tensor.turn.shape, tensor.name.rpartition(".")[2]
    alike = [label for label, array in unused.items() if array.shape == shape]
    alike = alike or [label for label, array in unused.items() if array.size == math.prod(shape)]
    alike.sort(key=lambda label: label.rpartition(".")[2] != part)
    guess = alike[0] if alike else closest(tensor.name, unused)
    return f"; '{guess}' {list(unused[guess].shape)} may be meant" if guess else ""


def _shortened(lines: Sequence[str]) -> list[str]:
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"and {more} more"] if more > 0 else [])]


def _norm_notes(graph: Graph, pairs: Sequence[Pair], found: Found) -> Iterator[str]:
    """What a file of weights does not hold of batch normalisations, or holds otherwise than the spec."""
    norms = [(pair, graph.nodes[pair.wanted.place].attrs) for pair in pairs if _is_norm(graph, pair)]
    silent = {(attrs.eps, attrs.momentum) for pair, attrs in norms if pair.found.norm is None}
    theirs = "PyTorch's own are 1e-05 and 0.9" if found.library == "torch" else "Keras' own are 0.001 and 0.99"
    for eps, momentum in sorted(silent):
        yield (
            f"the file does not say the eps and momentum of its batch normalisations; the spec has {eps:g} and "
            f"{momentum:g} ({theirs}, as the spec counts momentum)"
        )
    for pair, attrs in norms:
        said = pair.found.norm
        if said is not None and (said.eps, said.momentum) != (attrs.eps, attrs.momentum):
            yield (
                f"{pair.wanted.path} has eps {attrs.eps:g} and momentum {attrs.momentum:g}, but in the file "
                f"{said.eps:g} and {said.momentum:g}"
            )


def _is_norm(graph: Graph, pair: Pair) -> bool:
    return graph.nodes[pair.wanted.place].op.name == "batch_norm"
