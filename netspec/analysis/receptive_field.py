"""Receptive fields: how much of the input one output position sees, and how far apart two neighbours look.

Recurrences of Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks" (Distill 2019):
r_out = r_in + (d(k-1))·j_in and j_out = j_in·s; where branches merge, the larger field and jump count. A
transposed convolution divides the jump; one of less than a cell counts as a cell: what is said behind it is a bound.
"""

from __future__ import annotations

from typing import NamedTuple

from netspec.core.formulas import conv_transpose_inputs, window_span
from netspec.core.graph import Graph, Node, Value


class Field(NamedTuple):
    """Per spatial axis: cells of the input seen (``size``), and cells between two neighbouring outputs (``jump``)."""

    size: tuple[int, ...]
    jump: tuple[int, ...]


def receptive_fields(graph: Graph) -> dict[Value, Field]:
    """The field of every value that still has, or once had, spatial axes."""
    fields: dict[Value, Field] = {}
    sides: dict[Value, tuple[int, ...]] = {}
    for value in graph.inputs:
        ones = (1,) * len(value.type.spatial)
        fields[value], sides[value] = Field(ones, ones), value.type.spatial
    for node in graph.nodes:
        known = [v for v in node.data if v in fields]
        if not known:
            continue
        merged = _merge([fields[v] for v in known])
        image = sides[known[0]]
        for value in node.outputs:
            fields[value], sides[value] = _through(node, known[0], merged, image), image
    return fields


def _merge(parts: list[Field]) -> Field:
    if len({len(p.size) for p in parts}) > 1:
        return max(parts, key=lambda p: p.size)
    return Field(
        tuple(map(max, zip(*(p.size for p in parts), strict=True))),
        tuple(map(max, zip(*(p.jump for p in parts), strict=True))),
    )


def _through(node: Node, x: Value, field: Field, image: tuple[int, ...]) -> Field:
    if node.op.has("geometry") and x.type.spatial:
        window = node.attrs.geometry(x.type)
        spans = [window_span(k, d) for k, d in zip(window.size, window.dilation, strict=True)]
        size = tuple(r + (k - 1) * j for r, k, j in zip(field.size, spans, field.jump, strict=True))
        return Field(size, tuple(j * s for j, s in zip(field.jump, window.stride, strict=True)))
    if node.op.has("reverse") and x.type.spatial:
        window = node.attrs.reverse(x.type)
        axes = zip(window.size, window.stride, window.dilation, strict=True)
        inputs = [conv_transpose_inputs(k, s, d) for k, s, d in axes]
        size = tuple(r + (n - 1) * j for r, n, j in zip(field.size, inputs, field.jump, strict=True))
        return Field(size, tuple(max(1, j // s) for j, s in zip(field.jump, window.stride, strict=True)))
    if x.type.spatial and node.output.type.positions < x.type.positions:
        return Field(tuple(map(max, zip(field.size, image, strict=True))), image)
    return field
