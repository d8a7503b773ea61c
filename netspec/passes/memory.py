"""Memory planning: lifetimes of buffers, and offsets in one arena such that no two that live together overlap.

Greedy by size (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020): the largest
buffer is placed first, each at the lowest offset where it meets no other that lives at the same time. Values that have
a place in another (:mod:`netspec.passes.slices`) lie in that one's buffer, which lives as long as any of them.

Where caches hold all of it, no two buffers share memory but those of one size. Threads that take their parts of the
batch then find in the same place the same samples: what lies elsewhere in a reused stretch is in another core's cache.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from netspec.core.graph import Graph, Node, Place, Value
from netspec.core.types import ITEM_BYTES

ALIGNMENT = 64
"""Buffers begin at multiples of this many bytes (a cache line, an AVX-512 vector)."""
SLACK = 64
"""Readable bytes behind every buffer, so that a kernel may load a whole vector at the end."""

CACHED = 2**24
"""Bytes of arena up to which only buffers of one size share memory: what the last cache of a usual processor holds."""

BufferKind = Literal["value", "scratch", "input", "scalar", "state"]


@dataclass(frozen=True, slots=True)
class Buffer:
    """A stretch of the arena (or of the state memory) and the steps during which it is in use, both inclusive."""

    index: int
    kind: BufferKind
    bytes: int
    offset: int
    first: int
    last: int
    name: str
    within: int | None = None
    """The buffer that it is a part of; ``None`` of one that lies by itself."""


@dataclass(frozen=True, slots=True)
class Placement:
    """All buffers with their offsets; the buffer of each value; the workspaces of each node, by name."""

    buffers: tuple[Buffer, ...]
    of: Mapping[Value, int]
    scratch: tuple[Mapping[str, int], ...]
    arena_bytes: int
    state_bytes: int


@dataclass(slots=True)
class _Lifetimes:
    """Buffers as they come to be known; offsets are filled in at the end."""

    buffers: list[Buffer] = field(default_factory=list)
    of: dict[Value, int] = field(default_factory=dict)

    def new(self, name: str, kind: BufferKind, bytes: int, first: int, last: int) -> int:
        self.buffers.append(Buffer(len(self.buffers), kind, bytes, 0, first, last, name))
        return len(self.buffers) - 1

    def part(self, value: Value, place: Place, batch: int, first: int, last: int) -> int:
        """A part of the buffer of a whole; its offset counts from there."""
        offset = place.channel * value.type.positions * ITEM_BYTES[value.type.dtype]
        size, within = value.type.bytes(batch), self.of[place.whole]
        self.buffers.append(Buffer(len(self.buffers), "value", size, offset, first, last, value.name, within))
        return len(self.buffers) - 1

    def extend(self, index: int, last: int) -> None:
        buffer = self.buffers[index]
        self.buffers[index] = replace(buffer, last=max(buffer.last, last))


def _no_space(node: Node) -> Mapping[str, int]:
    return {}


def place_buffers(
    graph: Graph,
    batch: int,
    scratch: Callable[[Node], Mapping[str, int]],
    kept: Callable[[Node], Mapping[str, int]] = _no_space,
    constants: Container[Value] = (),
    cached: int = CACHED,
) -> Placement:
    """Lays the values of ``graph`` out for up to ``batch`` samples; ``scratch`` tells a node's workspaces in bytes.

    What ``kept`` tells of, and ``constants``, hold their contents from one run to the next. Up to ``cached`` bytes of
    arena no memory is shared by buffers of different sizes.

    State has its own memory, where what is written at the end of a step replaces what was read (donation).
    """
    live = _Lifetimes()
    end = len(graph.nodes)
    last_read = {value: i for i, node in enumerate(graph.nodes) for value in node.inputs}
    last_read |= dict.fromkeys(graph.outputs.values(), end)
    donated = {s.written: s.value for s in graph.slots if s.written}
    for slot in graph.slots:
        live.of[slot.value] = live.new(slot.name, "state", slot.value.type.bytes(1), 0, end)
    for value in (*graph.inputs, *graph.scalars):
        kind: BufferKind = "scalar" if value.role == "scalar" else "input"
        live.of[value] = live.new(value.name, kind, value.type.bytes(batch), 0, last_read.get(value, 0))
    spaces = []
    needed = _last_of_wholes(graph, last_read)
    for position, node in enumerate(graph.nodes):
        for value in node.outputs:
            whole = graph.places[value].whole if value in graph.places else value
            if whole in needed and whole not in live.of:
                live.of[whole] = live.new(whole.name, "value", whole.type.bytes(batch), position, needed[whole])
            last = last_read.get(value, position)
            reused = _reusable(node, value, position, live, last_read, batch)
            if value in graph.places:
                live.of[value] = live.part(value, graph.places[value], batch, position, last)
            elif value in needed:
                continue
            elif value in donated:
                live.of[value] = live.of[donated[value]]
            elif value in constants:
                live.of[value] = live.new(value.name, "value", value.type.bytes(batch), 0, end)
            elif reused is not None:
                live.of[value] = reused
                live.extend(reused, last)
            else:
                live.of[value] = live.new(value.name, "value", value.type.bytes(batch), position, last)
        held = {n: live.new(n, "scratch", size, 0, end) for n, size in kept(node).items()}
        spaces.append(held | {n: live.new(n, "scratch", size, position, position) for n, size in scratch(node).items()})
    offsets = _stack(b for b in live.buffers if b.kind == "state")
    offsets |= _fit([b for b in live.buffers if b.kind != "state" and b.within is None], cached)
    offsets |= {b.index: offsets[b.within] + b.offset for b in live.buffers if b.within is not None}
    buffers = tuple(replace(b, offset=offsets[b.index]) for b in live.buffers)
    arena, state = (_end(b for b in buffers if (b.kind == "state") is kept) for kept in (False, True))
    return Placement(buffers, live.of, tuple(spaces), arena, state)


def _last_of_wholes(graph: Graph, last_read: Mapping[Value, int]) -> dict[Value, int]:
    """For each value that others lie in, the last place at which it or any of them is made or read."""
    found: dict[Value, int] = {}
    made = {value: position for position, node in enumerate(graph.nodes) for value in node.outputs}
    for value, place in graph.places.items():
        for each in (value, place.whole):
            found[place.whole] = max(found.get(place.whole, 0), last_read.get(each, made[each]))
    return found


def _reusable(
    node: Node, output: Value, position: int, live: _Lifetimes, last_read: Mapping[Value, int], batch: int
) -> int | None:
    """Buffer of an input that an elementwise op may overwrite: computed, as large, and not needed afterwards.

    Each number then lies where one of the input did; those of another size would lie over some that are yet to be read.
    """
    if not node.op.has("expressions"):
        return None
    item = ITEM_BYTES[output.type.dtype]
    taken = {live.of[v] for v in node.outputs if v in live.of}
    for value in node.inputs:
        buffer = live.buffers[live.of[value]]
        whole = buffer.kind == "value" and buffer.within is None
        dying = whole and buffer.last <= position and last_read[value] == position
        if ITEM_BYTES[value.type.dtype] != item or not dying or buffer.index in taken:
            continue
        if value.type.bytes(batch) == output.type.bytes(batch) == buffer.bytes:
            return buffer.index
    return None


def _aligned(bytes: int) -> int:
    return -(-(bytes + SLACK) // ALIGNMENT) * ALIGNMENT


def _stack(buffers: Iterable[Buffer]) -> dict[int, int]:
    """One behind the other."""
    offsets, top = {}, 0
    for buffer in buffers:
        offsets[buffer.index] = top
        top += _aligned(buffer.bytes)
    return offsets


def _fit(buffers: list[Buffer], cached: int) -> dict[int, int]:
    """Offsets of buffers that share the arena: by size, or in as few bytes as can be where that is over ``cached``."""
    offsets = _by_size(buffers)
    top = max((offsets[buffer.index] + _aligned(buffer.bytes) for buffer in buffers), default=0)
    return offsets if top <= cached else _tightly(buffers)


def _by_size(buffers: Iterable[Buffer]) -> dict[int, int]:
    """The place of one that is as large and not needed any more for each, or one of its own."""
    offsets: dict[int, int] = {}
    places: dict[int, list[Buffer]] = {}
    top = 0
    for buffer in sorted(buffers, key=lambda b: (b.first, b.index)):
        latest = places.setdefault(buffer.bytes, [])
        free = next((place for place, before in enumerate(latest) if before.last < buffer.first), None)
        if free is None:
            latest.append(buffer)
            offsets[buffer.index] = top
            top += _aligned(buffer.bytes)
        else:
            offsets[buffer.index] = offsets[latest[free].index]
            latest[free] = buffer
    return offsets


def _tightly(buffers: Iterable[Buffer]) -> dict[int, int]:
    """Lowest free offset for each, the largest first."""
    placed: list[tuple[int, int, int, int]] = []
    offsets = {}
    for buffer in sorted(buffers, key=lambda b: (-b.bytes, b.index)):
        size, offset, first, last = _aligned(buffer.bytes), 0, buffer.first, buffer.last
        for start, stop, begins, ends in placed:
            if start >= offset + size:
                break
            if offset < stop and first <= ends and begins <= last:
                offset = stop
        insort(placed, (offset, offset + size, first, last))
        offsets[buffer.index] = offset
    return offsets


def _end(buffers: Iterable[Buffer]) -> int:
    return max((b.offset + _aligned(b.bytes) for b in buffers), default=0)
