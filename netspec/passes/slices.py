"""Slices: what is joined along the channels is made where it will lie, and what is cut out is read where it lies.

Blocks of channels lie end to end in a sample, so that channels from the beginning of a block on are a tensor by
themselves, whose samples lie further apart (``TensorType.pitch``). A **join** then has nothing to copy of an input that
is made in its place, nor a **cut** of an output that is read in it. What **adds** to a slice that nothing else reads
afterwards is stored over it, so that the gradient of a tensor which is joined again and again is added up in one place
(the memory-efficient form of Pleiss et al., "Memory-Efficient Implementation of DenseNets", 2017).

The nodes stay. Their kernels see that an input lies where it would be copied to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from netspec.core.graph import Graph, Node, Place, Value


def place_slices(graph: Graph, takes_slices: Callable[[str], bool]) -> Graph:
    """The graph with values in the storage of others, and types that say how far apart their samples lie.

    ``takes_slices`` tells the ops whose kernels read and write such values. The graph has its layouts, and is fused.
    """
    slices = _Slices(graph, takes_slices)
    for node in reversed(graph.nodes):
        if node.op.has("first_channels"):
            starts = node.attrs.first_channels(*(value.type for value in node.inputs))
            for value, start in zip(node.inputs, starts or (), strict=bool(starts)):
                slices.place(value, node.output, start)
    for position, node in enumerate(graph.nodes):
        if node.op.has("slice_start"):
            start = node.attrs.slice_start(node.inputs[0].type)
            if start is not None:
                slices.place(node.output, node.inputs[0], start)
        else:
            slices.place_over(position, node)
    return _in_places(graph, slices.places)


@dataclass(slots=True)
class _Slices:
    """The places that have been given so far."""

    graph: Graph
    takes_slices: Callable[[str], bool]
    places: dict[Value, Place] = field(default_factory=dict)
    makers: Mapping[Value, Node] = field(init=False)
    readers: Mapping[Value, list[Node]] = field(init=False)
    last_read: Mapping[Value, int] = field(init=False)
    kept: frozenset[Value] = field(init=False)
    """Values that are wanted beyond the graph."""

    def __post_init__(self) -> None:
        graph = self.graph
        self.makers, self.readers = graph.producer(), graph.consumers()
        self.last_read = {value: position for position, node in enumerate(graph.nodes) for value in node.inputs}
        written = (slot.written for slot in graph.slots if slot.written)
        self.kept = frozenset([*graph.outputs.values(), *graph.heads.values(), *written])

    def place(self, value: Value, whole: Value, channel: int) -> None:
        """Let the value lie in ``whole`` from this channel on, if all that make and read it can do with that."""
        root = self.places.get(whole, Place(whole, 0))
        place = Place(root.whole, root.channel + channel)
        if whole in self.makers and self._may_lie(value) and _fills_blocks(value, place):
            adds = next((node for node in self.readers.get(value, ()) if node.residual is value), None)
            if adds is None or (self.readers[value] == [adds] and self._may_lie(adds.output, over=True)):
                self.places[value] = place

    def place_over(self, position: int, node: Node) -> None:
        """Let what the node makes lie in the place of a slice that it is the last to read, number by number."""
        added = () if node.residual is None else (node.residual,)  # it has to lie as the output does
        candidates = node.inputs if node.op.has("expressions") else added
        for value in candidates:
            place = self.places.get(value)
            alike = value.type == node.output.type
            if place and alike and self._is_over(value, place, position) and self._may_lie(node.output, over=True):
                self.places[node.output] = place
                return

    def _may_lie(self, value: Value, over: bool = False) -> bool:
        """Whether a value can do without storage of its own; ``over`` what its maker adds to."""
        node = self.makers.get(value)
        if node is None or node.output is not value or value in self.kept or value in self.places:
            return False
        stored = value.type.batched and value.type.block is not None and value.type.dtype == "float32"
        users = (node, *self.readers.get(value, ()))
        return stored and (over or node.residual is None) and all(self.takes_slices(user.op.name) for user in users)

    def _is_over(self, value: Value, place: Place, position: int) -> bool:
        """Whether nothing of what lies in the place of ``value`` is read after the node at this position."""
        begin, end = place.channel, place.channel + value.type.channels
        beside = [
            other
            for other, its in self.places.items()
            if its.whole is place.whole and its.channel < end and begin < its.channel + other.type.channels
        ]
        return all(self.last_read.get(other, -1) <= position for other in (place.whole, *beside))


def _fills_blocks(value: Value, place: Place) -> bool:
    """Whether the value's blocks are blocks of the whole, none of which it shares with others."""
    block, channels = value.type.block or 1, value.type.channels
    ends = channels % block == 0 or place.channel + channels == place.whole.type.channels
    return place.channel % block == 0 and ends


def _in_places(graph: Graph, places: Mapping[Value, Place]) -> Graph:
    """The graph with values that know how far apart their samples lie."""
    moved = {
        value: replace(value, type=replace(value.type, pitch=place.whole.type.stored))
        for value, place in places.items()
    }
    nodes = tuple(
        replace(
            node,
            inputs=tuple(moved.get(value, value) for value in node.inputs),
            outputs=tuple(moved.get(value, value) for value in node.outputs),
        )
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes, places={moved[value]: place for value, place in places.items()})
