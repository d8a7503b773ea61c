"""``explain``: how the numbers of a layer came to be, by the formulas its op states."""

from __future__ import annotations

from netspec.core import op as ops
from netspec.core.formulas import Formula
from netspec.core.graph import Graph, Node


def find_layer(graph: Graph, path: str) -> Node | None:
    """The layer of that path, or the only one whose last name it is."""
    exact = [node for node in graph.nodes if node.path == path]
    if exact:
        return exact[-1]
    ending = [node for node in graph.nodes if node.path.rsplit("/", 1)[-1] == path]
    return ending[0] if len(ending) == 1 else None


def explain_layer(node: Node) -> tuple[Formula, ...]:
    """The formulas of a layer with its numbers put in."""
    return tuple(ops.explain(node.attrs, tuple(v.type for v in node.data), tuple(v.type for v in node.outputs)))
