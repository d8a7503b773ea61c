"""Parameters, multiply-accumulates and activation memory, per layer and in all.

``params`` counts every stored number, moving statistics too; ``params_trained`` those that training moves. ``macs``
are those of convolutions and dense layers; ``flops`` are twice as many, a multiply and an add each. How this compares
with what Keras and PyTorch print: docs/counting.md.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from netspec.analysis.receptive_field import Field, receptive_fields
from netspec.core import op as ops
from netspec.core.graph import Graph, Node, Slot, Value


class LayerCost(NamedTuple):
    """One row of the summary; ``activation_bytes`` for one sample, in float32 without padding of any layout."""

    name: str
    op: str
    output: tuple[int, ...]
    params: int
    params_trained: int
    params_statistics: int
    """Moving means and variances: stored, moved by training, but not by a gradient."""
    macs: int
    activation_bytes: int
    field: Field | None
    train_only: bool = False
    """Whether only heads that are left out of inference need the layer."""

    @property
    def params_frozen(self) -> int:
        """Weights that training leaves as they are."""
        return self.params - self.params_trained - self.params_statistics


class Totals(NamedTuple):
    """Sums over layers; ``macs`` and ``activation_bytes`` for one sample."""

    params: int
    params_trained: int
    params_statistics: int
    macs: int
    activation_bytes: int

    @property
    def params_frozen(self) -> int:
        """Weights that training leaves as they are."""
        return self.params - self.params_trained - self.params_statistics

    @property
    def flops(self) -> int:
        """Floating-point operations of convolutions and dense layers: a multiply and an add each."""
        return 2 * self.macs


class Cost(NamedTuple):
    """All rows; the totals of the network, and apart from them those of layers that only auxiliary heads need."""

    layers: tuple[LayerCost, ...]
    totals: Totals
    train_only: Totals

    @property
    def params(self) -> int:
        """Stored numbers of the network; shared ones count once."""
        return self.totals.params

    @property
    def params_trained(self) -> int:
        """Those that training moves by gradients."""
        return self.totals.params_trained

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one sample."""
        return self.totals.macs

    @property
    def flops(self) -> int:
        """Floating-point operations of convolutions and dense layers."""
        return self.totals.flops


def node_macs(node: Node) -> int:
    """Multiply-accumulates of one sample."""
    return ops.macs(node.attrs, tuple(v.type for v in node.data), tuple(v.type for v in node.outputs))


def cost(graph: Graph, train_only: Collection[str] = (), fields: Mapping[Value, Field] | None = None) -> Cost:
    """The cost of a forward graph. ``train_only`` names its auxiliary heads, which inference leaves out.

    ``fields`` are the graph's receptive fields, where they are known already.
    """
    auxiliary = nodes_only_for(graph, train_only)
    owned = _owned_slots(graph, auxiliary)
    fields = receptive_fields(graph) if fields is None else fields
    rows = []
    for node in graph.nodes:
        slots = owned.get(node, ())
        row = LayerCost(
            name=node.path,
            op=node.op.name,
            output=node.output.type.shape,
            params=_numbers(slots),
            params_trained=_numbers(s for s in slots if s.param.trained),
            params_statistics=_numbers(s for s in slots if s.kind == "statistic"),
            macs=node_macs(node),
            activation_bytes=node.output.type.plain().bytes(1),
            field=fields.get(node.output),
            train_only=node in auxiliary,
        )
        rows.append(row)
    return Cost(
        tuple(rows), _sum(row for row in rows if not row.train_only), _sum(row for row in rows if row.train_only)
    )


def nodes_only_for(graph: Graph, heads: Collection[str]) -> frozenset[Node]:
    """The nodes that these heads need and no other head does."""
    if not heads:
        return frozenset()
    given, others = (
        _needed(graph, [value for name, value in graph.heads.items() if (name in heads) is wanted])
        for wanted in (True, False)
    )
    return given - others


def _needed(graph: Graph, values: Iterable[Value]) -> frozenset[Node]:
    needed, nodes = set(values), set()
    for node in reversed(graph.nodes):
        if not needed.isdisjoint(node.outputs):
            nodes.add(node)
            needed.update(node.inputs)
    return frozenset(nodes)


def _owned_slots(graph: Graph, auxiliary: frozenset[Node]) -> dict[Node, list[Slot]]:
    """The state that counts with each node: with the first that reads it, one of the main network where there is."""
    slots = {slot.value: slot for slot in graph.slots}
    owned: dict[Node, list[Slot]] = {}
    for node in sorted(graph.nodes, key=lambda node: node in auxiliary):
        found = [slots.pop(value) for value in node.inputs if value in slots]
        if found:
            owned[node] = found
    return owned


def _numbers(slots: Iterable[Slot]) -> int:
    return sum(math.prod(slot.param.shape) for slot in slots)


def _sum(rows: Iterable[LayerCost]) -> Totals:
    kept = list(rows)
    return Totals(*(sum(getattr(row, name) for row in kept) for name in Totals._fields))
