"""The walk that passes share: go through the nodes in order, replace some, rewire what follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Node, Value

Replace = Callable[[Builder, Node], Mapping[Value, Value] | None]
"""Adds what stands for the node to the builder and says which value replaces which; ``None`` keeps the node."""


def rewire(node: Node, mapping: Mapping[Value, Value]) -> Node:
    """The node with its inputs replaced."""
    inputs = tuple(mapping.get(v, v) for v in node.inputs)
    return node if inputs == node.inputs else replace(node, inputs=inputs)


def rewrite(graph: Graph, change: Replace, reason: str) -> Graph:
    """The graph with ``change`` applied to every node; what it adds carries the node's path, place and ``reason``."""
    g = Builder.continuing(graph)
    g.derived_from = reason
    mapping: dict[Value, Value] = {}
    for node in graph.nodes:
        node = rewire(node, mapping)
        g.path, g.where, g.region = node.path, node.where, node.region
        replaced = change(g, node)
        if replaced is None:
            g.nodes.append(node)
        else:
            mapping.update(replaced)
    return finish(g, graph, mapping)


def finish(g: Builder, graph: Graph, mapping: Mapping[Value, Value]) -> Graph:
    """The builder's graph with the outputs, heads and state writes of ``graph`` seen through ``mapping``."""
    g.slots = {
        name: replace(s, written=mapping.get(s.written, s.written)) if s.written else s for name, s in g.slots.items()
    }
    outputs = {name: mapping.get(v, v) for name, v in graph.outputs.items()}
    return g.graph(outputs, {name: mapping.get(v, v) for name, v in graph.heads.items()})
