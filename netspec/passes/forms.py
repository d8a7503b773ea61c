"""The two forms of a network: while it trains (batch statistics, masks) and when training is over."""

from __future__ import annotations

from collections.abc import Mapping

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Node, Value
from netspec.passes.rewrite import rewrite


def training_form(graph: Graph) -> Graph:
    """Replaces each op that behaves differently while training by that form."""
    return rewrite(graph, lambda g, node: _form(g, node, "training"), "training form")


def inference_form(graph: Graph) -> Graph:
    """Replaces each op that only matters while training by what is left of it."""
    return rewrite(graph, lambda g, node: _form(g, node, "inference"), "inference form")


def _form(g: Builder, node: Node, method: str) -> Mapping[Value, Value] | None:
    if not node.op.has(method):
        return None
    value: Value | None = getattr(node.attrs, method)(g, node)
    return None if value is None else {node.output: value}
