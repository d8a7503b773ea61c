"""Parameters, multiply-accumulates and activation memory, per layer and in all.

``params`` counts every stored number, moving statistics too; ``params_trained`` those that training moves. ``macs``
are those of convolutions and dense layers; ``flops`` are twice as many, which is what Keras and most papers mean.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from netspec.analysis.receptive_field import Field, receptive_fields
from netspec.core import op as ops
from netspec.core.graph import Graph, Node, Value


class LayerCost(NamedTuple):
    """One row of the summary; ``activation_bytes`` for one sample, in float32 without padding of any layout."""

    name: str
    op: str
    output: tuple[int, ...]
    params: int
    params_trained: int
    macs: int
    activation_bytes: int
    field: Field | None


class Cost(NamedTuple):
    """All rows and their totals. Shared parameters count once."""

    layers: tuple[LayerCost, ...]
    params: int
    params_trained: int
    macs: int

    @property
    def flops(self) -> int:
        """Floating-point operations of convolutions and dense layers: a multiply and an add each."""
        return 2 * self.macs


def node_macs(node: Node) -> int:
    """Multiply-accumulates of one sample."""
    return ops.macs(node.attrs, tuple(v.type for v in node.data), tuple(v.type for v in node.outputs))


def cost(graph: Graph) -> Cost:
    """The cost of a forward graph."""
    slots = {slot.value: slot for slot in graph.slots}
    fields = receptive_fields(graph)
    rows: list[LayerCost] = []
    counted: set[Value] = set()
    for node in graph.nodes:
        fresh = [slots[v] for v in node.inputs if v in slots and v not in counted]
        counted.update(slot.value for slot in fresh)
        sizes = [(math.prod(s.param.shape), s.param.trained) for s in fresh]
        rows.append(
            LayerCost(
                node.path,
                node.op.name,
                node.output.type.shape,
                sum(size for size, _ in sizes),
                sum(size for size, trained in sizes if trained),
                node_macs(node),
                node.output.type.plain().bytes(1),
                fields.get(node.output),
            )
        )
    totals = (sum(getattr(row, name) for row in rows) for name in ("params", "params_trained", "macs"))
    return Cost(tuple(rows), *totals)
