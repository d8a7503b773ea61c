"""Recomputation: what is cheap to make is made again in the backward region instead of being kept from the forward one.

A node runs a second time on the same inputs, so that every bit stays. What it reads must be kept for the backward
region anyway: then a tensor is saved, and nothing lives longer (Chen et al., "Training deep nets with sublinear memory
cost", 2016, with the choice that costs no convolution).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from netspec.core.graph import Graph, Node, Value


def recomputable(graph: Graph, batch: int) -> tuple[Value, ...]:
    """Values that can be made again, the largest first; none of them is made of another."""
    first_use, last_use = _backward_uses(graph)
    stored = {*graph.outputs.values(), *graph.heads.values(), *(slot.written for slot in graph.slots)}
    # What lies in the storage of others, or has others in its own, is not kept for itself alone.
    stored |= {*graph.places, *(place.whole for place in graph.places.values())}
    makers = {
        node.output: node
        for node in graph.nodes
        if _cheap(node) and node.output in first_use and node.output not in stored
    }
    found: dict[Value, Node] = {}
    read: set[Value] = set()
    for value in sorted(makers, key=lambda each: -each.type.bytes(batch)):
        inputs = [each for each in makers[value].inputs if each.type.batched]
        kept = all(last_use.get(each, -1) >= first_use[value] for each in inputs)
        if kept and value not in read and not any(each in found for each in inputs):
            found[value] = makers[value]
            read.update(inputs)
    return tuple(found)


def _cheap(node: Node) -> bool:
    """Whether a node of the forward region makes images out of images, and multiplies no matrices for it."""
    batched = any(value.type.batched for value in node.inputs)
    return node.region == "forward" and batched and node.output.type.batched and not node.op.has("macs")


def _backward_uses(graph: Graph) -> tuple[dict[Value, int], dict[Value, int]]:
    """Places of the first and the last node of the backward region that reads a value."""
    first: dict[Value, int] = {}
    last: dict[Value, int] = {}
    for place, node in enumerate(graph.nodes):
        if node.region == "backward":
            for value in node.inputs:
                first.setdefault(value, place)
                last[value] = place
    return first, last


def recompute(graph: Graph, values: Collection[Value]) -> Graph:
    """The graph in which the backward region makes ``values`` again before it reads them; see :func:`recomputable`."""
    makers = {node.output: node for node in graph.nodes if node.output in values}
    again: dict[Value, Value] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.region == "backward":
            for value in dict.fromkeys(node.inputs):
                if value in makers and value not in again:
                    nodes.append(_copy(makers[value]))
                    again[value] = nodes[-1].output
            node = replace(node, inputs=tuple(again.get(value, value) for value in node.inputs))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _copy(node: Node) -> Node:
    outputs = tuple(replace(value, name=f"{value.name}:again") for value in node.outputs)
    return replace(node, outputs=outputs, region="backward", derived_from="recomputation")
