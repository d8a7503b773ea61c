"""Pooling over windows of any number of axes, and over all positions.

A window becomes a table of positions when the plan is loaded; the kernels then know nothing of axes. The
gradient gathers, for each input position, from the windows that saw it, so that overlaps need no order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_numba.contract import Array, Launch, Operand, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.loops import check_layout, device, load, parallel, same_layout, splits, store
from netspec_numba.kernels.windows import (
    Gather,
    backward_gather,
    cells_within,
    forward_gather,
    maximum_table,
    window_table,
)


@kernel("max_pool")
def max_pool(request: Request) -> Launch:
    """x -> (y, index of the tap that won: the first among equals, or the first NaN)."""
    (x,), (y, index) = request.inputs, request.outputs
    check_layout(x.type, y.type)
    width, source, tap = maximum_table(request.attrs.geometry(x.type))
    pieces = splits(request.batch, x.type.blocks, y.type.positions)
    sizes = x.type.lanes, x.type.positions, y.type.positions, pieces, width

    def launch(n: int) -> None:
        pool_maximum(n * x.type.blocks, *sizes, source, tap, x.array, y.array, index.array)

    return launch


@kernel("max_pool.dx")
def max_pool_dx(request: Request) -> Launch:
    """(index, dy) -> dx: each position gets dy of the windows it won."""
    (index, dy), (dx,) = request.inputs, request.outputs
    same_layout(index.type, dy.type)
    geometry = request.attrs.geometry(dx.type)
    gather = backward_gather(geometry, np.ones(dy.type.positions, np.int64))
    pieces = splits(request.batch, dx.type.blocks, dx.type.positions)
    sizes = dx.type.lanes, dy.type.positions, dx.type.positions, pieces

    def launch(n: int) -> None:
        planes = n * dx.type.blocks
        spread_maximum(planes, *sizes, gather.start, gather.source, gather.tap, index.array, dy.array, dx.array)

    return launch


@kernel("avg_pool")
def average_pool(request: Request) -> Launch:
    """x -> y: the mean over each window, of its cells in the input or, on wish, in the padding too."""
    (x,), (y,) = request.inputs, request.outputs
    geometry = request.attrs.geometry(x.type)
    return _gather_launch(request, x, y, forward_gather(geometry, _divisor(request.attrs, geometry, x.type)))


@kernel("avg_pool.dx")
def average_pool_dx(request: Request) -> Launch:
    """dy -> dx: each position gets its share of the windows that saw it."""
    (dy,), (dx,) = request.inputs, request.outputs
    geometry = request.attrs.geometry(dx.type)
    return _gather_launch(request, dy, dx, backward_gather(geometry, _divisor(request.attrs, geometry, dx.type)))


def _divisor(attrs: Any, geometry: WindowGeometry, x: TensorType) -> Array:
    """Cells that count in each window; a window without any is a sum of nothing, whatever it is divided by."""
    if attrs.count_padding:
        return cells_within(geometry, attrs.padding_after(x))
    return np.maximum((window_table(geometry) >= 0).sum(axis=1), 1)


def _gather_launch(request: Request, given: Operand, made: Operand, gather: Gather) -> Launch:
    check_layout(given.type, made.type)
    pieces = splits(request.batch, made.type.blocks, gather.rows)
    sizes = made.type.lanes, given.type.positions, made.type.positions, pieces

    def launch(n: int) -> None:
        planes = n * made.type.blocks
        gather_positions(planes, *sizes, gather.start, gather.source, gather.weight, given.array, made.array)

    return launch


def _global_scratch(
    attrs: Any, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], batch: int, threads: int
) -> Mapping[str, int]:
    """A float64 sum for each lane of each sample's blocks."""
    return {"sums": 2 * batch * inputs[0].blocks * inputs[0].lanes}


@kernel("global_avg_pool", scratch=_global_scratch)
def global_average_pool(request: Request) -> Launch:
    """x -> y: the mean over all positions; y is (C,) or (1, ..., 1, C), plain or blocked."""
    (x,), (y,) = request.inputs, request.outputs
    check_layout(x.type, y.type)
    sums = request.scratch["sums"].view(np.float64)
    sizes = x.type.blocks, x.type.lanes, x.type.positions, y.type.stored

    def launch(n: int) -> None:
        average_positions(n, *sizes, x.array, sums, y.array)

    return launch


@kernel("global_avg_pool.dx")
def global_average_pool_dx(request: Request) -> Launch:
    """dy -> dx: the same share to every position."""
    (dy,), (dx,) = request.inputs, request.outputs
    check_layout(dy.type, dx.type)
    sizes = dx.type.blocks, dx.type.lanes, dx.type.positions, dy.type.stored

    def launch(n: int) -> None:
        spread_positions(n, *sizes, dy.array, dx.array)

    return launch


@device
def _better(value: float, tap: int, best: float, chosen: int) -> tuple[float, int]:
    """Of two candidates the later if it is larger, or the first NaN."""
    wins = (value > best) | ((value != value) & (best == best))
    return value if wins else best, tap if wins else chosen


@device
def _first_taps(x: Array, y: Array, index: Array, row: int, lanes: int, sources: Any, taps: Any) -> None:
    for lane in range(lanes):
        best, chosen = load(x, sources[0] + lane), taps[0]
        best, chosen = _better(load(x, sources[1] + lane), taps[1], best, chosen)
        best, chosen = _better(load(x, sources[2] + lane), taps[2], best, chosen)
        best, chosen = _better(load(x, sources[3] + lane), taps[3], best, chosen)
        store(y, row + lane, best)
        store(index, row + lane, chosen)


