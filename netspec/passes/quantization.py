"""Quantisation: layers of float32 numbers become layers of bytes, where there are kernels for them.

For inference only. The graph is the inference form, batch normalisation folded; of its values the ranges are known that
calibration measured, or that training learnt. A sum with a residual and a clipping activation go into the layer before
them, since its output is rounded once then. What has no form in bytes stays in float32, and is converted to and fro at
its border.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any, NamedTuple

from netspec.core.builder import Builder
from netspec.core.graph import Epilogue, Graph, Node, Value
from netspec.core.types import Quantized
from netspec.declarations.ops.quantization import (
    HIGHEST,
    LOWEST,
    AddInt8,
    ConcatInt8,
    ConvInt8,
    Dequantize,
    MaxPoolInt8,
    MeanInt8,
    MoveInt8,
    Quantize,
    QuantizeWeights,
    Rescale,
)
from netspec.passes.dead_code import remove_dead_code
from netspec.passes.fusion import clipping, fuse_epilogues
from netspec.passes.rewrite import finish, rewire, rewrite

LAYERS = frozenset({"conv", "dense"})
"""Ops with weights that are computed in bytes."""
_MEANS = frozenset({"avg_pool", "global_avg_pool"})
_MOVES = frozenset({"pad", "crop", "part", "select", "channel_shuffle"})


class Range(NamedTuple):
    """Between which numbers those of an activation lie."""

    low: float
    high: float


Ranges = Mapping[str, Range]
"""By the name that :func:`range_names` gives a value."""


class QuantizedGraph(NamedTuple):
    """A graph after :func:`quantize`."""

    graph: Graph
    bytes: Mapping[str, Value]
    """The values that are bytes now, by the names that :func:`range_names` gives to what they were."""
    layers: tuple[Node, ...]
    """The layers with weights that are computed in bytes."""
    left: tuple[Node, ...]
    """What is computed in float32 all the same."""


def parameters(limits: Range) -> Quantized:
    """Scale and zero of bytes that hold a range, widened so that 0 is in it: 0 then is a byte, and padding exact."""
    low, high = min(limits.low, 0.0), max(limits.high, 0.0)
    scale = (high - low) / (HIGHEST - LOWEST) or 1.0
    return Quantized(scale, min(HIGHEST, round(-low / scale)))


def range_names(graph: Graph) -> dict[Value, str]:
    """What each value's range is known by: its own name, or that of the input that it is made of by preprocessing.

    So a name does not depend on the element type that data come in.
    """
    names = {value: value.name for value in graph.inputs}
    for node in graph.nodes:
        for value in node.outputs:
            names[value] = node.path if node.derived_from == "preprocessing" else value.name
    return names


def calibrated_values(graph: Graph) -> dict[str, Value]:
    """The values whose ranges :func:`quantize` asks for, by name, of a graph as it is before."""
    names, found = range_names(graph), {}
    for node in _fused(graph).nodes:
        if _takes_bytes(node):
            for value in (*_activations(node), node.output):
                found[names[value]] = value
    return found


def quantize(graph: Graph, ranges: Ranges) -> QuantizedGraph:
    """The graph with all layers in bytes that have a form in bytes, and ranges."""
    before = _fused(graph)
    work = _Work(Builder.continuing(before), before, ranges, range_names(graph))
    for node in before.nodes:
        work.place(node)
    mapping = {value: work.real(value) for value in (*before.outputs.values(), *before.heads.values())}
    made = remove_dead_code(finish(work.g, before, mapping))
    there = set(made.producer())
    held = {work.names[old]: new for old, new in work.held.items() if new in there}
    layers = tuple(node for node in made.nodes if node.op.name == "conv.int8")
    return QuantizedGraph(made, held, layers, _left(made))


def packed_weights(graph: Graph) -> frozenset[str]:
    """The names of the weights that a quantised graph makes bytes of."""
    producers, state = graph.producer(), {slot.value: slot.name for slot in graph.slots}
    found = set()
    for node in graph.nodes:
        if node.op.name == "quantize.weights":
            weight: Value = node.inputs[0]
            maker: Node | None = producers.get(weight)
            found.add(state[weight if maker is None else maker.inputs[0]])
    return frozenset(found)


def _left(graph: Graph) -> tuple[Node, ...]:
    """What stays in float32 before the last layer of bytes, and any layer with weights behind it."""
    last = max((place for place, node in enumerate(graph.nodes) if node.op.name == "conv.int8"), default=-1)
    return tuple(
        node
        for place, node in enumerate(graph.nodes)
        if node.path and node.derived_from not in ("preprocessing", "quantization") and node.output.type.batched
        if place < last or node.op.has("weighs_channels")
    )


def _fused(graph: Graph) -> Graph:
    """The graph with residuals and activations in the layers before them, and without sums of one value alone."""
    return fuse_epilogues(rewrite(graph, _single_sum, "quantization"), LAYERS.__contains__)


def _single_sum(g: Builder, node: Node) -> Mapping[Value, Value] | None:
    """What a block without a shortcut adds up: that value."""
    alone = node.op.name == "add" and len(node.inputs) == 1
    return {node.output: node.inputs[0]} if alone else None


def _activations(node: Node) -> tuple[Value, ...]:
    return tuple(value for value in node.inputs if value.type.batched)


def _takes_bytes(node: Node) -> bool:
    """Whether the node has a form in bytes."""
    name = node.op.name
    if name in LAYERS:
        return True
    if any(value.type.dtype != "float32" for value in node.inputs):
        return False
    if name == "pad":
        return bool(node.attrs.mode != "value" or node.attrs.value == 0)
    if name == "concat":
        return bool(node.attrs.axis == "channels")
    if name == "add":
        return len(node.inputs) == 2
    return name in {"max_pool.values", "flatten", *_MEANS, *_MOVES} or clipping(node) is not None


@dataclass(slots=True)
class _Work:
    """The graph in the making: what a value of the graph before is as bytes, and as float32, as far as asked for."""

    g: Builder
    graph: Graph
    ranges: Ranges
    names: dict[Value, str]
    held: dict[Value, Value] = field(default_factory=dict)
    floats: dict[Value, Value] = field(default_factory=dict)
    consumers: dict[Value, list[Node]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.consumers = self.graph.consumers()

    def place(self, node: Node) -> None:
        """Add the node to the graph, in bytes if it can be."""
        self.g.path, self.g.where, self.g.region = node.path, node.where, node.region
        self.g.derived_from = "quantization"
        made = self._in_bytes(node) if _takes_bytes(node) else None
        if made is not None:
            (self.floats if made.type.quantized is None else self.held)[node.output] = made
            return
        needed = {value: self.real(value) for value in node.inputs}
        self.g.nodes.append(rewire(node, needed))

    def real(self, value: Value) -> Value:
        """The value as float32 numbers."""
        if value not in self.floats:
            held = self.held.get(value)
            self.floats[value] = value if held is None else self.g.add(Dequantize(), held)
        return self.floats[value]

    def bytes(self, value: Value) -> Value | None:
        """The value as bytes; None where no range is known of it."""
        if value not in self.held:
            y = self.type_of(value)
            if y is None:
                return None
            self.held[value] = self._quantized(self.floats.get(value, value), y)
        return self.held[value]

    def type_of(self, value: Value) -> Quantized | None:
        """What the value's bytes stand for; None where no range is known of it."""
        limits = self.ranges.get(self.names[value])
        return parameters(limits) if limits is not None and all(map(isfinite, limits)) else None

    def _quantized(self, value: Value, y: Quantized) -> Value:
        """The bytes of a value; where affine ops make it of data, they are taken in."""
        makers = {node.output: node for node in self.g.nodes if node.op.name == "affine"}
        factor: tuple[float, ...] = (1.0,)
        summand: tuple[float, ...] = (0.0,)
        while value in makers:
            made = makers[value]
            summand = _each(made.attrs.shift, factor, summand)
            factor = _each(made.attrs.scale, factor)
            (value,) = made.data
        return self.g.add(Quantize(y=y, factor=factor, summand=summand), value)

    def _in_bytes(self, node: Node) -> Value | None:
        """What computes the node in bytes; None where it better stays, or a range is missing."""
        values = _activations(node)
        if node.op.name not in LAYERS and not any(value in self.held for value in values):
            return None  # between numbers and numbers nothing is won
        held = [found for found in map(self.bytes, values) if found is not None]
        y = self.type_of(node.output)
        if y is None or len(held) < len(values):
            return None
        return _FORMS.get(node.op.name, _activation)(self, node, held, y)

    def only_numbers_ask(self, value: Value) -> bool:
        """Whether nobody can read the value as bytes."""
        return not any(_takes_bytes(node) for node in self.consumers.get(value, ()))


