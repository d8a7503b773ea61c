"""Mean and variance per channel: of a tensor, or of what a kernel stores, gathered while it is in the cache.

A task takes its rows less the first of them, so that a channel far from zero loses no digits to its mean: sums over
a few rows in float32, those added up in float64. The sums of the tasks are joined in their order by the formula of
Chan, Golub and LeVeque (1979). How work is cut into tasks follows from shapes alone, so that no bit depends on the
number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit, prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Operand, Request
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import as_double, as_single, lane, load_lanes, prefetch, spread, store_lanes
from netspec_numba.kernels.loops import AHEAD, Walk, parallel, parts, span, walk

CELL = 4 * LANES
"""Numbers that a task keeps for one block of channels: how many rows, the first of them, and two sums."""

TOGETHER = 16
"""Most rows whose sums are taken in float32."""

# Part of a kernel, like ``device``, but the arrays that it is given are not counted: where a function has a branch the
# compiler does not see that counting up and down again does nothing, and here it would be done for every row.
borrowing = njit(cache=True, nogil=True, error_model="numpy", forceinline=True, _nrt=False)


def cells_size(places: int, tensor: TensorType) -> int:
    """Floats of workspace for the sums of so many tasks for each block of channels."""
    return 2 * CELL * places * -(-tensor.channels // LANES)


def rows_size(tensor: TensorType, batch: int) -> int:
    """Floats of workspace for :func:`moments_of`."""
    return cells_size(parts(walk(tensor), batch), tensor)


def moments_of(x: Operand, cells: Array, moments: Array) -> Launch:
    """Gather the moments (3, C) of x, which is stored already: mean, what is missing from it as rounded, variance."""
    over, sums = walk(x.type), cells.view(np.float64)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield gather_moments, (n, parts(over, n), over, x.array, sums, moments)

    return launch


def moments_wanted(request: Request) -> tuple[int, Array, Array]:
    """Whether the request wants moments of its first output, the workspace of the tasks, and where the moments go."""
    if request.epilogue is None or not request.epilogue.moments:
        return 0, np.zeros(1), np.zeros(1, np.float32)
    return 1, request.scratch["cells"].view(np.float64), request.outputs[-1].array


def moments_apart(request: Request) -> Launch | None:
    """Gather the moments that a request wants once its kernel has run; None where it wants none."""
    wanted, _, moments = moments_wanted(request)
    return moments_of(request.outputs[0], request.scratch["cells"], moments) if wanted else None


@borrowing
def begin_cell(cells: Array, cell: int) -> None:
    """No rows so far."""
    for part in range(4):
        store_lanes(cells, cell * CELL + part * LANES, spread(0.0))


@borrowing
def add_to_cell(cells: Array, cell: int, rows: int, total: np.float32, squares: np.float32) -> None:
    """Add the sums of ``rows`` rows less the first of the cell, and of their squares."""
    at = cell * CELL
    store_lanes(cells, at, load_lanes(cells, at) + spread(np.float64(rows)))
    store_lanes(cells, at + 2 * LANES, load_lanes(cells, at + 2 * LANES) + as_double(total))
    store_lanes(cells, at + 3 * LANES, load_lanes(cells, at + 3 * LANES) + as_double(squares))


@borrowing
def gather_tile(
    y: Array, base: int, places: Array, start: int, count: int, limit: int, cells: Array, cell: int
) -> None:
    """Add rows of one block of channels: those of ``count`` places from ``start`` on that are below ``limit``.

    Places count from ``base``. -1 is none, but the first place is one.
    """
    if cells[cell * CELL] == 0.0:
        store_lanes(cells, cell * CELL + LANES, as_double(load_lanes(y, base + np.int64(places[start]))))
    centre = as_single(load_lanes(cells, cell * CELL + LANES))
    total, squares = spread(np.float32(0.0)), spread(np.float32(0.0))
    rows = 0
    for number in range(start, start + count):
        place = np.int64(places[number])
        if 0 <= place < limit:
            distance = load_lanes(y, base + place) - centre
            total, squares = total + distance, squares + distance * distance
            rows += 1
    add_to_cell(cells, cell, rows, total, squares)


@parallel
def gather_moments(n: int, parts: int, over: Walk, x: Array, cells: Array, moments: Array) -> None:
    """cells (parts, blocks, CELL) of the rows of each part, and moments (3, C) of all."""
    blocks = over.blocks
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(parts * blocks):
        block = task % blocks
        first_sample, end_sample, first, end = span(over, n, task // blocks)
        begin_cell(cells, task)
        centre = load_lanes(x, first_sample * sample_stride + block * block_stride + first * row_stride)
        store_lanes(cells, task * CELL + LANES, as_double(centre))
        for sample in range(first_sample, end_sample):
            plane = sample * sample_stride + block * block_stride
            for begin in range(first, end, TOGETHER):
                stop = min(end, begin + TOGETHER)
                total, squares = spread(np.float32(0.0)), spread(np.float32(0.0))
                for position in range(begin, stop):
                    prefetch(x, plane + position * row_stride + AHEAD)
                    distance = load_lanes(x, plane + position * row_stride) - centre
                    total, squares = total + distance, squares + distance * distance
                add_to_cell(cells, task, stop - begin, total, squares)
    for block in prange(blocks):
        join_cells(parts, blocks, np.int64(block), over.channels, cells, moments)


@borrowing
def join_cells(places: int, blocks: int, block: int, channels: int, cells: Array, moments: Array) -> None:
    """cells (places, blocks, CELL) -> the moments (3, C) of one block of channels."""
    rows, mean, squares = 0.0, spread(0.0), spread(0.0)
    for place in range(places):
        at = (place * blocks + block) * CELL
        more = cells[at]
        if more > 0.0:
            total = load_lanes(cells, at + 2 * LANES)
            beside = total / spread(more)
            distance = load_lanes(cells, at + LANES) + beside - mean
            mean = mean + distance * spread(more / (rows + more))
            squares = squares + (load_lanes(cells, at + 3 * LANES) - total * beside)
            squares = squares + distance * distance * spread(rows * more / (rows + more))
            rows += more
    for each in range(min(LANES, channels - block * LANES)):
        channel = block * LANES + each
        exact, variance = lane(mean, each), lane(squares, each) / rows
        moments[channel] = exact
        moments[channels + channel] = exact - np.float64(np.float32(exact))
        # Rounding may leave a little less than nothing of a channel that is constant; NaN is not below 0, and stays.
        moments[2 * channels + channel] = 0.0 if variance < 0.0 else variance
