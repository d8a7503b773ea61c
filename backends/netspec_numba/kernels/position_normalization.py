"""Normalisation of the channels of each position (layer normalisation: Ba, Kiros and Hinton 2016)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numba import prange

from netspec_numba.contract import Array, Call, Calls, Launch, Operand
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import (
    as_double,
    as_single,
    choose,
    load_lanes,
    spread,
    store_first,
    store_lanes,
    sum_of_lanes,
)
from netspec_numba.kernels.loops import Walk, device, parallel, parts, serial, span, walk
from netspec_numba.kernels.rows import Rows, lanes_in_use, row_parts, row_start, rows_of


def position_norm(
    eps: float, x: Operand, scale: Array, shift: Array, y: Operand, mean: Operand, variance: Operand
) -> Launch:
    """Launch of x -> y, and mean and variance (N, positions); scale and shift hold one number per channel."""
    rows = rows_of(x.type)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        count = row_parts(rows, n)
        yield normalise_rows, (n, count, rows, eps, x.array, scale, shift, y.array, mean.array, variance.array)

    return launch


def position_gradient(
    eps: float,
    x: Operand,
    mean: Operand,
    variance: Operand,
    dy: Operand,
    scale: Array,
    dx: Operand,
    dscale: Array,
    dshift: Array,
    sums: Array,
) -> Launch:
    """Launch of (x, mean, variance, dy) -> dx, dscale and dshift (C,)."""
    rows, over = rows_of(x.type), walk(x.type)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        count = parts(over, n)
        yield gather_row_slopes, (n, count, over, eps, x.array, dy.array, mean.array, variance.array, sums)
        yield join_row_slopes, (count, over, sums, dscale, dshift)
        cut = row_parts(rows, n)
        yield row_input_gradient, (n, cut, rows, eps, x.array, dy.array, scale, mean.array, variance.array, dx.array)

    return launch


@device
def _mean(rows: Rows, x: Array, start: int) -> float:
    """Mean over the channels of a position."""
    total = spread(0.0)
    for block in range(rows.blocks):
        at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
        for first in range(0, min(rows.lanes, rows.channels - channel), LANES):
            numbers = as_double(load_lanes(x, at + first))
            total = total + choose(lanes_in_use(rows, channel, first), numbers, spread(0.0))
    return sum_of_lanes(total) / rows.channels


@device
def _variance(rows: Rows, x: Array, start: int, mean: float) -> float:
    """Mean over the channels of a position of the squared distance from the mean."""
    total = spread(0.0)
    for block in range(rows.blocks):
        at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
        for first in range(0, min(rows.lanes, rows.channels - channel), LANES):
            distance = as_double(load_lanes(x, at + first)) - spread(mean)
            total = total + choose(lanes_in_use(rows, channel, first), distance * distance, spread(0.0))
    return sum_of_lanes(total) / rows.channels


@parallel
def normalise_rows(
    n: int,
    parts: int,
    rows: Rows,
    eps: float,
    x: Array,
    scale: Array,
    shift: Array,
    y: Array,
    mean: Array,
    variance: Array,
) -> None:
    """x, y (n, blocks, positions, lanes), scale, shift (C,) -> mean, variance (n, positions)."""
    per_part, count = rows.rows_per_part, n * rows.positions
    for part in prange(parts):
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start = row_start(rows, row)
            centre = _mean(rows, x, start)
            squares = _variance(rows, x, start, centre)
            mean[row], variance[row] = centre, squares
            inverse, rounded = 1.0 / math.sqrt(squares + eps), np.float32(centre)
            # What rounding took from the mean is given back behind the product.
            offset = spread(np.float32((np.float64(rounded) - centre) * inverse))
            middle, factor = spread(rounded), spread(np.float32(inverse))
            for block in range(rows.blocks):
                at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
                width = min(rows.lanes, rows.channels - channel)
                for first in range(0, width, LANES):
                    normal = (load_lanes(x, at + first) - middle) * factor + offset
                    moved = normal * load_lanes(scale, channel + first) + load_lanes(shift, channel + first)
                    store_first(y, at + first, moved, width - first)


@parallel
def row_input_gradient(
    n: int,
    parts: int,
    rows: Rows,
    eps: float,
    x: Array,
    dy: Array,
    scale: Array,
    mean: Array,
    variance: Array,
    dx: Array,
) -> None:
    """dx = (g - mean of g - normalised x * mean of g * normalised x) / deviation, with g = dy * scale."""
    per_part, count = rows.rows_per_part, n * rows.positions
    for part in prange(parts):
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start, middle = row_start(rows, row), spread(mean[row])
            slopes, along = spread(0.0), spread(0.0)
            for block in range(rows.blocks):
                at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
                for first in range(0, min(rows.lanes, rows.channels - channel), LANES):
                    factor = as_double(load_lanes(scale, channel + first))
                    slope = as_double(load_lanes(dy, at + first)) * factor
                    product = slope * (as_double(load_lanes(x, at + first)) - as_double(middle))
                    used = lanes_in_use(rows, channel, first)
                    slopes = slopes + choose(used, slope, spread(0.0))
                    along = along + choose(used, product, spread(0.0))
            inverse = 1.0 / math.sqrt(variance[row] + eps)
            shares = inverse / rows.channels
            constant = spread(np.float32(-sum_of_lanes(slopes) * shares))
            turn = spread(np.float32(-sum_of_lanes(along) * shares * inverse * inverse))
            whole = spread(np.float32(inverse))
            for block in range(rows.blocks):
                at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
                width = min(rows.lanes, rows.channels - channel)
                for first in range(0, width, LANES):
                    slope = load_lanes(dy, at + first) * load_lanes(scale, channel + first)
                    centred = turn * (load_lanes(x, at + first) - middle) + constant
                    store_first(dx, at + first, whole * slope + centred, width - first)


@parallel
def gather_row_slopes(
    n: int, parts: int, over: Walk, eps: float, x: Array, dy: Array, mean: Array, variance: Array, sums: Array
) -> None:
    """sums (parts, blocks, 2, LANES): sums of dy and of dy * normalised x over the rows of each part."""
    blocks, positions = over.blocks, over.positions
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(parts * blocks):
        block = task % blocks
        first_sample, end_sample, first, end = span(over, n, task // blocks)
        slopes, along = spread(0.0), spread(0.0)
        for sample in range(first_sample, end_sample):
            plane = sample * sample_stride + block * block_stride
            for position in range(first, end):
                row, own = plane + position * row_stride, sample * positions + position
                centre, inverse = spread(np.float64(mean[own])), spread(1.0 / math.sqrt(variance[own] + eps))
                slope = as_double(load_lanes(dy, row))
                slopes = slopes + slope
                along = along + slope * ((as_double(load_lanes(x, row)) - centre) * inverse)
        store_lanes(sums, task * 2 * LANES, slopes)
        store_lanes(sums, task * 2 * LANES + LANES, along)


@serial
def join_row_slopes(parts: int, over: Walk, sums: Array, dscale: Array, dshift: Array) -> None:
    """sums (parts, blocks, 2, LANES) -> dshift and dscale (C,), the parts in order."""
    for block in range(over.blocks):
        slopes, along = spread(0.0), spread(0.0)
        for part in range(parts):
            source = (part * over.blocks + block) * 2 * LANES
            slopes = slopes + load_lanes(sums, source)
            along = along + load_lanes(sums, source + LANES)
        width = over.channels - block * LANES
        store_first(dscale, block * LANES, as_single(along), width)
        store_first(dshift, block * LANES, as_single(slopes), width)
