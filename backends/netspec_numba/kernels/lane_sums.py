"""Convolutions with few results per position: the lanes of a vector are channels that are summed, not results.

forward          y (N, P, K)   = bias (K) + sum over taps, input channels   x (N, P', C)  w (taps, C, K)
data gradient    dx (N, P', C) = sum over taps, output channels             dy (N, P, K)  w (taps, C, K)

For results of at most half a vector, where the other kernels would mostly multiply by zeros, and sums over whole blocks
of channels. Index tables and the order of the work are those of :mod:`convolution`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np
from numba import njit, prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Operand, Prepared, Request, Types, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.costs import FETCH, SUM_OF_LANES
from netspec_numba.kernels.drivers import CACHED_INPUT, ENOUGH_TASKS, ceil_divide
from netspec_numba.kernels.finishing import ending
from netspec_numba.kernels.index_tables import TileTable, data_gradient_tiles, forward_tiles, samples_filling_tiles
from netspec_numba.kernels.lane_sum_tiles import MOST_COLUMNS, SUM_ROWS, lane_sum_tile
from netspec_numba.kernels.microkernels import TILE_ROWS
from netspec_numba.kernels.packing import WeightOrder, forward_order, transposed_order
from netspec_numba.kernels.views import input_view, output_view, stored_columns


def _cost(taps: int, groups: int, x: TensorType, y: TensorType, batch: int) -> float:
    """Multiply-adds of vectors for y, whose numbers are sums over taps and the channels of x."""
    if groups > 1 or not taps or x.block != LANES or x.channels % LANES or y.channels > LANES // 2:
        return inf
    weights = taps * x.blocks * y.channels
    sums = batch * y.positions * y.channels * SUM_OF_LANES
    return max(batch * y.positions * weights * TILE_ROWS / (TILE_ROWS - 2), FETCH * weights) + sums


def _panels(columns: int) -> list[tuple[int, int]]:
    """(first column, columns) of panels of nearly the same width."""
    count = -(-columns // MOST_COLUMNS)
    starts = [number * columns // count for number in range(count + 1)]
    return [(first, end - first) for first, end in pairwise(starts)]


@dataclass(frozen=True, slots=True)
class _Sums:
    """What the forward direction and the data gradient have in common."""

    x: Operand
    y: Operand
    table: TileTable
    order: WeightOrder
    weight: Array
    bias: Array | None

    def launch(self, request: Request) -> Prepared:
        """Turn the weights; compute every tile."""
        x, y, table, order, weight = self.x, self.y, self.table, self.order, self.weight
        given, made = input_view(x.type), output_view(y.type)
        packed, panels = request.scratch["weights"], np.array(_panels(order.columns), np.int64)
        zeros = np.zeros(LANES, np.float32)
        operands = (x.array, given.sample, given.block, x.type.blocks, zeros, packed)
        bias = (zeros, 0) if self.bias is None else (self.bias, 1)
        results = (y.array, made.sample, stored_columns(y.type), panels)
        tables = (table.samples, table.starts, table.taps, table.sources.ravel(), table.destinations.ravel())
        arguments = (*operands, *bias, *results, *tables, order.taps, *ending(request))
        packing = (panels, order.taps, x.type.blocks, order.tap_stride, order.channel_stride, order.column_stride)

        @Calls
        def prepare(n: int) -> Iterator[Call]:
            yield turn_weights, (weight, packed, *packing)

        @Calls
        def launch(n: int) -> Iterator[Call]:
            yield sum_lanes, (n, *arguments)

        return Prepared(prepare, launch)


def _weights(taps: int, x: TensorType, y: TensorType) -> Mapping[str, int]:
    return {"weights": taps * x.blocks * y.channels * LANES}


def _forward_weights(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    return _weights(attrs.geometry(inputs[0]).taps, inputs[0], outputs[0])


def _forward_cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    return _cost(attrs.geometry(inputs[0]).taps, attrs.groups, inputs[0], outputs[0], batch)


@kernel("conv", prepared=_forward_weights, cost=_forward_cost, algorithm="lane-sums", epilogue=True)
def convolution(request: Request) -> Prepared:
    """y = convolution of x with weight, plus bias if there is a third input."""
    x, weight, *bias = request.inputs
    (y,) = request.outputs
    geometry = request.attrs.geometry(x.type)
    samples = samples_filling_tiles(y.type.positions, SUM_ROWS, request.batch)
    table = forward_tiles(geometry, input_view(x.type), output_view(y.type), SUM_ROWS, samples)
    order = forward_order(geometry.taps, x.type.channels, LANES, y.type.channels, 1)
    return _Sums(x, y, table, order, weight.array, bias[0].array if bias else None).launch(request)


def _gradient_weights(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    return _weights(attrs.geometry(outputs[0]).taps, inputs[0], outputs[0])


def _gradient_cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    return _cost(attrs.geometry(outputs[0]).taps, attrs.groups, inputs[0], outputs[0], batch)


@kernel("conv.dx", prepared=_gradient_weights, cost=_gradient_cost, algorithm="lane-sums")
def data_gradient(request: Request) -> Prepared:
    """dx = convolution of dy with the transposed weight, every position through the taps that read it."""
    dy, weight = request.inputs
    (dx,) = request.outputs
    geometry = request.attrs.geometry(dx.type)
    samples = samples_filling_tiles(dx.type.positions, SUM_ROWS, request.batch)
    table = data_gradient_tiles(geometry, input_view(dy.type), output_view(dx.type), SUM_ROWS, samples)
    order = transposed_order(geometry.taps, dx.type.channels, dy.type.channels, LANES, 1)
    return _Sums(dy, dx, table, order, weight.array, None).launch(request)


@njit(cache=True, nogil=True)
def turn_weights(weight, packed, panels, taps, blocks, tap_stride, channel_stride, column_stride):
    """weight, logical order -> packed [panel][block][tap][column][lane]."""
    place = 0
    for first, columns in panels:
        for block in range(blocks):
            for tap in range(taps):
                for column in range(first, first + columns):
                    source = tap * tap_stride + block * LANES * channel_stride + column * column_stride
                    for lane in range(LANES):
                        packed[place + lane] = weight[source + lane * channel_stride]
                    place += LANES


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def sum_lanes(
    n,
    x,
    x_sample,
    x_block,
    blocks,
    zeros,
    weights,
    bias,
    has_bias,
    y,
    y_sample,
    y_columns,
    panels,
    samples,
    starts,
    taps,
    sources,
    destinations,
    window_taps,
    residual,
    adds,
    limits,
):
    """y = bias + x*w, and its ending, for the first ``n`` samples: every tile of a table, which covers ``samples``."""
    tiles = len(starts) - 1
    covers = ceil_divide(n, samples)
    runs = max(ceil_divide(samples * x_sample, CACHED_INPUT), ceil_divide(ENOUGH_TASKS, max(covers, 1)))
    runs = min(runs, tiles)
    for number in prange(covers * runs):
        task = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        cover, run = task // runs, task % runs
        live = min(samples, n - cover * samples)
        for tile in range(run * tiles // runs, (run + 1) * tiles // runs):
            if destinations[tile * SUM_ROWS] >= live * y_sample:
                continue
            for first, columns in panels:
                last = first + columns == panels[-1, 0] + panels[-1, 1]
                lane_sum_tile(
                    columns,
                    x.ctypes.data + 4 * cover * samples * x_sample,
                    live * x_sample,
                    zeros.ctypes.data,
                    sources.ctypes.data + 4 * SUM_ROWS * starts[tile],
                    taps.ctypes.data + 4 * starts[tile],
                    starts[tile + 1] - starts[tile],
                    blocks,
                    4 * x_block,
                    weights.ctypes.data + 4 * first * blocks * window_taps * LANES,
                    window_taps,
                    bias.ctypes.data + 4 * first * has_bias,
                    columns * has_bias,
                    y.ctypes.data + 4 * (cover * samples * y_sample + first),
                    live * y_sample,
                    destinations.ctypes.data + 4 * SUM_ROWS * tile,
                    y_columns - first if last else columns,
                    adds,
                    residual.ctypes.data - y.ctypes.data,
                    limits.ctypes.data,
                )
