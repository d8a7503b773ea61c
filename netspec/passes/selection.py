"""Gradients ahead of a max pooling's: what can be done to the few numbers that it sends back is not done to the many.

A max pooling repeats some numbers of its input, and its gradient goes to those alone. So the gradient of a clipping
activation before it may be gated by the pooled numbers, which are the same ones, and the full image is neither gone
through once more nor kept for that; results are the same bits. The gradient of a bias may be summed from what is sent
back: the same numbers in another order.
"""

from __future__ import annotations

from dataclasses import replace

from netspec.core.graph import Graph, Node, Value
from netspec.declarations.ops.reductions import ChannelSum
from netspec.passes.fusion import gating


def work_before_selections(graph: Graph) -> Graph:
    """The graph with gates and sums over channels put before the gradients of max poolings, where they have no others
    to wait for."""
    return _sum_before(_gate_before(graph))


def _gate_before(graph: Graph) -> Graph:
    made, readers = graph.producer(), graph.consumers()
    kept = frozenset([*graph.outputs.values(), *graph.heads.values()])
    moved: dict[Node, tuple[Node, ...]] = {}
    for gate in graph.nodes:
        selection = _gated_selection(gate, made) if gating(gate) is not None else None
        if selection is None or selection.output in kept or len(readers[selection.output]) > 1:
            continue
        if any(reader.op.has("gated") for reader in readers.get(gate.output, ())):
            continue  # that reader will let it pass or not without a pass of its own
        index, gradient = selection.inputs
        gated = Value(f"{gate.output.name}:pooled", gradient.type)
        early = replace(gate, inputs=(made[index].output, gradient), outputs=(gated,))
        moved[selection] = ()
        moved[gate] = (early, replace(selection, inputs=(index, gated), outputs=gate.outputs))
    return replace(graph, nodes=tuple(new for node in graph.nodes for new in moved.get(node, (node,))))


def _gated_selection(gate: Node, made: dict[Value, Node]) -> Node | None:
    """The gradient of a pooling that the gate lets pass, if it is that of the pooling of what the gate looks at."""
    y, dy = gate.inputs
    selection = made.get(dy)
    if selection is None or not selection.op.has("selects"):
        return None
    index, gradient = selection.inputs
    pooling = made.get(index)
    if pooling is None or pooling.inputs[0] is not y or pooling.output.type != gradient.type:
        return None
    return selection if dy.type == gate.output.type else None


def _sum_before(graph: Graph) -> Graph:
    made = graph.producer()

    def early(node: Node) -> Node:
        selection = made.get(node.inputs[0]) if isinstance(node.attrs, ChannelSum) else None
        if selection is None or not selection.op.has("selects"):
            return node
        return replace(node, inputs=(selection.inputs[1],))

    return replace(graph, nodes=tuple(map(early, graph.nodes)))
