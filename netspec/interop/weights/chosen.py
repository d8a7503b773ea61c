"""Pairs that a person names: a layer of the file for a layer of the network, or a tensor for a weight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from netspec.diagnostics import RunError
from netspec.interop.weights.found import Found, FoundLayer
from netspec.interop.weights.match import Pair, shapes_of, sizes_of
from netspec.interop.weights.wanted import Wanted, WantedLayer
from netspec.syntax.suggestions import did_you_mean

T = TypeVar("T")

ADVICE = "write LAYER=LAYER or TENSOR=WEIGHT, the name in the file first"


def chosen_pairs(wanted: Wanted, found: Found, written: Iterable[str]) -> tuple[list[Pair], Wanted, Found]:
    """The pairs, and both sides with the layers split of which single tensors were named; a RunError NS984."""
    pairs: list[Pair] = []
    for text in written:
        old, equals, new = text.partition("=")
        if not equals or not old or not new:
            raise RunError.of("NS984", pair=text, problem="it has no two names", advice=ADVICE)
        there, found = _found_layer(found, old, text)
        here, wanted = _wanted_layer(wanted, new, text)
        pairs.append(_pair(here, there, text))
    return pairs, wanted, found


def _found_layer(found: Found, name: str, text: str) -> tuple[FoundLayer, Found]:
    for layer in found.layers:
        if layer.name == name:
            return layer, found
        for part, label in layer.labels.items():
            if label == name:
                one = replace(layer, name=label, tensors={part: layer.tensors[part]}, labels={part: label})
                rest = {key: array for key, array in layer.tensors.items() if key != part}
                others = (one, *([replace(layer, tensors=rest)] if rest else []))
                return one, replace(found, layers=_replaced(found.layers, layer, others))
    names = [layer.name for layer in found.layers]
    raise RunError.of(
        "NS984", pair=text, problem=f"the file has no layer or tensor '{name}'", advice=did_you_mean(name, names)
    )


def _wanted_layer(wanted: Wanted, name: str, text: str) -> tuple[WantedLayer, Wanted]:
    for layer in wanted.layers:
        if name in (layer.path, layer.name):
            return layer, wanted
        for part, tensor in layer.tensors.items():
            if tensor.source == name:
                one = replace(layer, name=f"{layer.name}.{part}", tensors={part: tensor})
                rest = {key: other for key, other in layer.tensors.items() if key != part}
                others = (one, *([replace(layer, tensors=rest)] if rest else []))
                return one, replace(wanted, layers=_replaced(wanted.layers, layer, others))
    paths = [layer.path for layer in wanted.layers]
    raise RunError.of(
        "NS984", pair=text, problem=f"the network has no layer or weight '{name}'", advice=did_you_mean(name, paths)
    )


def _replaced(layers: Sequence[T], layer: T, others: Sequence[T]) -> tuple[T, ...]:
    return tuple(new for each in layers for new in (others if each is layer else (each,)))


def _pair(here: WantedLayer, there: FoundLayer, text: str) -> Pair:
    if len(here.tensors) == len(there.tensors) == 1:  # what the tensor is called does not matter then
        (part,), (old,) = here.tensors, there.tensors
        there = replace(there, tensors={part: there.tensors[old]}, labels={part: there.labels[old]})
    ours, theirs = dict(shapes_of(here)), dict(sizes_of(there))
    if ours != theirs:
        raise RunError.of(
            "NS984", pair=text, problem=f"it holds {_told(theirs)}, but {_told(ours)} is wanted", advice=ADVICE
        )
    return Pair(here, there, "map")


def _told(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{part} {list(shape)}" for part, shape in shapes.items())
