"""Layout assignment: gives every value the storage layout that the target wants and adds the conversions between."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Node, Value
from netspec.core.types import TensorType
from netspec.declarations.ops.preparation import LayoutConvert


class LayoutRules(Protocol):
    """What a target says of layouts."""

    def preferred_block(self, type: TensorType) -> int | None:
        """The block that a computed value of this type is stored with."""

    def accepts(self, op: str, position: int, type: TensorType) -> bool:
        """Whether the op's kernel reads this layout as its input number ``position``."""


def assign_layouts(graph: Graph, rules: LayoutRules) -> Graph:
    """The graph with layouts. Inputs, state and outputs stay plain; an elementwise op keeps its inputs' layout."""
    g = Builder.continuing(graph)
    g.derived_from = "layout"
    mapping: dict[Value, Value] = {}
    converted: dict[tuple[Value, int | None], Value] = {}

    def in_layout(value: Value, block: int | None) -> Value:
        if value.type.block == block:
            return value
        if (value, block) not in converted:
            converted[value, block] = g.add(LayoutConvert(block=block), value)
        return converted[value, block]

    def read(node: Node) -> tuple[Value, ...]:
        values = [mapping.get(v, v) for v in node.inputs]
        mixed = _keeps_layout(node) and len({v.type.block for v in values if v.type.batched}) > 1
        for position, value in enumerate(values):
            if value.type.batched and (mixed or not rules.accepts(node.op.name, position, value.type)):
                values[position] = in_layout(value, rules.preferred_block(value.type))
        return tuple(values)

    for node in graph.nodes:
        g.path, g.where, g.region = node.path, node.where, node.region
        inputs = read(node)
        outputs = tuple(_typed(v, _block(node, v, inputs, rules)) for v in node.outputs)
        mapping.update(zip(node.outputs, outputs, strict=True))
        g.nodes.append(replace(node, inputs=inputs, outputs=outputs))
    g.path, g.where, g.region = "", None, "backward" if any(n.region == "backward" for n in graph.nodes) else "forward"
    results = {name: in_layout(mapping.get(v, v), None) for name, v in graph.outputs.items()}
    g.slots = {
        name: replace(s, written=mapping.get(s.written, s.written)) if s.written else s for name, s in g.slots.items()
    }
    return g.graph(results, {name: results[name] for name in graph.heads if name in results})


def _typed(value: Value, block: int | None) -> Value:
    return value if value.type.block == block else replace(value, type=replace(value.type, block=block))


def _block(node: Node, output: Value, inputs: tuple[Value, ...], rules: LayoutRules) -> int | None:
    if not output.type.batched:
        return None
    if _keeps_layout(node):
        return next((v.type.block for v in inputs if v.type.batched), None)
    return rules.preferred_block(output.type)


def _keeps_layout(node: Node) -> bool:
    return node.op.has("expressions") or node.op.has("keeps_layout")
