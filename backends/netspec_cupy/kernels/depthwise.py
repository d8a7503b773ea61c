"""Depthwise convolutions of maps, with windows of 3x3 and 5x5 and strides of 1 and 2: one channel a thread."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_cupy.contract import Grid, Launch, Request, Types, blocks, in_turn, kernel, pointer
from netspec_cupy.geometry import Convolution, window
from netspec_cupy.kernels.channels import Sums, Table
from netspec_cupy.kernels.dense import finish

SIZES = (3, 5)
STRIDES = (1, 2)
STRIP = 4
"""Neighbouring cells of a thread, as in depthwise.cu."""
LANES = 32
"""Channels of a block of the weight gradient."""
FEWEST_ROWS = 8
"""Rows of a map in one chunk of its sums, at least: one for each warp."""
PER_NUMBER = 30.0
"""Multiply-adds in whose time a number of the larger map is done: a third of what other narrow groups take."""


def _fits(geometry: WindowGeometry, groups: int, one: TensorType, other: TensorType) -> bool:
    size, stride = {*geometry.size}, {*geometry.stride}
    square = len(geometry.size) == 2 and len(size) == len(stride) == 1 and {*geometry.dilation} == {1}
    return square and size <= {*SIZES} and stride <= {*STRIDES} and groups == one.channels == other.channels


def _cost(geometry: WindowGeometry, attrs: Any, one: TensorType, other: TensorType, batch: int) -> float:
    numbers = batch * max(one.elements, other.elements)
    return PER_NUMBER * numbers if _fits(geometry, attrs.groups, one, other) else inf


def _forward_cost(attrs: Any, inputs: Types, outputs: Types, batch: int) -> float:
    return _cost(attrs.geometry(inputs[0]), attrs, inputs[0], outputs[0], batch)


def _input_gradient_cost(attrs: Any, inputs: Types, outputs: Types, batch: int) -> float:
    return _cost(attrs.geometry(outputs[0]), attrs, inputs[0], outputs[0], batch)


def _weight_gradient_cost(attrs: Any, inputs: Types, outputs: Types, batch: int) -> float:
    return _cost(attrs.geometry(inputs[0]), attrs, inputs[0], inputs[1], batch)


def _table(dy: TensorType, dw: TensorType, batch: int) -> Table:
    """A row for each row of each map, a column for each weight."""
    return Table(dy.spatial[0], dw.elements, batch, FEWEST_ROWS)


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    return {"parts": _table(inputs[1], outputs[0], batch).numbers(1)}


def _layer(geometry: WindowGeometry, channels: int) -> tuple[str, Convolution]:
    """The end of kernels' names, and the layer as they take it."""
    return f"{geometry.size[0]}_{geometry.stride[0]}", Convolution(window(geometry), channels, channels, channels)


@kernel("conv", "direct/depthwise", cost=_forward_cost, epilogue=True)
def depthwise(request: Request) -> Launch:
    """x (N, rows, columns, C), weight (*window, 1, C), [bias (C)] -> y."""
    (x, weight, *bias), (y,) = request.inputs, request.outputs
    name, layer = _layer(request.attrs.geometry(x.type), x.type.channels)
    rows, columns = y.type.spatial
    threads = rows * -(-columns // STRIP) * y.type.channels
    operands = x, weight, bias[0] if bias else None, y, request.live, layer, finish(request)
    return request.per_number(f"depthwise_forward_{name}", threads, *operands)


@kernel("conv.dx", "direct/depthwise", cost=_input_gradient_cost)
def depthwise_input_gradient(request: Request) -> Launch:
    """dy, weight -> dx."""
    (dx,) = request.outputs
    geometry = request.attrs.geometry(dx.type)
    name, layer = _layer(geometry, dx.type.channels)
    rows, columns = dx.type.spatial
    strips = -(-(columns + geometry.before[1] % geometry.stride[1]) // STRIP)
    operands = *request.inputs, dx, request.live, layer
    return request.per_number(f"depthwise_input_gradient_{name}", rows * strips * dx.type.channels, *operands)


@kernel("conv.dw", "direct/depthwise", cost=_weight_gradient_cost, scratch=_scratch)
def depthwise_weight_gradient(request: Request) -> Launch:
    """x, dy -> dw."""
    (x, dy), (dw,) = request.inputs, request.outputs
    name, layer = _layer(request.attrs.geometry(x.type), x.type.channels)
    table = _table(dy.type, dw.type, request.batch)

    def grid(n: int) -> Grid:
        return (blocks(x.type.channels, LANES), table.grid(n)[1], 1)

    operands = x, dy, pointer(request.scratch["parts"]), request.live, table.chunk_rows, layer
    summed = request.launch(f"depthwise_weight_gradient_{name}", grid, *operands)
    return in_turn(summed, Sums(request, table, 1).join(0, sums=dw))
