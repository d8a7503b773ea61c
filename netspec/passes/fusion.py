"""Fusion: what follows an op elementwise is done while its numbers are at hand, not in a pass over memory of its own.

Six forms, applied once layouts are known. An **epilogue**: a sum with a residual and a clipping activation go into
the op whose output they take. A **pooling**: of a convolution whose output goes to a max pooling alone, the maxima are
stored alone. A **gate**: the gradient of a clipping activation goes into the op that takes it. A
**chain**: elementwise ops that follow each other become one. **Moments** that an op normalises its input by are
gathered by the op that makes the input. **Sums** over samples and positions are gathered by the gate before them.
Results are the same bits as without; of moments, the same within their bound, since they are summed in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import copysign, inf

from netspec.core.clipping import Limits, limits_of_clip, limits_of_gate
from netspec.core.expression import Expression, inputs, substitute
from netspec.core.graph import Epilogue, Graph, Node, Value
from netspec.declarations.ops.chain import Chain
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.pooled_convolution import ConvPooled
from netspec.declarations.ops.pooling import MaxPool, MaxPoolValues
from netspec.passes.moments import fuse_moments

LONGEST_CHAIN = 12
"""Inputs of one elementwise kernel: as many streams as a processor still reads well ahead."""


def _none(op: str) -> bool:
    return False


def _neither(convolution: Node, pooled: Node) -> bool:
    return False


def fuse(
    graph: Graph,
    takes_epilogue: Callable[[str], bool],
    gathers_moments: Callable[[str], bool] = _none,
    gathers_sums: Callable[[str], bool] = _none,
    pools: Callable[[Node, Node], bool] = _neither,
) -> Graph:
    """The graph with fewer passes over memory.

    ``takes_epilogue`` tells the ops whose kernels add a residual and clip, ``gathers_moments`` and
    ``gathers_sums`` those whose kernels gather these, ``pools`` whether a convolution is to become a pooled one.
    """
    gated = fuse_gates(fuse_poolings(fuse_epilogues(graph, takes_epilogue), pools))
    return fuse_sums(fuse_chains(fuse_moments(gated, gathers_moments)), gathers_sums)


@dataclass(slots=True)
class Uses:
    """Who makes and who reads each value, kept true while nodes are merged."""

    nodes: list[Node | None]
    kept: frozenset[Value]
    """Outputs and state: values that must be stored."""
    maker: dict[Value, int] = field(default_factory=dict)
    readers: dict[Value, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph) -> Uses:
        """The uses in ``graph``."""
        written = (slot.written for slot in graph.slots if slot.written)
        found = cls(list(graph.nodes), frozenset([*graph.outputs.values(), *graph.heads.values(), *written]))
        for position, node in enumerate(graph.nodes):
            found.maker.update(dict.fromkeys(node.outputs, position))
            for value in dict.fromkeys(node.inputs):
                found.readers.setdefault(value, []).append(position)
        return found

    def only_for(self, value: Value, reader: int) -> Node | None:
        """The node that makes ``value``, if ``reader``, of the same region, is all that it is made for."""
        if value in self.kept or value not in self.maker or self.readers[value] != [reader]:
            return None
        node, other = self.nodes[self.maker[value]], self.nodes[reader]
        return node if node is not None and other is not None and node.region == other.region else None

    def merge(self, first: int, second: int, merged: Node) -> None:
        """Put ``merged`` in the place of the second of two nodes, and drop the first."""
        for position in (first, second):
            for value in dict.fromkeys(self._at(position).inputs):
                self.readers[value].remove(position)
        self.nodes[first], self.nodes[second] = None, merged
        self.maker.update(dict.fromkeys(merged.outputs, second))
        for value in dict.fromkeys(merged.inputs):
            self.readers[value] = sorted([*self.readers.get(value, []), second])

    def _at(self, position: int) -> Node:
        node = self.nodes[position]
        if node is None:
            raise ValueError(f"node {position} is merged already")
        return node

    def graph(self, graph: Graph) -> Graph:
        """``graph`` with the nodes as they are now."""
        return replace(graph, nodes=tuple(node for node in self.nodes if node is not None))


def fuse_epilogues(graph: Graph, takes_epilogue: Callable[[str], bool]) -> Graph:
    """Sums with a residual and clipping activations become epilogues of the ops before them."""
    uses = Uses.of(graph)
    for position, node in enumerate(graph.nodes):
        for value in reversed(node.inputs):
            before = uses.only_for(value, position)
            if before is None or value is not before.output or not takes_epilogue(before.op.name):
                continue
            epilogue = _epilogue(node, before)
            first = uses.maker[value]
            if epilogue is None or _read_between(uses, before, first, position):
                continue
            added = [v for v in node.inputs if v is not value]
            outputs = (node.output, *before.outputs[1:])
            merged = replace(before, inputs=(*before.inputs, *added), outputs=outputs, epilogue=epilogue)
            uses.merge(first, position, merged)
            break
    return uses.graph(graph)


def _read_between(uses: Uses, node: Node, first: int, end: int) -> bool:
    """Whether another output of ``node`` is read before the place where the node would go."""
    return any(first < reader < end for value in node.outputs[1:] for reader in uses.readers.get(value, ()))


def _epilogue(node: Node, before: Node) -> Epilogue | None:
    """The epilogue of ``before`` once it does the work of ``node`` too; None if that is no work for an epilogue."""
    so_far = before.epilogue or Epilogue()
    if not _alike(node, before.output):
        return None
    if _adds(node):
        untouched = so_far == Epilogue()
        return Epilogue(residual=True) if untouched else None
    limits = clipping(node)
    if limits is None or (so_far.low, so_far.high) != (-inf, inf):
        return None
    return so_far._replace(low=limits.low, high=limits.high)


def _alike(node: Node, value: Value) -> bool:
    """Whether the node is elementwise with one output, all of it of the element type, shape and layout of ``value``."""
    if not node.op.has("expressions") or node.epilogue or len(node.outputs) != 1:
        return False
    return all(v.type == value.type for v in (*node.inputs, node.output))


def _adds(node: Node) -> bool:
    """Whether the node is the sum of two different values."""
    if len(node.inputs) != 2 or node.inputs[0] is node.inputs[1]:
        return False
    x, residual = inputs(2)
    formula: Expression = node.attrs.expressions(2)[0]
    return formula == x + residual


def clipping(node: Node) -> Limits | None:
    """The limits of an elementwise node of one input that clips it, as relu and relu6 do; None of any other."""
    elementwise = node.op.has("expressions") and len(node.inputs) == 1
    return limits_of_clip(node.attrs.expressions(1)[0]) if elementwise else None


def gating(node: Node) -> Limits | None:
    """The limits of a node that passes dy, its second input, where y, its first, lies strictly between them."""
    elementwise = node.op.has("expressions") and len(node.inputs) == 2
    return limits_of_gate(node.attrs.expressions(2)[0]) if elementwise else None


def fuse_poolings(graph: Graph, pools: Callable[[Node, Node], bool]) -> Graph:
    """A convolution and the max pooling that alone reads it become one; what clips may stand on either side."""
    uses = Uses.of(graph)
    for position, node in enumerate(graph.nodes):
        before = uses.only_for(node.inputs[0], position) if node.inputs else None
        if before is None:
            continue
        if isinstance(before.attrs, ConvPooled):
            clipped = _epilogue(node, before) if clipping(node) else None
            pooled = replace(before, outputs=node.outputs, epilogue=clipped) if clipped and _orders(clipped) else None
        else:
            pooled = _pooled(node, before)
            pooled = pooled if pooled is not None and pools(before, pooled) else None
        if pooled is not None:
            uses.merge(uses.maker[node.inputs[0]], position, pooled)
    return uses.graph(graph)


def _pooled(node: Node, before: Node) -> Node | None:
    """The convolution ``before`` with the pooling ``node``, if they are such and windows have no numbers in common."""
    pool = node.attrs.pool if isinstance(node.attrs, MaxPoolValues) else None
    if not isinstance(pool, MaxPool) or not isinstance(before.attrs, Conv) or before.output.type.dtype != "float32":
        return None
    window, epilogue = pool.geometry(before.output.type), before.epilogue or Epilogue()
    apart = all(step >= size for step, size in zip(window.stride, window.size, strict=True))
    clips_at_most = epilogue == Epilogue(low=epilogue.low, high=epilogue.high) and _orders(epilogue)
    if not apart or not clips_at_most:
        return None
    return replace(before, attrs=ConvPooled(conv=before.attrs, pool=pool), outputs=node.outputs)


def _orders(epilogue: Epilogue) -> bool:
    """Whether clipping before and after a maximum is the same to the bit: with limits of -0.0 it is not."""
    return not any(limit == 0 and copysign(1, limit) < 0 for limit in (epilogue.low, epilogue.high))


def fuse_gates(graph: Graph) -> Graph:
    """The gradient of a clipping activation is taken in by the op that it goes to, where that op states ``gated``."""
    uses = Uses.of(graph)
    for position, node in enumerate(graph.nodes):
        if not node.op.has("gated"):
            continue
        place = node.attrs.gate_input
        before = uses.only_for(node.inputs[place], position)
        limits = gating(before) if before is not None else None
        if before is None or limits is None or not _alike(before, before.output):
            continue
        y, dy = before.inputs
        forward = uses.nodes[uses.maker[y]] if y in uses.maker else None
        if forward is None or forward.epilogue != Epilogue(low=limits.low, high=limits.high):
            continue
        gated = node.attrs.gated(node, forward, *limits)
        if gated is not None:
            (attrs, extra), own = gated, node.operands
            read = (*own[:place], dy, *own[place + 1 :], *extra, *node.inputs[len(own) :])
            uses.merge(uses.maker[node.inputs[place]], position, replace(node, attrs=attrs, inputs=read))
    return uses.graph(graph)


def fuse_sums(graph: Graph, gathers_sums: Callable[[str], bool]) -> Graph:
    """The sums of a gradient that passed a gate, which are the gradient of a bias, are gathered as it is stored."""
    uses = Uses.of(graph)
    for position, node in enumerate(graph.nodes):
        place = uses.maker.get(node.inputs[0]) if node.op.name == "channel_sum" else None
        gate = uses.nodes[place] if place is not None else None
        if place is None or gate is None or gating(gate) is None or not _chainable(gate) or node.output in uses.kept:
            continue
        if gathers_sums(gate.op.name) and gate.region == node.region:
            uses.nodes[position] = None
            uses.nodes[place] = replace(gate, outputs=(gate.output, node.output), epilogue=Epilogue(sums=True))
    return uses.graph(graph)


def fuse_chains(graph: Graph) -> Graph:
    """Elementwise ops whose output goes to one other alone are done within that one."""
    uses = Uses.of(graph)
    for position in range(len(graph.nodes)):
        while (pair := _link(uses, position)) is not None:
            uses.merge(*pair)
    return uses.graph(graph)


def _link(uses: Uses, position: int) -> tuple[int, int, Node] | None:
    """A node whose work the one at ``position`` can take over: its place, ``position``, and the node for both."""
    node = uses.nodes[position]
    if node is None or not _chainable(node):
        return None
    for value in node.inputs:
        before = uses.only_for(value, position)
        if before is None or not _chainable(before) or value.type != node.output.type:
            continue
        read = tuple(dict.fromkeys((*before.inputs, *(v for v in node.inputs if v is not value))))
        if len(read) <= LONGEST_CHAIN:
            chain = Chain(formula=_composed(node, before, read), output=node.output.type)
            return uses.maker[value], position, replace(node, attrs=chain, inputs=read, parameters=())
    return None


def _chainable(node: Node) -> bool:
    """Whether the node is elementwise over batched float32 tensors of one shape and layout, with one output."""
    return _alike(node, node.output) and node.output.type.batched and node.output.type.dtype == "float32"


def _composed(node: Node, before: Node, read: tuple[Value, ...]) -> Expression:
    """The node's formula with that of ``before`` put in, over the values in ``read``."""
    places: dict[Value, Expression] = dict(zip(read, inputs(len(read)), strict=True))

    def formula(of: Node, known: dict[Value, Expression]) -> Expression:
        names = inputs(len(of.inputs))
        own: Expression = of.attrs.expressions(len(of.inputs))[0]
        return substitute(own, {name: known[value] for name, value in zip(names, of.inputs, strict=True)})

    inner = formula(before, places)
    return formula(node, places | {before.output: inner})
