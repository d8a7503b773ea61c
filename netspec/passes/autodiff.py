"""Reverse-mode differentiation: the backward region of a step, from the gradient each op states of itself."""

from __future__ import annotations

from collections.abc import Iterable

from netspec.core.builder import Builder
from netspec.core.graph import Value
from netspec.declarations.ops.loss_nodes import Constant
from netspec.declarations.ops.merge import Add


def differentiate(g: Builder, loss: Value, wanted: Iterable[Value]) -> dict[Value, Value]:
    """Adds the gradient of the scalar ``loss`` to ``g`` and returns it for each of ``wanted`` that it depends on.

    Only nodes on a path from a wanted value to the loss are differentiated. A value used in several places gets the
    sum of its gradients, in the order of the walk, which is fixed.
    """
    targets = tuple(wanted)
    forward = tuple(g.nodes)
    varying = set(targets)
    for node in forward:
        if any(v in varying for v in node.inputs):
            varying.update(node.outputs)
    g.region, g.derived_from, g.path, g.where = "backward", "gradient", "", None
    gradients: dict[Value, list[Value]] = {loss: [g.add(Constant(value=1.0))]}
    for node in reversed(forward):
        arriving = [gradients.get(v) for v in node.outputs]
        if node.region != "forward" or arriving[0] is None or not any(v in varying for v in node.inputs):
            continue
        g.path, g.where = node.path, node.where
        summed = [_total(g, parts) if parts else None for parts in arriving]
        for value, gradient in zip(node.inputs, node.attrs.grad(g, node, *summed), strict=True):
            if gradient is not None and value in varying:
                gradients.setdefault(value, []).append(gradient)
    return {v: _total(g, gradients[v]) for v in targets if v in gradients}


def _total(g: Builder, parts: list[Value]) -> Value:
    if len(parts) > 1:
        parts[:] = [g.add(Add(), *parts)]
    return parts[0]
