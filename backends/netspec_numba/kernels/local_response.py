"""Sums over the window of a local response normalisation, across channels or across positions, and their gradient.

Across channels a row of one position is laid out in a line, zeros on both sides, so that the window is a few loads
that begin one number apart. Across space it is a table of positions, as in pooling.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Operand, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import choose, load_lanes, spread, store_first, store_lanes
from netspec_numba.kernels.loops import parallel, same_layout, splits
from netspec_numba.kernels.rows import Rows, lanes_in_use, row_start, rows_of
from netspec_numba.kernels.windows import backward_gather, forward_gather

TASKS = 64
"""Pieces into which the rows of a batch are cut; each has a line of its own."""

Types = tuple[TensorType, ...]


def _line(x: TensorType, size: int) -> int:
    """Numbers of a line: all channels in whole vectors, and the window's reach."""
    return (-(-x.channels // LANES) + 1) * LANES + size - 1


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    if attrs.lrn.across == "space":
        return {}
    return {"lines": TASKS * _line(inputs[0], attrs.lrn.window(inputs[0])[0])}


@kernel("lrn.squares", scratch=_scratch)
def squares(request: Request) -> Launch:
    """x -> s, the sum of squares under the window around each number."""
    (x,), (s,) = request.inputs, request.outputs
    return _sums(request, x, x, s, gradient=False)


@kernel("lrn.squares.dx", scratch=_scratch)
def squares_dx(request: Request) -> Launch:
    """(x, ds) -> dx = 2x * the sum of ds over the windows that a number lies in."""
    (x, ds), (dx,) = request.inputs, request.outputs
    return _sums(request, x, ds, dx, gradient=True)


def _sums(request: Request, x: Operand, given: Operand, made: Operand, gradient: bool) -> Launch:
    same_layout(x.type, given.type, made.type)
    lrn = request.attrs.lrn
    if lrn.across == "space":
        geometry = lrn.geometry(x.type)
        gather = backward_gather(geometry) if gradient else forward_gather(geometry)
        pieces = splits(request.batch, x.type.blocks, x.type.positions)
        sizes = x.type.lanes, x.type.positions, pieces

        @Calls
        def launch_space(n: int) -> Iterator[Call]:
            tables = gather.start, gather.source
            yield sum_positions, (n * x.type.blocks, *sizes, *tables, gradient, x.array, given.array, made.array)

        return launch_space
    (size,) = lrn.window(x.type)
    before = size // 2 if gradient else (size - 1) // 2
    rows, length, lines = rows_of(x.type), _line(x.type, size), request.scratch["lines"]

    @Calls
    def launch_channels(n: int) -> Iterator[Call]:
        yield sum_channels, (n, TASKS, rows, size, before, length, lines, gradient, x.array, given.array, made.array)

    return launch_channels


@parallel
def sum_channels(
    n: int,
    tasks: int,
    rows: Rows,
    size: int,
    before: int,
    length: int,
    lines: Array,
    gradient: bool,
    x: Array,
    given: Array,
    made: Array,
) -> None:
    """x, given, made (n, blocks, positions, lanes); lines (tasks, length)."""
    count = n * rows.positions
    for task in prange(tasks):
        line = task * length
        for at in range(length):
            lines[line + at] = 0.0
        for row in range(task * count // tasks, (task + 1) * count // tasks):
            start = row_start(rows, row)
            for block in range(rows.blocks):
                at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
                for first in range(0, min(rows.lanes, rows.channels - channel), LANES):
                    numbers = load_lanes(given, at + first)
                    if not gradient:
                        numbers = numbers * numbers
                    numbers = choose(lanes_in_use(rows, channel, first), numbers, spread(np.float32(0.0)))
                    store_lanes(lines, line + before + channel + first, numbers)
            for block in range(rows.blocks):
                at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
                width = min(rows.lanes, rows.channels - channel)
                for first in range(0, width, LANES):
                    total = load_lanes(lines, line + channel + first)
                    for tap in range(1, size):
                        total = total + load_lanes(lines, line + channel + first + tap)
                    if gradient:
                        numbers = load_lanes(x, at + first)
                        total = total * (numbers + numbers)
                    store_first(made, at + first, total, width - first)


@parallel
def sum_positions(
    planes: int,
    lanes: int,
    positions: int,
    pieces: int,
    start: Array,
    source: Array,
    gradient: bool,
    x: Array,
    given: Array,
    made: Array,
) -> None:
    """x, given, made (planes, positions, lanes); the tables are a ``Gather``'s."""
    for task in prange(planes * pieces):
        plane, piece = task // pieces, task % pieces
        for position in range(piece * positions // pieces, (piece + 1) * positions // pieces):
            row = (plane * positions + position) * lanes
            for at in range(0, lanes, LANES):
                total = spread(np.float32(0.0))
                for entry in range(start[position], start[position + 1]):
                    seen = load_lanes(given, (plane * positions + source[entry]) * lanes + at)
                    if not gradient:
                        seen = seen * seen
                    total = total + seen
                if gradient:
                    numbers = load_lanes(x, row + at)
                    total = total * (numbers + numbers)
                store_first(made, row + at, total, lanes - at)
