"""Transposed convolution: the tables of one direction of a convolution with the weights of the other.

forward          y (N, P', K)           = bias (K) + sum over taps, input channels  x (N, P, C)  w (taps, C/groups, K)
data gradient    dx (N, P, C)           = sum over taps, output channels            dy (N, P', K)  w (taps, C/groups, K)
weight gradient  dw (taps, C/groups, K) = sum over samples, positions               x (N, P, C)  dy (N, P', K)

P' is the position of the large image, y, that position P of the small one, x, is joined with by a tap. The window
slides over y: what a convolution calls its input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.core.types import TensorType
from netspec_numba.contract import Launch, Request, Types, kernel
from netspec_numba.kernels import depthwise
from netspec_numba.kernels.convolution import Meetings, Product, partial_sums, product_cost, taps_met
from netspec_numba.kernels.index_tables import data_gradient_planes, forward_planes
from netspec_numba.kernels.microkernels import TILE_ROWS
from netspec_numba.kernels.packing import WeightOrder, forward_order, packed_size, transposed_order
from netspec_numba.kernels.views import input_view, output_view


def _order(attrs: Any, x: TensorType, y: TensorType) -> WeightOrder:
    return forward_order(attrs.reverse(x).taps, x.channels, x.lanes, y.channels, attrs.groups)


def _order_dx(attrs: Any, dy: TensorType, dx: TensorType) -> WeightOrder:
    return transposed_order(attrs.conv.reverse(dx).taps, dx.channels, dy.channels, dy.lanes, attrs.conv.groups)


def _prepared(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    if depthwise.is_depthwise(attrs.groups, inputs[0], outputs[0]):
        return {}
    return {"weights": packed_size(_order(attrs, inputs[0], outputs[0]))}


def _prepared_dx(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    if depthwise.is_depthwise(attrs.conv.groups, inputs[0], outputs[0]):
        return {}
    return {"weights": packed_size(_order_dx(attrs, inputs[0], outputs[0]))}


def _scratch_dw(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    x, dy = inputs
    geometry = attrs.conv.reverse(x)
    if depthwise.is_depthwise(attrs.conv.groups, x, dy):
        return {"partial": depthwise.partial_sums(geometry, x.channels, batch)}
    return {"partial": partial_sums(input_view(x), geometry.taps, dy, attrs.conv.groups, batch, threads)}


def _cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    (x, *_), (y,) = inputs, outputs
    return product_cost(_order(attrs, x, y), taps_met(attrs.reverse(x), False), y, batch)


def _cost_dx(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    (dy, _), (dx,) = inputs, outputs
    return product_cost(_order_dx(attrs, dy, dx), attrs.conv.reverse(dx).taps, dx, batch)


def _cost_dw(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    x, dy = inputs
    return product_cost(_order(attrs.conv, x, dy), attrs.conv.reverse(x).taps, x, batch)


@kernel("conv_transpose", epilogue=True, prepared=_prepared, cost=_cost)
def transposed_convolution(request: Request) -> Launch:
    """y = bias + every input position's window, summed where windows overlap."""
    x, weight, *bias = request.inputs
    (y,) = request.outputs
    geometry, numbers = request.attrs.reverse(x.type), bias[0].array if bias else None
    if depthwise.is_depthwise(request.attrs.groups, x.type, y.type):
        return depthwise.slide(request, x, weight, numbers, geometry, forward=False)
    view = input_view(x.type)
    table = data_gradient_planes(geometry, view, output_view(y.type), TILE_ROWS, request.batch)
    order, packed = _order(request.attrs, x.type, y.type), request.scratch["weights"]
    return Product(view, x.array, y, table, order, weight.array, packed, numbers, request).launch()


@kernel("conv_transpose.dx", prepared=_prepared_dx, cost=_cost_dx)
def data_gradient(request: Request) -> Launch:
    """dx = convolution of dy with the transposed weight."""
    dy, weight = request.inputs
    (dx,) = request.outputs
    geometry = request.attrs.conv.reverse(dx.type)
    if depthwise.is_depthwise(request.attrs.conv.groups, dx.type, dy.type):
        return depthwise.slide(request, dy, weight, None, geometry, forward=True)
    view = input_view(dy.type)
    table = forward_planes(geometry, view, output_view(dx.type), TILE_ROWS, request.batch)
    order = _order_dx(request.attrs, dy.type, dx.type)
    packed = request.scratch["weights"]
    return Product(view, dy.array, dx, table, order, weight.array, packed, None, request).launch()


@kernel("conv_transpose.dw", scratch=_scratch_dw, cost=_cost_dw)
def weight_gradient(request: Request) -> Launch:
    """dw = sum over samples and positions of x times the dy that its window reaches."""
    x, dy = request.inputs
    conv = request.attrs.conv
    geometry = conv.reverse(x.type)
    if depthwise.is_depthwise(conv.groups, x.type, dy.type):
        return depthwise.weight_gradient(request, dy, x, geometry)
    meetings = Meetings(input_view(x.type), output_view(dy.type), geometry, conv.groups, transposed=True)
    return meetings.launch(request, x.array)
