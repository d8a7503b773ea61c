"""Replaces every op that is a combination of others by that combination, until none is left."""

from __future__ import annotations

from collections.abc import Mapping

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Node, Value
from netspec.passes.rewrite import rewrite


def lower(graph: Graph) -> Graph:
    """The graph without ops that state ``lower``; what stands for them has their path, place and parameters."""
    while any(node.op.has("lower") for node in graph):
        graph = rewrite(graph, _lowered, "lowering")
    return graph


def _lowered(g: Builder, node: Node) -> Mapping[Value, Value] | None:
    if not node.op.has("lower"):
        return None
    return {node.output: node.attrs.lower(g, node)}
