"""Which layer of a file is which layer of the network: by names, else by shapes and an order that can be relied on.

A layer's kind is what its tensors are and their shapes. One-dimensional tensors say little, so that a normalisation's
kind also has the kind of the layer before it, on both sides. Of layers of one kind

- a single one on each side is matched;
- several are matched in order, if the file keeps the order of definition, numbers in names agree with it, and no two
  of them would fit their neighbours better the other way round; or if the file's order follows the data, or the numbers
  in names that are otherwise the same, and each of the network's layers works on what the one before it made.

Everything else is refused: a guess that fits the shapes would compute something else without a word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netspec.diagnostics import RunError
from netspec.interop.weights.found import Found, FoundLayer, natural, without_numbers
from netspec.interop.weights.wanted import Wanted, WantedLayer

Kind = tuple[Any, ...]
NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Pair:
    """A layer of the network and the one of the file that it takes, and what tells so."""

    wanted: WantedLayer
    found: FoundLayer
    by: str


def matched(wanted: Wanted, found: Found, chosen: Sequence[Pair] = ()) -> list[Pair]:
    """Pairs of layers, those ``chosen`` among them; a RunError NS983 where layers cannot be told apart."""
    taken, used = {pair.wanted.name for pair in chosen}, {pair.found.name for pair in chosen}
    here = [layer for layer in wanted.layers if layer.name not in taken]
    there = [layer for layer in found.layers if layer.name not in used]
    by_name = {layer.name: layer for layer in there}
    named = [Pair(layer, by_name[layer.name], "name") for layer in here if layer.name in by_name]
    if len(named) == len(here) and all(shapes_of(pair.wanted) == sizes_of(pair.found) for pair in named):
        return [*chosen, *named]
    ours, theirs = _wanted_kinds(here), _found_kinds(there, found)
    if theirs is None:
        ours, theirs = (
            {layer.name: shapes_of(layer) for layer in here},
            {layer.name: sizes_of(layer) for layer in there},
        )
    pairs = list(chosen)
    groups = _grouped(theirs)
    order = _Order(wanted, found, list(ours.items()), list(theirs.items()))
    layers = {layer.name: layer for layer in here}
    for kind, names in _grouped(ours).items():
        others = groups.get(kind, [])
        if len(names) == len(others):
            members = [layers[name] for name in names], [by_name[name] for name in others]
            pairs += order.pairs(*members)
    return pairs


def shapes_of(layer: WantedLayer) -> Kind:
    """What the tensors of a layer are to be, and their shapes."""
    return tuple(sorted((part, tensor.turn.shape) for part, tensor in layer.tensors.items()))


def sizes_of(layer: FoundLayer) -> Kind:
    """What the tensors of a layer are, and their shapes."""
    return tuple(sorted((part, array.shape) for part, array in layer.tensors.items()))


def _flat(kind: Kind) -> bool:
    """Whether a layer has no tensor but those with a number for each channel."""
    return all(max(shape, default=0) == math.prod(shape) for _, shape in kind)


def _wanted_kinds(layers: Sequence[WantedLayer]) -> dict[str, Kind]:
    return _following([(layer.name, shapes_of(layer)) for layer in layers])


def _following(layers: Sequence[tuple[str, Kind]]) -> dict[str, Kind]:
    """Kinds in the order of definition, where a flat layer has that of the last one before it that is not."""
    kinds: dict[str, Kind] = {}
    before: Kind = ()
    for name, kind in layers:
        kinds[name] = (kind, before) if _flat(kind) else (kind,)
        before = before if _flat(kind) else kind
    return kinds


def _found_kinds(layers: Sequence[FoundLayer], found: Found) -> dict[str, Kind] | None:
    """The same of the file; None where it does not tell what its flat layers follow."""
    own = {layer.name: sizes_of(layer) for layer in layers}
    if found.order == "definition":
        return _following(list(own.items()))
    matrices = {name for name, kind in own.items() if not _flat(kind)}
    kinds: dict[str, Kind] = {}
    for layer in layers:
        if layer.name in matrices:
            kinds[layer.name] = (own[layer.name],)
            continue
        before = layer.follows if layer.follows in matrices else _partner(layer.name, matrices)
        if before is None:
            return None
        kinds[layer.name] = own[layer.name], own[before]
    return kinds


def _partner(name: str, matrices: set[str]) -> str | None:
    """The convolution that a normalisation is named after: ``bn2`` after ``conv2``, ``features.4`` after ``3``."""
    renamed = re.sub(r"(bn|norm)(?=[0-9]*$)", "conv", name)
    if renamed != name and renamed in matrices:
        return renamed
    last = re.fullmatch(r"(.*\.)([0-9]+)", name)
    before = f"{last[1]}{int(last[2]) - 1}" if last else ""
    return before if before in matrices else None


def _grouped(kinds: Mapping[str, Kind]) -> dict[Kind, list[str]]:
    groups: dict[Kind, list[str]] = {}
    for name, kind in kinds.items():
        groups.setdefault(kind, []).append(name)
    return groups


class _Order:
    """What the orders of both sides tell of layers of one kind."""

    def __init__(
        self, wanted: Wanted, found: Found, ours: Sequence[tuple[str, Kind]], theirs: Sequence[tuple[str, Kind]]
    ) -> None:
        self._wanted, self._found = wanted, found
        self._ours, self._theirs = _neighbours(ours), _neighbours(theirs)

    def pairs(self, here: Sequence[WantedLayer], there: Sequence[FoundLayer]) -> list[Pair]:
        """The pairs; a RunError where they cannot be told."""
        if len(here) == 1:
            return [Pair(here[0], there[0], "shape")]
        reason = self._doubt(here, there)
        if reason is not None:
            names = [layer.name for layer in there]
            shown = ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
            paths = ", ".join(layer.name for layer in here[:NAMES_SHOWN]) + (", …" if len(here) > NAMES_SHOWN else "")
            unordered = self._found.library == "torch" and self._found.order == "names"
            more = "; a .pt file keeps the order of definition" if unordered else ""
            listing = (f"in the file: {shown}", f"in the network: {paths}")
            raise RunError.of("NS983", listing, file=self._found.file, count=len(there), reason=reason, more=more)
        return [Pair(layer, other, "order") for layer, other in zip(here, there, strict=True)]

    def _doubt(self, here: Sequence[WantedLayer], there: Sequence[FoundLayer]) -> str | None:
        """Why the order does not tell these layers apart; None where it does."""
        if self._found.order == "definition":
            return _misnumbered(there) or self._swapped(here, there)
        if self._found.order == "names" and len({without_numbers(layer.name) for layer in there}) > 1:
            return "their names do not tell their order"
        if not self._wanted.chain(here):
            return "some of them stand side by side"
        return None

    def _swapped(self, here: Sequence[WantedLayer], there: Sequence[FoundLayer]) -> str | None:
        for i in range(len(here)):
            for j in range(i):
                straight = self._agreement(here[i], there[i]) + self._agreement(here[j], there[j])
                crossed = self._agreement(here[i], there[j]) + self._agreement(here[j], there[i])
                if crossed > straight:
                    return f"'{there[j].name}' and '{there[i].name}' stand among other layers than in the network"
        return None

    def _agreement(self, layer: WantedLayer, other: FoundLayer) -> int:
        """How many neighbours are of the same kind on both sides."""
        return sum(a == b for a, b in zip(self._ours[layer.name], self._theirs[other.name], strict=True))


def _misnumbered(layers: Sequence[FoundLayer]) -> str | None:
    """Whether layers are defined in another order than their names number them, so that one of the two misleads."""
    last: dict[str, FoundLayer] = {}
    for layer in layers:
        before = last.setdefault(without_numbers(layer.name), layer)
        if natural(layer.name) < natural(before.name):
            return f"'{before.name}' is defined before '{layer.name}'"
        last[without_numbers(layer.name)] = layer
    return None


def _neighbours(kinds: Sequence[tuple[str, Kind]]) -> dict[str, tuple[Kind | None, Kind | None]]:
    around: list[Kind | None] = [None, *(kind for _, kind in kinds), None]
    return {name: (around[i], around[i + 2]) for i, (name, _) in enumerate(kinds)}