def _each(
    numbers: tuple[float, ...], factor: tuple[float, ...], summand: tuple[float, ...] = (0.0,)
) -> tuple[float, ...]:
    """``numbers·factor + summand``, each one number or one per channel."""
    channels = max(map(len, (numbers, factor, summand)))
    rows = (each * (channels if len(each) == 1 else 1) for each in (numbers, factor, summand))
    return tuple(a * b + c for a, b, c in zip(*rows, strict=True))


Form = Callable[[_Work, Node, list[Value], Quantized], Value]


def _byte(limit: float, y: Quantized) -> int:
    """The byte of a limit at which numbers are clipped."""
    if limit in (inf, -inf):
        return HIGHEST if limit > 0 else LOWEST
    return max(LOWEST, min(HIGHEST, y.zero + round(limit / y.scale)))


def _layer(work: _Work, node: Node, held: list[Value], y: Quantized) -> Value:
    """A convolution or dense layer, with what is fused to it."""
    weights = node.operands[len(node.data) :]
    x, ending = held[0].type.quantized, node.epilogue or Epilogue()
    assert x is not None
    alone = node.epilogue is None and not node.output.type.spatial
    wanted = None if alone and work.only_numbers_ask(node.output) else y
    prepared = QuantizeWeights(x=x, y=wanted, bias=len(weights) > 1)
    made: tuple[Value, ...] = work.g.node(prepared, *weights).outputs
    attrs = ConvInt8(layer=node.attrs, y=wanted, low=_byte(ending.low, y), high=_byte(ending.high, y))
    return work.g.add(attrs, held[0], *made, *held[1:])


