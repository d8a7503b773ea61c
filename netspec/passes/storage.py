"""Storage assignment: what a target computes with fewer bits is stored in fewer, and converted where it is not.

A tensor of the batch is stored as bfloat16 where the kernel that makes it can write it so and one that reads it can
read it so. Who reads it otherwise is given a copy: one for all who do. Factors of products are read as bfloat16
wherever they come from, so weights are rounded once for all products of a step. State, inputs and whatever has no batch
stay as they are: numbers that are summed, learned or averaged over steps would lose what is small beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Node, Storage, Stored, Value
from netspec.declarations.ops.preparation import StorageConvert


def assign_storage(graph: Graph, storage: Callable[[Node], Storage]) -> Graph:
    """The graph with tensors stored as bfloat16 where ``storage`` allows it, and the conversions between."""
    known = {node: storage(node) for node in graph.nodes}
    g = Builder.continuing(graph)
    g.derived_from = "storage"
    mapping = _narrowed(graph, known)
    converted: dict[tuple[Value, Stored], Value] = {}

    def stored(value: Value, as_type: Stored) -> Value:
        if as_type == "either" or value.type.dtype not in ("float32", "bfloat16") or value.type.dtype == as_type:
            return value
        if (value, as_type) not in converted:
            converted[value, as_type] = g.add(StorageConvert(to=as_type), value)
        return converted[value, as_type]

    for node in graph.nodes:  # first what is state: it is there from the beginning, and can be done at once
        for position, value in enumerate(node.operands):
            if value.role == "state":
                stored(value, known[node].read(position, value))
    for node in graph.nodes:
        g.path, g.where, g.region = node.path, node.where, node.region
        inputs = (stored(mapping.get(v, v), known[node].read(at, v)) for at, v in enumerate(node.inputs))
        outputs = tuple(mapping.get(v, v) for v in node.outputs)
        g.nodes.append(replace(node, inputs=tuple(inputs), outputs=outputs))
    return replace(
        graph, nodes=tuple(g.nodes), outputs=_mapped(graph.outputs, mapping), heads=_mapped(graph.heads, mapping)
    )


def _mapped(values: Mapping[str, Value], mapping: Mapping[Value, Value]) -> dict[str, Value]:
    return {name: mapping.get(value, value) for name, value in values.items()}


def _narrowed(graph: Graph, known: Mapping[Node, Storage]) -> dict[Value, Value]:
    """By value what takes its place: the same, stored as bfloat16."""
    wanted = {
        value
        for node in graph.nodes
        for position, value in enumerate(node.inputs)
        if known[node].read(position, value) != "float32"
    }
    return {
        value: replace(value, type=replace(value.type, dtype="bfloat16"))
        for node in graph.nodes
        for value in node.outputs
        if value.type.batched
        and value.type.dtype == "float32"
        and (known[node].writes == "bfloat16" or (known[node].writes == "either" and value in wanted))
    }
