"""Which channels of a network hang together, so that one can only be removed with the others.

Every channel of every value is a member of a class. Where a channel is made of one other, both are of one class; what
is added number by number is of one class too. So a class is what a single channel of a convolution becomes on its way
to the layers that weigh it anew: they lose a row of their weight when it goes, and what stands on the way a number of
its scale. What each op does to channels it states itself (:mod:`netspec.core.channels`). The channels around one that
states nothing stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from netspec.core.channels import Sources, channel_parts, channel_sources, mixing_weight, spreading_weight
from netspec.core.graph import Graph, Node, Value

Array = np.ndarray[Any, np.dtype[Any]]


class Axis(NamedTuple):
    """An axis of a parameter, counted from the last: -1 is the last."""

    parameter: str
    place: int


@dataclass(frozen=True, slots=True)
class Classes:
    """The class of each channel.

    ``of`` holds, per value, the class of each of its channels, ``along`` the same for the axes of parameters that are
    channels. ``makers`` are the layers that make channels anew. ``fixed`` says of the classes that cannot go why.
    """

    of: Mapping[Value, Array]
    along: Mapping[Axis, Array]
    makers: tuple[Node, ...]
    fixed: Mapping[int, str]


def follow_channels(graph: Graph) -> Classes:
    """The classes of a network's channels."""
    return _Walk(graph).classes()


class _Walk:
    """Goes through the network once and joins the channels that hang together (union-find over whole arrays)."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._above: list[int] = []
        self._of: dict[Value, Array] = {}
        self._along: dict[Axis, Array] = {}
        self._makers: list[Node] = []
        self._fixed: list[tuple[Array, str]] = []

    def classes(self) -> Classes:
        """The result."""
        for value in self._graph.inputs:
            self._of[value] = self._fix(self._new(value.type.channels), "they come in")
        for node in self._graph.nodes:
            self._pass(node)
        for name, head in {**self._graph.outputs, **self._graph.heads}.items():
            self._fix(self._of[head], f"they are the output '{name}'")
        fixed: dict[int, str] = {}
        for members, reason in self._fixed:
            for each in np.unique(self._found(members)).tolist():
                fixed.setdefault(each, reason)
        of = {value: self._found(members) for value, members in self._of.items()}
        along = {axis: self._found(members) for axis, members in self._along.items()}
        return Classes(of, along, tuple(self._makers), fixed)

    def _pass(self, node: Node) -> None:
        data = tuple(value.type for value in node.data)
        sources = None if node.op.has("weighs_channels") else channel_sources(node.attrs, data)
        if node.op.has("weighs_channels"):
            self._weigh(node)
        elif sources is None or any(node.parameter(name).type.channels != len(sources) for name in node.parameters):
            self._keep_around(node)
        else:
            self._carry(node, sources)
        for value in node.outputs[1:]:
            self._of[value] = self._fix(self._new(value.type.channels), f"nothing is known of them in '{node.path}'")

    def _weigh(self, node: Node) -> None:
        """New channels. Those of equal places in the groups of a grouped convolution stay side by side."""
        parts = channel_parts(node.attrs)
        (x,) = node.data
        self._of[node.output] = self._new(node.output.type.channels)
        self._tie_parts(self._of[node.output], parts)
        self._tie_parts(self._of[x], parts)
        self._makers.append(node)
        rows, spread = self._of[x][: x.type.channels // parts], spreading_weight(node.attrs)
        weight = node.parameter(mixing_weight(node.attrs))
        if spread is not None:
            rows = np.repeat(rows, weight.type.shape[-2] // len(rows))
            self._name(Axis(node.parameter(spread).name, -1), rows)
        self._name(Axis(weight.name, -2), rows)
        for name in node.parameters:
            if name != spread:
                self._name(Axis(node.parameter(name).name, -1), self._of[node.output])

    def _carry(self, node: Node, sources: Sources) -> None:
        """Channels that are made of others."""
        for value in node.data:
            self._tie_parts(self._of[value], channel_parts(node.attrs))
        members = self._new(len(sources))
        for member, made_of in zip(members.tolist(), sources, strict=True):
            for number, channel in made_of:
                self._join(member, int(self._of[node.data[number]][channel]))
        self._of[node.output] = members
        for name in node.parameters:
            self._name(Axis(node.parameter(name).name, -1), members)

    def _keep_around(self, node: Node) -> None:
        """Nothing is known of the channels, so all stay."""
        reason = f"'{node.path}' ({node.op.name}) takes each of them for the place where it stands"
        for value in node.data:
            self._fix(self._of[value], reason)
        self._of[node.output] = self._fix(
            self._new(node.output.type.channels), f"'{node.path}' ({node.op.name}) makes them"
        )

    def _name(self, axis: Axis, members: Array) -> None:
        """Let an axis of a parameter be these channels; layers that share the parameter share the classes."""
        if axis in self._along:
            for one, other in zip(self._along[axis].tolist(), members.tolist(), strict=True):
                self._join(one, other)
        self._along[axis] = members

    def _tie_parts(self, members: Array, parts: int) -> None:
        first, *others = np.split(members, parts)
        for other in others:
            for one, same in zip(first.tolist(), other.tolist(), strict=True):
                self._join(one, same)

    def _new(self, count: int) -> Array:
        first = len(self._above)
        self._above.extend(range(first, first + count))
        return np.arange(first, first + count)

    def _fix(self, members: Array, reason: str) -> Array:
        self._fixed.append((members, reason))
        return members

    def _join(self, one: int, other: int) -> None:
        one, other = self._find(one), self._find(other)
        self._above[max(one, other)] = min(one, other)

    def _find(self, member: int) -> int:
        while self._above[member] != member:
            self._above[member] = member = self._above[self._above[member]]
        return member

    def _found(self, members: Array) -> Array:
        return np.array([self._find(member) for member in members.tolist()], np.int64)


class Group(NamedTuple):
    """Classes that are alike: each takes as many channels of the same layers. They are chosen among.

    ``layers`` are the paths of those that make the channels, ``each`` how many channels of one layer a class is at
    most. A group that ``reason`` says something of stays whole.
    """

    layers: tuple[str, ...]
    classes: tuple[int, ...]
    each: int
    reason: str = ""

    @property
    def name(self) -> str:
        """The first of the layers, and how many more there are."""
        more = len(self.layers) - 1
        return f"{self.layers[0]} + {more} more" if more else self.layers[0]


def groups(found: Classes) -> tuple[Group, ...]:
    """The groups of all channels that layers make, in the order of the network.

    Where some channels of a layer hang together with those of another and some do not, as behind a shortcut that pads
    with zeros, they are of different groups: so each layer loses the same share.
    """
    made: dict[int, dict[int, int]] = {}
    for number, node in enumerate(found.makers):
        for each in found.of[node.output].tolist():
            counts = made.setdefault(each, {})
            counts[number] = counts.get(number, 0) + 1
    alike: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for each, counts in made.items():
        alike.setdefault(tuple(sorted(counts.items())), []).append(each)
    return tuple(_group(found, signature, members) for signature, members in sorted(alike.items()))


def _group(found: Classes, signature: tuple[tuple[int, int], ...], members: list[int]) -> Group:
    layers = tuple(found.makers[number].path for number, _ in signature)
    reason = next((found.fixed[each] for each in members if each in found.fixed), "")
    if not reason and len(members) == 1:
        reason = "they can only go all together"
    return Group(layers, tuple(members), max(count for _, count in signature), reason)
