"""Convolutions and transposed convolutions: which product of which operands, and into how many parts sums are cut."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_cupy.contract import Launch, Operand, Request, Types, in_turn, pointer
from netspec_cupy.geometry import Convolution, phases, window
from netspec_cupy.kernels.dense import finish, numbers, product, products
from netspec_cupy.kernels.direct import (
    grouped,
    grouped_input_gradient,
    grouped_weight_gradient,
    is_narrow,
    meetings_scratch,
    narrow_cost,
)

TERMS_PER_PART = 1024
"""Samples and places that one part of a weight gradient adds up, at least."""
MOST_PARTS = 32
MOST_PLANES = 65535
"""Blocks of a grid along z: groups times parts."""


def _layer(geometry: WindowGeometry, inner: TensorType, outer: TensorType, groups: int) -> Convolution:
    """The window with the channels that lie under it (``inner``) and those of its places (``outer``)."""
    return Convolution(window(geometry), inner.channels, outer.channels, groups)


Shape = tuple[int, int, int, int]


def _forward_shape(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Shape | None:
    """Rows, columns, planes and terms; None where it is worked out number by number."""
    (x, *_), (y, *_), groups = inputs, outputs, attrs.groups
    terms = attrs.geometry(x).taps * x.channels // groups
    return None if is_narrow(groups, x, y) else (batch * y.positions, y.channels // groups, groups, terms)


def _input_gradient_shape(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Shape | None:
    dy, dx, groups = inputs[0], outputs[0], attrs.groups
    phases = math.prod(attrs.geometry(dx).stride)
    terms = -(-attrs.geometry(dx).taps // phases) * dy.channels // groups
    rows = -(-batch * dx.positions // phases)
    return None if is_narrow(groups, dx, dy) else (rows, dx.channels // groups, groups * phases, terms)


def _weight_gradient_shape(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Shape | None:
    x, dy, groups = *inputs, attrs.groups
    parts = _parts(dy.positions, batch, groups)
    rows = attrs.geometry(x).taps * x.channels // groups
    terms = -(-batch * dy.positions // parts)
    return None if is_narrow(groups, x, dy) else (rows, dy.channels // groups, groups * parts, terms)


@products("conv", _forward_shape, narrow_cost, epilogue=True)
def conv(request: Request) -> Launch:
    """x (N, cells, C), weight (taps, C/groups, K), [bias (K)] -> y (N, places, K)."""
    (x, weight, *bias), (y,), attrs = request.inputs, request.outputs, request.attrs
    layer = _layer(attrs.geometry(x.type), x.type, y.type, attrs.groups)
    if is_narrow(attrs.groups, x.type, y.type):
        return grouped(request, x, (weight, bias[0] if bias else None), y, layer)
    operands = x, weight, bias[0] if bias else None, numbers(y), request.live, layer, finish(request)
    return product(request, "convolution_forward", _gathered(y.type, attrs.groups), attrs.groups, *operands)


@products("conv.dx", _input_gradient_shape, narrow_cost)
def conv_dx(request: Request) -> Launch:
    """dy (N, places, K), weight -> dx (N, cells, C)."""
    (dy, weight), (dx,), attrs = request.inputs, request.outputs, request.attrs
    layer = _layer(attrs.geometry(dx.type), dx.type, dy.type, attrs.groups)
    if is_narrow(attrs.groups, dx.type, dy.type):
        return grouped_input_gradient(request, layer)
    return _spread(request, "convolution_input_gradient", dx.type, (dy, weight, numbers(dx)), layer)


def _transposed_shape(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Shape:
    x, y, groups = inputs[0], outputs[0], attrs.groups
    window = attrs.reverse(x)
    phases = math.prod(window.stride)
    rows, terms = -(-batch * y.positions // phases), -(-window.taps // phases) * x.channels // groups
    return rows, y.channels // groups, groups * phases, terms


def _transposed_input_gradient_shape(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Shape:
    dy, dx, groups = inputs[0], outputs[0], attrs.conv.groups
    return batch * dx.positions, dx.channels // groups, groups, attrs.conv.reverse(dx).taps * dy.channels // groups


def _transposed_weight_gradient_shape(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Shape:
    x, dy, groups = *inputs, attrs.conv.groups
    parts = _parts(x.positions, batch, groups)
    rows, terms = attrs.conv.reverse(x).taps * dy.channels // groups, -(-batch * x.positions // parts)
    return rows, x.channels // groups, groups * parts, terms


@products("conv_transpose", _transposed_shape, epilogue=True)
def conv_transpose(request: Request) -> Launch:
    """x (N, places, C), weight (taps, C/groups, K), [bias (K)] -> y (N, cells, K): the window slides over y."""
    (x, weight, *bias), (y,), attrs = request.inputs, request.outputs, request.attrs
    layer = _layer(attrs.reverse(x.type), y.type, x.type, attrs.groups)
    operands = x, weight, bias[0] if bias else None, numbers(y)
    return _spread(request, "transposed_forward", y.type, operands, layer, finish(request))


@products("conv_transpose.dx", _transposed_input_gradient_shape)
def conv_transpose_dx(request: Request) -> Launch:
    """dy (N, cells, K), weight -> dx (N, places, C)."""
    (dy, weight), (dx,), attrs = request.inputs, request.outputs, request.attrs.conv
    layer = _layer(attrs.reverse(dx.type), dy.type, dx.type, attrs.groups)
    operands = dy, weight, numbers(dx), request.live, layer
    return product(request, "transposed_input_gradient", _gathered(dx.type, attrs.groups), attrs.groups, *operands)


def _gathered(made: TensorType, groups: int) -> Callable[[int], tuple[int, int]]:
    """A row for each position of each sample, a column for each channel of a group."""
    positions, columns = made.positions, made.channels // groups
    return lambda n: (n * positions, columns)


def _spread(
    request: Request, name: str, made: TensorType, operands: tuple[Any, ...], layer: Convolution, *more: Any
) -> Launch:
    """A product for every group and phase: a row for each cell of the largest phase of each sample."""
    found, groups = phases(layer.window), int(layer.groups)
    table = pointer(request.table(np.frombuffer(b"".join(map(bytes, found)), np.uint8)))
    rows, columns = max(math.prod(phase.cells) for phase in found), made.channels // groups
    arguments = *operands, request.live, layer, table, *more
    return product(request, name, lambda n: (n * rows, columns), groups * len(found), *arguments)


def _parts(places: int, batch: int, groups: int) -> int:
    """Parts of the sum over samples and places: by the largest batch, so that shapes alone decide."""
    return max(1, min(MOST_PARTS, MOST_PLANES // groups, places * batch // TERMS_PER_PART))


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    if is_narrow(attrs.groups, *inputs):
        return meetings_scratch(inputs[1], outputs[0], batch)
    return {"parts": _parts(inputs[1].positions, batch, attrs.groups) * outputs[0].elements}


def _scratch_transposed(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    return {"parts": _parts(inputs[0].positions, batch, attrs.conv.groups) * outputs[0].elements}


@products("conv.dw", _weight_gradient_shape, narrow_cost, scratch=_scratch)
def conv_dw(request: Request) -> Launch:
    """x, dy -> dw (taps, C/groups, K)."""
    x, dy = request.inputs
    layer = _layer(request.attrs.geometry(x.type), x.type, dy.type, request.attrs.groups)
    if is_narrow(request.attrs.groups, x.type, dy.type):
        return grouped_weight_gradient(request, layer)
    parts = _parts(dy.type.positions, request.batch, request.attrs.groups)
    return _weight_gradient(request, "convolution_weight_gradient", layer, (x, dy), parts)


@products("conv_transpose.dw", _transposed_weight_gradient_shape, scratch=_scratch_transposed)
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
    taps = math.prod(layer.window.size)
    rows, columns = taps * layer.input_channels // groups, layer.output_channels // groups
    sums = pointer(request.scratch["parts"] if parts > 1 else dw.address)

    arguments = *operands, sums, request.live, parts, layer
    summed = product(request, name, lambda n: (rows, columns), groups * parts, *arguments)
    return summed if parts == 1 else join(request, summed, sums, parts)


def join(request: Request, summed: Launch, sums: ctypes.c_void_p, parts: int) -> Launch:
    """What sums each part, then the sum of the parts in their order."""
    (dw,) = request.outputs
    size = dw.type.elements
    joined = request.per_number("join_parts", size, sums, dw, parts, ctypes.c_longlong(size), batched=False)
    return in_turn(summed, joined)
