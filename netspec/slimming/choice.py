"""Which channels go: how much each class counts, and how many of a group are to stay."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from math import gcd
from typing import Literal

import numpy as np

from netspec.core.channels import mixing_weight
from netspec.core.graph import Graph, Node, Value
from netspec.diagnostics.errors import RunError
from netspec.slimming.channels import Array, Classes, Group

Measure = Literal["bn-scale", "l1", "l2"]
Scope = Literal["layer", "network"]


def has_scales(graph: Graph, found: Classes, among: Sequence[Group]) -> bool:
    """Whether each of these groups passes a batch normalisation that scales."""
    scaled = {each for node in _scaling(graph) for each in found.of[node.output].tolist()}
    return all(scaled.issuperset(group.classes) for group in among)


def importance(graph: Graph, weights: Mapping[str, Array], found: Classes, measure: Measure) -> dict[int, float]:
    """How much each class counts: the mean over its channels.

    ``bn-scale`` is the magnitude of the factor in the batch normalisations that they pass (Liu et al. 2017); ``l1`` and
    ``l2`` are of the filters that make them (Li et al. 2017), as mean magnitude and root of the mean square, so that
    layers of other sizes can be compared.
    """
    sums: dict[int, list[float]] = {}
    for value, numbers in _measured(graph, weights, found, measure):
        for each, number in zip(found.of[value].tolist(), numbers.tolist(), strict=True):
            sums.setdefault(each, []).append(number)
    return {each: float(np.mean(numbers)) for each, numbers in sums.items()}


def _measured(
    graph: Graph, weights: Mapping[str, Array], found: Classes, measure: Measure
) -> Sequence[tuple[Value, Array]]:
    """Values, with a number for each of their channels."""
    if measure == "bn-scale":
        return [(node.output, np.abs(weights[node.parameter("scale").name])) for node in _scaling(graph)]
    made = [(node, node.parameter(mixing_weight(node.attrs))) for node in found.makers]
    filters = [(node.output, weights[weight.name].astype(np.float64)) for node, weight in made]
    power = 1 if measure == "l1" else 2
    return [(value, (np.abs(w) ** power).mean(axis=tuple(range(w.ndim - 1))) ** (1 / power)) for value, w in filters]


def _scaling(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if node.op.name == "batch_norm" and "scale" in node.parameters]


def removed_classes(
    among: Sequence[Group],
    counts: Mapping[int, float],
    share: float,
    scope: Scope = "layer",
    multiple: int = 1,
    minimum: int = 1,
) -> frozenset[int]:
    """The classes that go when about this ``share`` of the channels does: those that count least.

    By ``layer`` each group loses the share; by ``network`` all groups together do, one more and another less. What
    stays of a group is brought to a ``multiple`` of channels where it has at least twice as many, and is at least
    ``minimum`` channels, or all that it has.
    """
    gone: set[int] = set()
    limit = _threshold(among, counts, share) if scope == "network" else 0.0
    for group in among:
        ordered = sorted(group.classes, key=lambda each: (-counts[each], each))
        wanted = len(ordered) * (1 - Fraction(share).limit_denominator(10**6))
        if scope == "network":
            wanted = Fraction(sum(counts[each] > limit for each in ordered))
        gone.update(ordered[_left(group, wanted, multiple, minimum) :])
    return frozenset(gone)


def _threshold(among: Sequence[Group], counts: Mapping[int, float], share: float) -> float:
    """What a class has to count more than to stay, so that about this share of all channels goes."""
    members = [(counts[each], group.each * len(group.layers)) for group in among for each in group.classes]
    members.sort()
    total, passed, limit = sum(size for _, size in members), 0, -1.0
    for number, size in members:
        passed += size
        if passed > share * total:
            break
        limit = number
    return limit


def _left(group: Group, wanted: Fraction, multiple: int, minimum: int) -> int:
    """How many classes of a group stay."""
    whole = len(group.classes)
    step = multiple // gcd(multiple, group.each)
    if whole < 2 * step:
        step = 1
    rounded = int(wanted / step + Fraction(1, 2)) * step
    least = -(-minimum // group.each)
    return min(whole, max(rounded, least, step, 1))


def free(among: Sequence[Group], leave: Collection[str] = ()) -> tuple[Group, ...]:
    """The groups that may lose channels: nothing is against it, and none of their layers is to be left whole."""
    return tuple(group for group in among if not group.reason and not set(leave) & set(group.layers))


def refuse_unknown(among: Sequence[Group], leave: Collection[str]) -> None:
    """A RunError where a layer that is to be left whole is none that makes channels (NS852)."""
    known = [layer for group in among for layer in group.layers]
    for layer in leave:
        if layer not in known:
            raise RunError.of("NS852", layer=layer, known=list(dict.fromkeys(known)))
