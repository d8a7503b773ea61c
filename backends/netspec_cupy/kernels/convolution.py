"""Convolutions and transposed convolutions: which product of which operands, and into how many parts sums are cut."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_cupy.contract import Grid, Launch, Operand, Request, Types, in_turn, kernel, pointer
from netspec_cupy.geometry import Convolution, window
from netspec_cupy.kernels.dense import tiles
from netspec_cupy.kernels.direct import (
    grouped,
    grouped_input_gradient,
    grouped_weight_gradient,
    is_narrow,
    meetings_scratch,
)

TERMS_PER_PART = 1024
"""Samples and places that one part of a weight gradient adds up, at least."""
MOST_PARTS = 32
MOST_PLANES = 65535
"""Blocks of a grid along z: groups times parts."""


def _layer(geometry: WindowGeometry, inner: TensorType, outer: TensorType, groups: int) -> Convolution:
    """The window with the channels that lie under it (``inner``) and those of its places (``outer``)."""
    return Convolution(window(geometry), inner.channels, outer.channels, groups)


@kernel("conv")
def conv(request: Request) -> Launch:
    """x (N, cells, C), weight (taps, C/groups, K), [bias (K)] -> y (N, places, K)."""
    (x, weight, *bias), (y,), attrs = request.inputs, request.outputs, request.attrs
    layer = _layer(attrs.geometry(x.type), x.type, y.type, attrs.groups)
    if is_narrow(attrs.groups, x.type, y.type):
        return grouped(request, x, (weight, bias[0] if bias else None), y, layer)
    operands = x, weight, bias[0] if bias else None, y
    return request.launch("convolution_forward", _gather_grid(y.type, attrs.groups), *operands, request.live, layer)


@kernel("conv.dx")
def conv_dx(request: Request) -> Launch:
    """dy (N, places, K), weight -> dx (N, cells, C)."""
    (dy, weight), (dx,), attrs = request.inputs, request.outputs, request.attrs
    layer = _layer(attrs.geometry(dx.type), dx.type, dy.type, attrs.groups)
    if is_narrow(attrs.groups, dx.type, dy.type):
        return grouped_input_gradient(request, layer)
    grid = _gather_grid(dx.type, attrs.groups)
    return request.launch("convolution_input_gradient", grid, dy, weight, dx, request.live, layer)


@kernel("conv_transpose")
def conv_transpose(request: Request) -> Launch:
    """x (N, places, C), weight (taps, C/groups, K), [bias (K)] -> y (N, cells, K): the window slides over y."""
    (x, weight, *bias), (y,), attrs = request.inputs, request.outputs, request.attrs
    layer = _layer(attrs.reverse(x.type), y.type, x.type, attrs.groups)
    operands = x, weight, bias[0] if bias else None, y
    return request.launch("transposed_forward", _gather_grid(y.type, attrs.groups), *operands, request.live, layer)


@kernel("conv_transpose.dx")
def conv_transpose_dx(request: Request) -> Launch:
    """dy (N, cells, K), weight -> dx (N, places, C)."""
    (dy, weight), (dx,), attrs = request.inputs, request.outputs, request.attrs.conv
    layer = _layer(attrs.reverse(dx.type), dy.type, dx.type, attrs.groups)
    grid = _gather_grid(dx.type, attrs.groups)
    return request.launch("transposed_input_gradient", grid, dy, weight, dx, request.live, layer)


def _gather_grid(made: TensorType, groups: int) -> Callable[[int], Grid]:
    """A row for each position of each sample, a column for each channel of a group."""
    positions, columns = made.positions, made.channels // groups
    return lambda n: tiles(n * positions, columns, groups)


def _parts(places: int, batch: int, groups: int) -> int:
    """Parts of the sum over samples and places: by the largest batch, so that shapes alone decide."""
    return max(1, min(MOST_PARTS, MOST_PLANES // groups, places * batch // TERMS_PER_PART))


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    if is_narrow(attrs.groups, *inputs):
        return meetings_scratch(inputs[1], outputs[0], batch)
    return {"parts": _parts(inputs[1].positions, batch, attrs.groups) * outputs[0].elements}


def _scratch_transposed(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    return {"parts": _parts(inputs[0].positions, batch, attrs.conv.groups) * outputs[0].elements}


@kernel("conv.dw", scratch=_scratch)
def conv_dw(request: Request) -> Launch:
    """x, dy -> dw (taps, C/groups, K)."""
    x, dy = request.inputs
    layer = _layer(request.attrs.geometry(x.type), x.type, dy.type, request.attrs.groups)
    if is_narrow(request.attrs.groups, x.type, dy.type):
        return grouped_weight_gradient(request, layer)
    parts = _parts(dy.type.positions, request.batch, request.attrs.groups)
    return _weight_gradient(request, "convolution_weight_gradient", layer, (x, dy), parts)


@kernel("conv_transpose.dw", scratch=_scratch_transposed)
def conv_transpose_dw(request: Request) -> Launch:
    """x, dy -> dw (taps, C/groups, K)."""
    (dy, x), attrs = (request.inputs[1], request.inputs[0]), request.attrs.conv
    layer = _layer(attrs.reverse(x.type), dy.type, x.type, attrs.groups)
    parts = _parts(x.type.positions, request.batch, attrs.groups)
    return _weight_gradient(request, "transposed_weight_gradient", layer, (x, dy), parts)


def _weight_gradient(
    request: Request, name: str, layer: Convolution, operands: tuple[Operand, Operand], parts: int
) -> Launch:
    """The sums of all parts, then their sum."""
    (dw,), groups = request.outputs, int(layer.groups)
    taps = 1
    for side in layer.window.size:
        taps *= side
    rows, columns = taps * layer.input_channels // groups, layer.output_channels // groups
    sums = pointer(request.scratch["parts"] if parts > 1 else dw.address)

    def grid(n: int) -> Grid:
        return tiles(rows, columns, groups * parts)

    summed = request.launch(name, grid, *operands, sums, request.live, parts, layer)
    if parts == 1:
        return summed
    size = dw.type.elements
    joined = request.per_number("join_parts", size, sums, dw, parts, ctypes.c_longlong(size), batched=False)
    return in_turn(summed, joined)
