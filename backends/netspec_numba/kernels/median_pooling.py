"""Pooling by the median: each number of a window is ranked by counting those before it, a whole vector at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import prange

from netspec_numba.contract import Array, Call, Calls, Launch, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import choose, load_lanes, spread, store_first
from netspec_numba.kernels.loops import check_layout, parallel, same_layout, splits
from netspec_numba.kernels.windows import backward_gather, forward_gather


@kernel("median_pool")
def median_pool(request: Request) -> Launch:
    """x -> (y, lower, upper): the medians, and the taps of the middle two (one and the same of an odd count)."""
    (x,), (y, lower, upper) = request.inputs, request.outputs
    check_layout(x.type, y.type)
    gather = forward_gather(request.attrs.geometry(x.type))
    pieces = splits(request.batch, x.type.blocks, gather.rows)
    sizes = x.type.lanes, x.type.positions, y.type.positions, pieces
    tables, results = (gather.start, gather.source, gather.tap), (y.array, lower.array, upper.array)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield medians, (n * x.type.blocks, *sizes, *tables, x.array, *results)

    return launch


@kernel("median_pool.dx")
def median_pool_dx(request: Request) -> Launch:
    """(lower, upper, dy) -> dx: each position gets half of dy for each of the middle two that it was."""
    (lower, upper, dy), (dx,) = request.inputs, request.outputs
    same_layout(lower.type, upper.type)
    same_layout(lower.type, dy.type)
    gather = backward_gather(request.attrs.geometry(dx.type))
    pieces = splits(request.batch, dx.type.blocks, gather.rows)
    sizes = dx.type.lanes, dy.type.positions, dx.type.positions, pieces
    tables, given = (gather.start, gather.source, gather.tap), (lower.array, upper.array, dy.array)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield spread_median, (n * dx.type.blocks, *sizes, *tables, *given, dx.array)

    return launch


@parallel
def medians(
    planes: int,
    lanes: int,
    inputs: int,
    outputs: int,
    pieces: int,
    start: Array,
    source: Array,
    tap: Array,
    x: Array,
    y: Array,
    lower: Array,
    upper: Array,
) -> None:
    """x (planes, inputs, lanes) -> y, lower, upper (planes, outputs, lanes); the tables are a ``Gather``'s.

    Counting takes the square of the window's cells in comparisons, but no branch and no memory.
    """
    for task in prange(planes * pieces):
        plane, piece = task // pieces, task % pieces
        base = plane * inputs
        for position in range(piece * outputs // pieces, (piece + 1) * outputs // pieces):
            row = (plane * outputs + position) * lanes
            first, end = start[position], start[position + 1]
            below, above = spread(np.int32((end - first - 1) // 2)), spread(np.int32((end - first) // 2))
            for at in range(0, lanes, LANES):
                low, high = spread(np.float32(0.0)), spread(np.float32(0.0))
                low_tap, high_tap = spread(np.int32(0)), spread(np.int32(0))
                for entry in range(first, end):
                    value, number = load_lanes(x, (base + source[entry]) * lanes + at), spread(tap[entry])
                    rank = spread(np.int32(0))
                    for other in range(first, end):
                        against = load_lanes(x, (base + source[other]) * lanes + at)
                        before = (value >= against) if other < entry else (value > against)
                        rank = rank + choose(before, spread(np.int32(1)), spread(np.int32(0)))
                    is_low, is_high = rank == below, rank == above
                    low, low_tap = choose(is_low, value, low), choose(is_low, number, low_tap)
                    high, high_tap = choose(is_high, value, high), choose(is_high, number, high_tap)
                # NaN compares as nothing, so that ranks mean nothing beside one: the first of them is the median.
                for entry in range(end - 1, first - 1, -1):
                    value, number = load_lanes(x, (base + source[entry]) * lanes + at), spread(tap[entry])
                    missing = value != value
                    low, low_tap = choose(missing, value, low), choose(missing, number, low_tap)
                    high, high_tap = choose(missing, value, high), choose(missing, number, high_tap)
                half = spread(np.float32(0.5))  # of each, since the sum of the two might overflow
                store_first(y, row + at, half * low + half * high, lanes - at)
                store_first(lower, row + at, low_tap, lanes - at)
                store_first(upper, row + at, high_tap, lanes - at)


@parallel
def spread_median(
    planes: int,
    lanes: int,
    outputs: int,
    inputs: int,
    pieces: int,
    start: Array,
    source: Array,
    tap: Array,
    lower: Array,
    upper: Array,
    dy: Array,
    dx: Array,
) -> None:
    """lower, upper, dy (planes, outputs, lanes) -> dx (planes, inputs, lanes); the tables are a ``Gather``'s."""
    for task in prange(planes * pieces):
        plane, piece = task // pieces, task % pieces
        for position in range(piece * inputs // pieces, (piece + 1) * inputs // pieces):
            row = (plane * inputs + position) * lanes
            for at in range(0, lanes, LANES):
                none, total = spread(np.float32(0.0)), spread(np.float32(0.0))
                for entry in range(start[position], start[position + 1]):
                    seen = (plane * outputs + source[entry]) * lanes + at
                    number, half = spread(tap[entry]), load_lanes(dy, seen) * spread(np.float32(0.5))
                    total = total + choose(load_lanes(lower, seen) == number, half, none)
                    total = total + choose(load_lanes(upper, seen) == number, half, none)
                store_first(dx, row + at, total, lanes - at)
