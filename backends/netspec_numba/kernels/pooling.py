"""Pooling over windows or bins along any number of axes, and the mean over all positions.

A window or bin becomes a table of positions when the plan is loaded; the kernels then know nothing of axes. Gradients
gather, for each input position, from the windows that saw it, so that threads never meet; those of maxima go through
the windows of a whole plane in their order instead, where there are planes enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec.core.window import BinGeometry, WindowGeometry
from netspec_numba.contract import Array, Call, Calls, Launch, Operand, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import (
    any_lane,
    as_double,
    as_single,
    choose,
    load_lanes,
    prefetch,
    spread,
    store_first,
)
from netspec_numba.kernels.loops import check_layout, load, parallel, same_layout, splits
from netspec_numba.kernels.windows import (
    Gather,
    backward_gather,
    cells_within,
    forward_gather,
    window_table,
)

NEXT_WINDOWS = 16 * LANES
"""How far ahead of what a window sees memory is asked for: rows of an image lie too far apart to be foreseen."""


@kernel("max_pool")
@kernel("adaptive_max_pool")
def max_pool(request: Request) -> Launch:
    """x -> (y, index of the tap that won: the first among equals, or the first NaN)."""
    (x,), (y, index) = request.inputs, request.outputs
    check_layout(x.type, y.type)
    gather = forward_gather(_geometry(request.attrs, x.type))
    pieces = splits(request.batch, x.type.blocks, y.type.positions)
    sizes = x.type.lanes, x.type.positions, y.type.positions, pieces

    @Calls
    def launch(n: int) -> Iterator[Call]:
        planes = n * x.type.blocks
        yield pool_maximum, (planes, *sizes, gather.start, gather.source, gather.tap, x.array, y.array, index.array)

    return launch


@kernel("max_pool.values")
def max_pool_values(request: Request) -> Launch:
    """x -> y, NaN where there is one under the window."""
    (x,), (y,) = request.inputs, request.outputs
    check_layout(x.type, y.type)
    gather = forward_gather(_geometry(request.attrs.pool, x.type))
    pieces = splits(request.batch, x.type.blocks, y.type.positions)
    sizes = x.type.lanes, x.type.positions, y.type.positions, pieces

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield keep_maximum, (n * x.type.blocks, *sizes, gather.start, gather.source, x.array, y.array)

    return launch


@kernel("max_pool.dx")
@kernel("adaptive_max_pool.dx")
def max_pool_dx(request: Request) -> Launch:
    """(index, dy) -> dx: each position gets dy of the windows it won, summed in their order.

    A whole plane is passed over window by window, which finds the same windows for every position; where planes are too
    few to share, parts of them are, position by position.
    """
    (index, dy), (dx,) = request.inputs, request.outputs
    same_layout(index.type, dy.type)
    geometry = _geometry(request.attrs, dx.type)
    pieces = splits(request.batch, dx.type.blocks, dx.type.positions)
    if pieces == 1:
        return _send_back(geometry, index, dy, dx)
    gather = backward_gather(geometry)
    sizes = dx.type.lanes, dy.type.positions, dx.type.positions, pieces

    @Calls
    def launch(n: int) -> Iterator[Call]:
        planes = n * dx.type.blocks
        yield spread_maximum, (planes, *sizes, gather.start, gather.source, gather.tap, index.array, dy.array, dx.array)

    return launch


def _send_back(geometry: WindowGeometry | BinGeometry, index: Operand, dy: Operand, dx: Operand) -> Launch:
    """A launch that takes one window after the other."""
    gather = forward_gather(geometry)
    seen, first = np.unique(gather.source, return_index=True)
    begins = np.zeros(gather.source.size, np.int32)
    begins[first] = 1
    unseen = np.setdiff1d(np.arange(dx.type.positions, dtype=np.int32), seen)
    sizes = dx.type.lanes, dy.type.positions, dx.type.positions
    tables = gather.start, gather.source, gather.tap, begins, unseen

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield send_maximum, (n * dx.type.blocks, *sizes, *tables, index.array, dy.array, dx.array)

    return launch


@kernel("avg_pool")
def average_pool(request: Request) -> Launch:
    """x -> y: the mean over each window, of its cells in the input or, on wish, in the padding too."""
    (x,), (y,) = request.inputs, request.outputs
    geometry = request.attrs.geometry(x.type)
    return _gather_launch(request, x, y, forward_gather(geometry, average_divisor(request.attrs, geometry, x.type)))


@kernel("avg_pool.dx")
def average_pool_dx(request: Request) -> Launch:
    """dy -> dx: each position gets its share of the windows that saw it."""
    (dy,), (dx,) = request.inputs, request.outputs
    geometry = request.attrs.geometry(dx.type)
    return _gather_launch(request, dy, dx, backward_gather(geometry, average_divisor(request.attrs, geometry, dx.type)))


@kernel("adaptive_avg_pool")
def adaptive_average_pool(request: Request) -> Launch:
    """x -> y: the mean over each bin."""
    (x,), (y,) = request.inputs, request.outputs
    bins = request.attrs.bins(x.type)
    return _gather_launch(request, x, y, forward_gather(bins, _cells(bins)))


@kernel("adaptive_avg_pool.dx")
def adaptive_average_pool_dx(request: Request) -> Launch:
    """dy -> dx: each position gets its share of the bins that hold it."""
    (dy,), (dx,) = request.inputs, request.outputs
    bins = request.attrs.bins(dx.type)
    return _gather_launch(request, dy, dx, backward_gather(bins, _cells(bins)))


def _geometry(attrs: Any, x: TensorType) -> WindowGeometry | BinGeometry:
    """The window of a pooling over ``x``, or its bins."""
    found: WindowGeometry | BinGeometry = attrs.bins(x) if hasattr(attrs, "bins") else attrs.geometry(x)
    return found


def average_divisor(attrs: Any, geometry: WindowGeometry, x: TensorType) -> Array:
    """Cells that count in each window."""
    return cells_within(geometry, attrs.padding_after(x)) if attrs.count_padding else _cells(geometry)


def _cells(geometry: WindowGeometry | BinGeometry) -> Array:
    """Cells of the input in each window; 1 for a window without any, a sum of nothing whatever it is divided by."""
    return np.maximum((window_table(geometry) >= 0).sum(axis=1), 1)


def _gather_launch(request: Request, given: Operand, made: Operand, gather: Gather) -> Launch:
    check_layout(given.type, made.type)
    pieces = splits(request.batch, made.type.blocks, gather.rows)
    sizes = made.type.lanes, given.type.positions, made.type.positions, pieces

    @Calls
    def launch(n: int) -> Iterator[Call]:
        planes = n * made.type.blocks
        yield gather_positions, (planes, *sizes, gather.start, gather.source, gather.weight, given.array, made.array)

    return launch


@kernel("global_avg_pool")
def global_average_pool(request: Request) -> Launch:
    """x -> y: the mean over all positions; y is (C,) or (1, ..., 1, C), plain or blocked."""
    (x,), (y,) = request.inputs, request.outputs
    check_layout(x.type, y.type)
    sizes = x.type.blocks, x.type.lanes, x.type.positions, y.type.stored

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield average_positions, (n, *sizes, x.array, y.array)

    return launch


@kernel("global_avg_pool.dx")
def global_average_pool_dx(request: Request) -> Launch:
    """dy -> dx: the same share to every position."""
    (dy,), (dx,) = request.inputs, request.outputs
    check_layout(dy.type, dx.type)
    sizes = dx.type.blocks, dx.type.lanes, dx.type.positions, dy.type.stored

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield spread_positions, (n, *sizes, dy.array, dx.array)

    return launch


@parallel
def pool_maximum(
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
    index: Array,
) -> None:
    """x (planes, inputs, lanes) -> y, index (planes, outputs, lanes); the tables are a ``Gather``'s."""
    for task in prange(planes * pieces):
        plane, piece = task // pieces, task % pieces
        for position in range(piece * outputs // pieces, (piece + 1) * outputs // pieces):
            row = (plane * outputs + position) * lanes
            first, end = load(start, position), load(start, position + 1)
            for at in range(0, lanes, LANES):
                # A window that sees nothing but padding has the maximum of no numbers.
                best, chosen = spread(np.float32(-np.inf)), spread(np.int32(0))
                if first < end:
                    best = load_lanes(x, (plane * inputs + load(source, first)) * lanes + at)
                    chosen = spread(load(tap, first))
                unknown = best != best
                for entry in range(first + 1, end):
                    seen = (plane * inputs + load(source, entry)) * lanes + at
                    prefetch(x, seen + NEXT_WINDOWS)
                    value = load_lanes(x, seen)
                    wins = value > best
                    unknown = unknown | (value != value)
                    best, chosen = choose(wins, value, best), choose(wins, spread(load(tap, entry)), chosen)
                if any_lane(unknown):
                    for entry in range(end - 1, first - 1, -1):  # so that the first NaN is what stays
                        value = load_lanes(x, (plane * inputs + load(source, entry)) * lanes + at)
                        best = choose(value != value, value, best)
                        chosen = choose(value != value, spread(load(tap, entry)), chosen)
                store_first(y, row + at, best, lanes - at)
                store_first(index, row + at, chosen, lanes - at)


@parallel
def keep_maximum(
    planes: int, lanes: int, inputs: int, outputs: int, pieces: int, start: Array, source: Array, x: Array, y: Array
) -> None:
    """x (planes, inputs, lanes) -> y (planes, outputs, lanes); the tables are a ``Gather``'s."""
    for task in prange(planes * pieces):
        plane, piece = task // pieces, task % pieces
        for position in range(piece * outputs // pieces, (piece + 1) * outputs // pieces):
            row = (plane * outputs + position) * lanes
            for at in range(0, lanes, LANES):
                best, unknown = spread(np.float32(-np.inf)), spread(np.float32(np.nan))
                bad = best != best
                for entry in range(load(start, position), load(start, position + 1)):
                    seen = (plane * inputs + load(source, entry)) * lanes + at
                    prefetch(x, seen + NEXT_WINDOWS)
                    value = load_lanes(x, seen)
                    bad = bad | (value != value)
                    best = choose(value > best, value, best)
                store_first(y, row + at, choose(bad, unknown, best), lanes - at)


@parallel
def spread_maximum(
    planes: int,
    lanes: int,
    outputs: int,
    inputs: int,
    pieces: int,
    start: Array,
    source: Array,
    tap: Array,
    index: Array,
    dy: Array,
    dx: Array,
) -> None:
    """index, dy (planes, outputs, lanes) -> dx (planes, inputs, lanes); the tables are a ``Gather``'s."""
    for task in prange(planes * pieces):
        plane, piece = task // pieces, task % pieces
        for position in range(piece * inputs // pieces, (piece + 1) * inputs // pieces):
            row = (plane * inputs + position) * lanes
            for at in range(0, lanes, LANES):
                total = spread(np.float32(0.0))
                for entry in range(start[position], start[position + 1]):
                    seen = (plane * outputs + source[entry]) * lanes + at
                    won = load_lanes(index, seen) == spread(tap[entry])
                    total = total + choose(won, load_lanes(dy, seen), spread(np.float32(0.0)))
                store_first(dx, row + at, total, lanes - at)


@parallel
def send_maximum(
    planes: int,
    lanes: int,
    outputs: int,
    inputs: int,
    start: Array,
    source: Array,
    tap: Array,
    begins: Array,
    unseen: Array,
    index: Array,
    dy: Array,
    dx: Array,
) -> None:
    """index, dy (planes, outputs, lanes) -> dx (planes, inputs, lanes); the tables are a forward ``Gather``'s.

    An entry that ``begins`` is the first to see its position; the positions that no window sees are ``unseen``.
    """
    for task in prange(planes):
        plane = np.int64(task)
        none = spread(np.float32(0.0))
        for at in range(0, lanes, LANES):
            for hidden in range(unseen.size):
                store_first(dx, (plane * inputs + load(unseen, hidden)) * lanes + at, none, lanes - at)
            for position in range(outputs):
                here = (plane * outputs + position) * lanes + at
                winner, share = load_lanes(index, here), load_lanes(dy, here)
                for entry in range(load(start, position), load(start, position + 1)):
                    place = (plane * inputs + load(source, entry)) * lanes + at
                    prefetch(dx, place + NEXT_WINDOWS)
                    total = choose(winner == spread(load(tap, entry)), share, none)
                    if load(begins, entry) == 0:
                        total = load_lanes(dx, place) + total
                    store_first(dx, place, total, lanes - at)


@parallel
def gather_positions(
    planes: int,
    lanes: int,
    inputs: int,
    outputs: int,
    pieces: int,
    start: Array,
    source: Array,
    weight: Array,
    x: Array,
    y: Array,
) -> None:
    """x (planes, inputs, lanes) -> y (planes, outputs, lanes): the sparse matrix of a ``Gather`` times x."""
    for task in prange(planes * pieces):
        plane, piece = task // pieces, task % pieces
        for position in range(piece * outputs // pieces, (piece + 1) * outputs // pieces):
            row = (plane * outputs + position) * lanes
            for at in range(0, lanes, LANES):
                total = spread(np.float32(0.0))
                for entry in range(start[position], start[position + 1]):
                    seen = load_lanes(x, (plane * inputs + source[entry]) * lanes + at)
                    total = total + seen * spread(weight[entry])
                store_first(y, row + at, total, lanes - at)


@parallel
def average_positions(n: int, blocks: int, lanes: int, positions: int, y_stored: int, x: Array, y: Array) -> None:
    """x (n, blocks, positions, lanes) -> y (n, y_stored), summed in float64."""
    for task in prange(n * blocks):
        sample, block = task // blocks, task % blocks
        for at in range(0, lanes, LANES):
            total = spread(0.0)
            for row in range(task * positions, (task + 1) * positions):
                total = total + as_double(load_lanes(x, row * lanes + at))
            mean = as_single(total / spread(np.float64(positions)))
            channel = block * lanes + at
            store_first(y, sample * y_stored + channel, mean, min(lanes - at, y_stored - channel))


@parallel
def spread_positions(n: int, blocks: int, lanes: int, positions: int, dy_stored: int, dy: Array, dx: Array) -> None:
    """dy (n, dy_stored) -> dx (n, blocks, positions, lanes)."""
    for task in prange(n * blocks):
        source = task // blocks * dy_stored + task % blocks * lanes
        for at in range(0, lanes, LANES):
            share = load_lanes(dy, source + at) / spread(np.float32(positions))
            for row in range(task * positions, (task + 1) * positions):
                store_first(dx, row * lanes + at, share, lanes - at)