def _sum(work: _Work, node: Node, held: list[Value], y: Quantized) -> Value:
    return work.g.add(AddInt8(y=y), *held)


def _joined(work: _Work, node: Node, held: list[Value], y: Quantized) -> Value:
    return work.g.add(ConcatInt8(concat=node.attrs, y=y), *held)


def _mean(work: _Work, node: Node, held: list[Value], y: Quantized) -> Value:
    return work.g.add(MeanInt8(pool=node.attrs, y=y), *held)


def _largest(work: _Work, node: Node, held: list[Value], y: Quantized) -> Value:
    return work.g.add(MaxPoolInt8(pool=node.attrs.pool), *held)


def _flattened(work: _Work, node: Node, held: list[Value], y: Quantized) -> Value:
    return work.g.add(node.attrs, *held)


def _moved(work: _Work, node: Node, held: list[Value], y: Quantized) -> Value:
    return work.g.add(MoveInt8(move=node.attrs), *held)


def _activation(work: _Work, node: Node, held: list[Value], y: Quantized) -> Value:
    limits: Any = clipping(node)
    return work.g.add(Rescale(y=y, low=_byte(limits.low, y), high=_byte(limits.high, y)), *held)


_FORMS: dict[str, Form] = {
    **dict.fromkeys(LAYERS, _layer),
    **dict.fromkeys(_MEANS, _mean),
    **dict.fromkeys(_MOVES, _moved),
    "add": _sum,
    "concat": _joined,
    "max_pool.values": _largest,
    "flatten": _flattened,
}
