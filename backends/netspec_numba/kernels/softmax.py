"""Softmax over the channels of each position."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import prange

from netspec_numba.contract import Array, Call, Calls, Launch, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.functions import exp_lanes
from netspec_numba.kernels.lanes import (
    as_double,
    choose,
    largest_of_lanes,
    load_lanes,
    spread,
    store_first,
    sum_of_lanes,
)
from netspec_numba.kernels.loops import device, parallel, same_layout
from netspec_numba.kernels.rows import Rows, lanes_in_use, row_parts, row_start, rows_of


@kernel("softmax")
def softmax(request: Request) -> Launch:
    """x -> y = exp(x) / sum of exp(x) over the channels; y may be x."""
    (x,), (y,) = request.inputs, request.outputs
    same_layout(x.type, y.type)
    rows = rows_of(x.type)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield normalise, (n, row_parts(rows, n), rows, x.array, y.array)

    return launch


@kernel("softmax.dx")
def softmax_dx(request: Request) -> Launch:
    """(y, dy) -> dx = y * (dy - sum of y * dy over the channels); dx may be y or dy."""
    (y, dy), (dx,) = request.inputs, request.outputs
    same_layout(y.type, dy.type, dx.type)
    rows = rows_of(y.type)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield normalise_gradient, (n, row_parts(rows, n), rows, y.array, dy.array, dx.array)

    return launch


@device
def largest_of_row(rows: Rows, x: Array, start: int) -> np.float32:
    """The largest channel; NaN loses every comparison here, and comes out of the sum of exponentials instead."""
    largest = spread(np.float32(-np.inf))
    for block in range(rows.blocks):
        at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
        for first in range(0, min(rows.lanes, rows.channels - channel), LANES):
            values = load_lanes(x, at + first)
            largest = choose(lanes_in_use(rows, channel, first) & (values > largest), values, largest)
    return largest_of_lanes(largest)


@device
def exponentials_of_row(rows: Rows, x: Array, start: int, largest: np.float32) -> float:
    """Sum of exp(x - largest) over the channels of a position."""
    total = spread(0.0)
    for block in range(rows.blocks):
        at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
        for first in range(0, min(rows.lanes, rows.channels - channel), LANES):
            powers = exp_lanes(load_lanes(x, at + first) - spread(largest))
            total = total + as_double(choose(lanes_in_use(rows, channel, first), powers, spread(np.float32(0.0))))
    return sum_of_lanes(total)


@device
def _products(rows: Rows, x: Array, y: Array, start: int) -> float:
    """Sum of x * y over the channels of a position."""
    total = spread(0.0)
    for block in range(rows.blocks):
        at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
        for first in range(0, min(rows.lanes, rows.channels - channel), LANES):
            product = as_double(load_lanes(x, at + first)) * as_double(load_lanes(y, at + first))
            total = total + choose(lanes_in_use(rows, channel, first), product, spread(0.0))
    return sum_of_lanes(total)


@parallel
def normalise(n: int, parts: int, rows: Rows, x: Array, y: Array) -> None:
    """x, y (n, blocks, positions, lanes)."""
    per_part, count = rows.rows_per_part, n * rows.positions
    for part in prange(parts):
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start = row_start(rows, row)
            largest = largest_of_row(rows, x, start)
            factor = np.float32(1.0 / exponentials_of_row(rows, x, start, largest))
            for block in range(rows.blocks):
                at = start + block * rows.positions * rows.lanes
                width = min(rows.lanes, rows.channels - block * rows.lanes)
                for first in range(0, width, LANES):
                    powers = exp_lanes(load_lanes(x, at + first) - spread(largest))
                    store_first(y, at + first, powers * spread(factor), width - first)


@parallel
def normalise_gradient(n: int, parts: int, rows: Rows, y: Array, dy: Array, dx: Array) -> None:
    """y, dy, dx (n, blocks, positions, lanes)."""
    per_part, count = rows.rows_per_part, n * rows.positions
    for part in prange(parts):
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start = row_start(rows, row)
            along = spread(np.float32(_products(rows, y, dy, start)))
            for block in range(rows.blocks):
                at = start + block * rows.positions * rows.lanes
                width = min(rows.lanes, rows.channels - block * rows.lanes)
                for first in range(0, width, LANES):
                    slope = load_lanes(dy, at + first) - along
                    store_first(dx, at + first, load_lanes(y, at + first) * slope, width - first)
