"""Receptive fields: how much of the input one output position sees, how far apart two neighbours look, and where.

Recurrences of Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks" (Distill 2019),
along each axis, for a window of span e = d(k−1)+1, stride s, and p cells of padding before:

    size    r_out = r_in + (e − 1)·j_in
    jump    j_out = j_in·s
    offset  o_out = o_in + ((e − 1)/2 − p)·j_in

Where branches merge, the larger field and the larger jump count, and the offset of the branch with the larger field.
"""

from __future__ import annotations

from typing import NamedTuple

from netspec.core.formulas import window_span
from netspec.core.graph import Graph, Node, Value
from netspec.core.window import WindowGeometry


class Field(NamedTuple):
    """The receptive field of a value, one number per spatial axis of the input, in cells of the input.

    ``size``: cells seen by one output; ``jump``: cells between two neighbouring outputs, less than 1 where the output
    is finer than the input; ``offset``: centre of what the first output sees, 0 being the middle of the first cell.
    """

    size: tuple[float, ...]
    jump: tuple[float, ...]
    offset: tuple[float, ...]


def receptive_fields(graph: Graph) -> dict[Value, Field]:
    """The field of every value that still has, or once had, spatial axes."""
    fields: dict[Value, Field] = {}
    sides: dict[Value, tuple[int, ...]] = {}
    for value in graph.inputs:
        axes = len(value.type.spatial)
        fields[value], sides[value] = Field((1,) * axes, (1,) * axes, (0,) * axes), value.type.spatial
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
    axes = max(len(part.size) for part in parts)
    alike = [part for part in parts if len(part.size) == axes]
    largest = [max(alike, key=lambda part: part.size[axis]) for axis in range(axes)]
    return Field(
        tuple(part.size[axis] for axis, part in enumerate(largest)),
        tuple(max(part.jump[axis] for part in alike) for axis in range(axes)),
        tuple(part.offset[axis] for axis, part in enumerate(largest)),
    )


def _through(node: Node, x: Value, field: Field, image: tuple[int, ...]) -> Field:
    before, after = x.type.spatial, node.output.type.spatial
    if len(before) != len(field.size) or not before:
        return field
    if node.op.has("geometry"):
        window: WindowGeometry = node.attrs.geometry(x.type)
        return _window(window, field) if window.input == before else _transposed(window, field)
    if node.output.type.positions == 1 < x.type.positions:
        middle = tuple(_tidy((n - 1) / 2) for n in image)
        return Field(tuple(map(max, zip(field.size, image, strict=True))), image, middle)
    if len(after) == len(before):
        return _resized(before, after, field)
    return field


def _window(window: WindowGeometry, field: Field) -> Field:
    spans = [window_span(k, d) for k, d in zip(window.size, window.dilation, strict=True)]
    return Field(
        tuple(_tidy(r + (e - 1) * j) for r, e, j in zip(field.size, spans, field.jump, strict=True)),
        tuple(_tidy(j * s) for j, s in zip(field.jump, window.stride, strict=True)),
        tuple(
            _tidy(o + ((e - 1) / 2 - p) * j)
            for o, e, p, j in zip(field.offset, spans, window.before, field.jump, strict=True)
        ),
    )


def _transposed(window: WindowGeometry, field: Field) -> Field:
    """Behind a transposed convolution, whose window slides over its output: each output meets ⌈e/s⌉ inputs at most."""
    spans = [window_span(k, d) for k, d in zip(window.size, window.dilation, strict=True)]
    axes = list(zip(field.size, field.jump, field.offset, spans, window.stride, window.before, strict=True))
    return Field(
        tuple(_tidy(r + (e - 1) // s * j) for r, j, _, e, s, _ in axes),
        tuple(_tidy(j / s) for _, j, _, _, s, _ in axes),
        tuple(_tidy(o + (p - (e - 1) / 2) / s * j) for _, j, o, e, s, p in axes),
    )


def _resized(before: tuple[int, ...], after: tuple[int, ...], field: Field) -> Field:
    """Behind an op without a window: parts of equal size become one place, or a place becomes several; else (a border
    cut off or added) the places stay what they are."""
    sizes, jumps, offsets = [], [], []
    for n, m, r, j, o in zip(before, after, field.size, field.jump, field.offset, strict=True):
        ratio = n / m if n % m == 0 or m % n == 0 else 1
        sizes.append(_tidy(r + max(ratio - 1, 0) * j))
        jumps.append(_tidy(j * ratio))
        offsets.append(_tidy(o + (ratio - 1) / 2 * j))
    return Field(tuple(sizes), tuple(jumps), tuple(offsets))


def _tidy(number: float) -> float:
    """A whole number as such."""
    return int(number) if number == int(number) else number
