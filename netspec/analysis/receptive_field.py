"""Receptive fields: how much of the input one output position sees, how far apart two neighbours look, and where.

Recurrences of Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks" (Distill 2019),
along each axis, for a window of span e = d(k−1)+1, stride s, and p cells of padding before:

    size    r_out = r_in + (e − 1)·j_in
    jump    j_out = j_in·s
    offset  o_out = o_in + ((e − 1)/2 − p)·j_in

Where branches merge, the larger field counts, with its offset, and the larger jump of those that are not stretched.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from netspec.core.formulas import conv_transpose_inputs, window_span
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
        axes = max(len(fields[v].size) for v in known)
        merging = {v: fields[v] for v in known if len(fields[v].size) == axes}
        image = sides[next(iter(merging))]
        for value in node.outputs:
            fields[value], sides[value] = _through(node, known[0], _merge(merging), image), image
    return fields


def _merge(parts: dict[Value, Field]) -> Field:
    places = max(value.type.positions for value in parts)
    unstretched = [field for value, field in parts.items() if value.type.positions == places]
    axes = range(len(unstretched[0].size))
    largest = [max(parts.values(), key=lambda field: field.size[axis]) for axis in axes]
    return Field(
        tuple(field.size[axis] for axis, field in zip(axes, largest, strict=True)),
        tuple(max(field.jump[axis] for field in unstretched) for axis in axes),
        tuple(field.offset[axis] for axis, field in zip(axes, largest, strict=True)),
    )


def _through(node: Node, x: Value, field: Field, image: tuple[int, ...]) -> Field:
    places = x.type.spatial
    if not places or len(places) != len(field.size):  # the axes are not the image's any more
        return field
    if node.op.has("geometry"):
        return _window(node.attrs.geometry(x.type), field)
    if node.op.has("reverse"):
        return _transposed(node.attrs.reverse(x.type), field)
    made = node.output.type.spatial
    if node.op.has("reach") and len(made) == len(places):
        return _resized(node.attrs.reach(x.type), places, made, field)
    if len(made) != len(places) or node.output.type.positions < x.type.positions:
        middle = tuple(_tidy((n - 1) / 2) for n in image)
        return Field(tuple(map(max, zip(field.size, image, strict=True))), image, middle)
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
    inputs = map(conv_transpose_inputs, window.size, window.stride, window.dilation)
    axes = list(zip(field.size, field.jump, field.offset, spans, window.stride, window.before, strict=True))
    return Field(
        tuple(_tidy(r + (n - 1) * j) for r, j, n in zip(field.size, field.jump, inputs, strict=True)),
        tuple(_tidy(j / s) for _, j, _, _, s, _ in axes),
        tuple(_tidy(o + (p - (e - 1) / 2) / s * j) for _, j, o, e, s, p in axes),
    )


def _resized(
    reaches: Sequence[tuple[int, Fraction]], before: tuple[int, ...], after: tuple[int, ...], field: Field
) -> Field:
    """Behind an op without a window, of which one place sees so many cells and lies so far from the next.

    What cuts, pads or resizes an image leaves its middle where it is.
    """
    jump = tuple(_tidy(float(j * step)) for j, (_, step) in zip(field.jump, reaches, strict=True))
    axes = zip(before, after, field.jump, jump, strict=True)
    shifts = [((n - 1) * j - (m - 1) * wide) / 2 for n, m, j, wide in axes]
    return Field(
        tuple(_tidy(r + (cells - 1) * j) for r, j, (cells, _) in zip(field.size, field.jump, reaches, strict=True)),
        jump,
        tuple(_tidy(o + shift) for o, shift in zip(field.offset, shifts, strict=True)),
    )


def _tidy(number: float) -> float:
    """A whole number as such."""
    return int(number) if number == int(number) else number
