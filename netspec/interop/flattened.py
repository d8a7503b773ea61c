"""Which flattenings may keep channels first, because all that follows does not mind the order of numbers or undoes it.

netspec flattens height, width, channels. Frameworks that store channels first flatten channels, height, width; there
the weights of the dense layers behind are put in that order instead of the numbers themselves, where that is possible.
"""

from __future__ import annotations

from collections.abc import Mapping

from netspec.core.declare import declaration_of
from netspec.core.graph import Graph, Node, Value
from netspec.core.op import is_elementwise

ORDER_BLIND = frozenset({"dropout", "identity", "linear"})
"""Ops of one input that treat every number alike, beside the elementwise ones."""
READS_ROWS = frozenset({"dense", "rbf"})
"""Ops whose weight has a row for each number that comes in."""


def flattened_images(graph: Graph) -> Mapping[Value, tuple[int, ...]]:
    """The image's shape, channels last, of every row of numbers that may be in the order channels first."""
    consumers, heads = graph.consumers(), set(graph.heads.values())
    found: dict[Value, tuple[int, ...]] = {}
    for node in graph.nodes:
        image = node.data[0].type.shape if node.data else ()
        if node.op.name == "flatten" and len(image) > 1 and _undone(node.output, consumers, heads):
            found[node.output] = image
        elif _order_blind(node) and node.data[0] in found:
            found[node.output] = found[node.data[0]]
    return found


def _order_blind(node: Node) -> bool:
    plain = len(node.data) == 1 and not node.parameters
    return plain and (node.op.name in ORDER_BLIND or is_elementwise(node.attrs))


def _reads_rows(node: Node, row: Value) -> bool:
    """Whether the node is a layer, of numbers or of bytes, with a row of weights for each number of this input."""
    layer = getattr(node.attrs, "layer", None) if node.op.name == "conv.int8" else node.attrs
    return declaration_of(layer).name in READS_ROWS and node.inputs.index(row) == 0


def _undone(row: Value, consumers: Mapping[Value, list[Node]], heads: set[Value]) -> bool:
    """Whether everything that reads the row, or what order-blind ops make of it, is a layer with a row per number."""
    if row in heads or not consumers.get(row):
        return False
    return all(
        _reads_rows(node, row) or (_order_blind(node) and _undone(node.output, consumers, heads))
        for node in consumers[row]
    )
