"""Leaves out what nothing asks for."""

from __future__ import annotations

from dataclasses import replace

from netspec.core.graph import Graph


def remove_dead_code(graph: Graph) -> Graph:
    """The graph without nodes that neither an output nor a state write depends on, and without unread scalars."""
    needed = {*graph.outputs.values(), *(s.written for s in graph.slots if s.written)}
    kept = []
    for node in reversed(graph.nodes):
        if any(v in needed for v in node.outputs):
            kept.append(node)
            needed.update(node.inputs)
    slots = tuple(s for s in graph.slots if s.value in needed or s.written)
    scalars = tuple(v for v in graph.scalars if v in needed)
    return replace(graph, nodes=tuple(reversed(kept)), slots=slots, scalars=scalars)