@device
def _more_taps(x: Array, y: Array, index: Array, row: int, lanes: int, sources: Any, taps: Any) -> None:
    for lane in range(lanes):
        best, chosen = load(y, row + lane), np.int32(load(index, row + lane))
        best, chosen = _better(load(x, sources[0] + lane), taps[0], best, chosen)
        best, chosen = _better(load(x, sources[1] + lane), taps[1], best, chosen)
        best, chosen = _better(load(x, sources[2] + lane), taps[2], best, chosen)
        store(y, row + lane, best)
        store(index, row + lane, chosen)


@device
def _window_maximum(
    plane: int, lanes: int, width: int, at: int, source: Array, tap: Array, x: Array, y: Array, index: Array, row: int
) -> None:
    if source[at] < 0:
        for lane in range(lanes):
            store(y, row + lane, np.float32(-np.inf))
            store(index, row + lane, 0)
        return
    starts = (
        plane + source[at] * lanes,
        plane + source[at + 1] * lanes,
        plane + source[at + 2] * lanes,
        plane + source[at + 3] * lanes,
    )
    _first_taps(x, y, index, row, lanes, starts, (tap[at], tap[at + 1], tap[at + 2], tap[at + 3]))
    for more in range(at + 4, at + width, 3):
        following = (plane + source[more] * lanes, plane + source[more + 1] * lanes, plane + source[more + 2] * lanes)
        _more_taps(x, y, index, row, lanes, following, (tap[more], tap[more + 1], tap[more + 2]))


@parallel
def pool_maximum(
    planes: int,
    lanes: int,
    inputs: int,
    outputs: int,
    pieces: int,
    width: int,
    source: Array,
    tap: Array,
    x: Array,
    y: Array,
    index: Array,
) -> None:
    """x (planes, inputs, lanes), source and tap (outputs, width) -> y, index (planes, outputs, lanes)."""
    for task in prange(planes * pieces):
        plane, piece = task // pieces, task % pieces
        for position in range(piece * outputs // pieces, (piece + 1) * outputs // pieces):
            row, start, at = (plane * outputs + position) * lanes, plane * inputs * lanes, position * width
            if lanes == LANES:
                _window_maximum(start, LANES, width, at, source, tap, x, y, index, row)
            else:
                _window_maximum(start, lanes, width, at, source, tap, x, y, index, row)


@device
def _clear(y: Array, row: int, lanes: int) -> None:
    for lane in range(lanes):
        store(y, row + lane, 0.0)


@device
def _add_won(index: Array, dy: Array, dx: Array, source: int, row: int, lanes: int, tap: int) -> None:
    for lane in range(lanes):
        won = np.int32(load(index, source + lane)) == tap
        store(dx, row + lane, load(dx, row + lane) + (load(dy, source + lane) if won else np.float32(0.0)))


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
            if lanes == LANES:
                _clear(dx, row, LANES)
                for entry in range(start[position], start[position + 1]):
                    _add_won(index, dy, dx, (plane * outputs + source[entry]) * lanes, row, LANES, tap[entry])
            else:
                _clear(dx, row, lanes)
                for entry in range(start[position], start[position + 1]):
                    _add_won(index, dy, dx, (plane * outputs + source[entry]) * lanes, row, lanes, tap[entry])


@device
def _add_weighted(x: Array, y: Array, source: int, row: int, lanes: int, weight: float) -> None:
    for lane in range(lanes):
        store(y, row + lane, load(y, row + lane) + weight * load(x, source + lane))


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
            if lanes == LANES:
                _clear(y, row, LANES)
                for entry in range(start[position], start[position + 1]):
                    _add_weighted(x, y, (plane * inputs + source[entry]) * lanes, row, LANES, weight[entry])
            else:
                _clear(y, row, lanes)
                for entry in range(start[position], start[position + 1]):
                    _add_weighted(x, y, (plane * inputs + source[entry]) * lanes, row, lanes, weight[entry])


@device
def _add_row(x: Array, row: int, lanes: int, sums: Array, at: int) -> None:
    for lane in range(lanes):
        store(sums, at + lane, load(sums, at + lane) + load(x, row + lane))


@parallel
def average_positions(
    n: int, blocks: int, lanes: int, positions: int, y_stored: int, x: Array, sums: Array, y: Array
) -> None:
    """x (n, blocks, positions, lanes), sums (n, blocks, lanes) -> y (n, y_stored)."""
    for task in prange(n * blocks):
        at, block = task * lanes, task % blocks
        for lane in range(lanes):
            sums[at + lane] = 0.0
        for row in range(task * positions, (task + 1) * positions):
            if lanes == LANES:
                _add_row(x, row * lanes, LANES, sums, at)
            else:
                _add_row(x, row * lanes, lanes, sums, at)
        to = task // blocks * y_stored + block * lanes
        for lane in range(min(lanes, y_stored - block * lanes)):
            y[to + lane] = sums[at + lane] / positions


@device
def _share(dy: Array, dx: Array, source: int, row: int, lanes: int, positions: int) -> None:
    for lane in range(lanes):
        store(dx, row + lane, load(dy, source + lane) / np.float32(positions))


@parallel
def spread_positions(n: int, blocks: int, lanes: int, positions: int, dy_stored: int, dy: Array, dx: Array) -> None:
    """dy (n, dy_stored) -> dx (n, blocks, positions, lanes)."""
    for task in prange(n * blocks):
        source = task // blocks * dy_stored + task % blocks * lanes
        for row in range(task * positions, (task + 1) * positions):
            if lanes == LANES:
                _share(dy, dx, source, row * lanes, LANES, positions)
            else:
                _share(dy, dx, source, row * lanes, lanes, positions)
