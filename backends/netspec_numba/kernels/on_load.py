"""Products of what is normalised and clipped as it is read: what one convolution alone wants is never stored.

A worker normalises the rows of a few tiles into room of its own, which stays in the second-level cache, and multiplies
them from there with every panel of weights, by the micro-kernel of all other products. Each number is made by the
operations of ``scale_shift`` and summed in the order of ``multiply_tiles``, so that the bits are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from netspec.core.graph import Prologue
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_numba.contract import Array, Call, Calls, Prepared, Request
from netspec_numba.host import LANES
from netspec_numba.kernels.drivers import ceil_divide
from netspec_numba.kernels.finishing import ending
from netspec_numba.kernels.index_tables import forward_tiles, samples_filling_tiles
from netspec_numba.kernels.lanes import choose, load_lanes, prefetch, spread, store_lanes
from netspec_numba.kernels.loops import AHEAD
from netspec_numba.kernels.microkernels import TILE_ROWS, forward_tile
from netspec_numba.kernels.moments import borrowing
from netspec_numba.kernels.normalization import inference_arguments, inference_coefficients
from netspec_numba.kernels.packing import (
    END_CHANNEL,
    FIRST_CHANNEL,
    FIRST_COLUMN,
    OFFSET,
    ROW,
    VECTORS,
    WeightOrder,
    pack_weights,
    packed_panels,
)
from netspec_numba.kernels.views import input_view, output_view, stored_columns

ROOM = 2**16
"""Floats of normalised rows that a worker holds, so that they stay in the second-level cache beside the weights."""

FEW_TASKS = 8
"""Tasks that threads share evenly enough: each of them goes through all weights, so that more would cost more."""

WEIGHTS_AGAIN = 8
"""Weights, for each number of x, that may be read again from a cache: with more a pass of its own is as fast."""

ROWS_OF_TILE = (LANES * np.arange(TILE_ROWS)).astype(np.int32)
"""Where the rows of a tile lie in the room."""

ONLY_TAP = np.zeros(1, np.int32)
NO_BIAS = np.zeros(LANES, np.float32)


def loads(x: TensorType, y: TensorType, geometry: WindowGeometry, groups: int, batch: int) -> bool:
    """Whether a convolution normalises what it reads, and gains by it.

    With one tap every position is read for one other alone. What is saved is a store and a load of each row; what it
    costs is that every task reads all weights.
    """
    blocked = x.block == y.block == LANES and x.dtype == "float32" and y.channels > LANES // 2
    if not blocked or geometry.taps != 1 or groups != 1:
        return False
    cut = cut_tiles(x, y, batch)
    tasks = -(-batch // cut.samples) * cut.runs
    return tasks * y.channels <= WEIGHTS_AGAIN * batch * y.positions


@dataclass(frozen=True, slots=True)
class Cut:
    """How the tiles of a table are cut into runs: those that a worker normalises at once."""

    samples: int
    """Of one table."""
    runs: int
    tile: int
    """Floats of a tile's rows."""
    room: int
    """Floats of a run's."""


def cut_tiles(x: TensorType, y: TensorType, batch: int) -> Cut:
    """The cut for these types; it follows from shapes alone."""
    samples = samples_filling_tiles(y.positions, TILE_ROWS, batch)
    tiles, tile = -(-samples * y.positions // TILE_ROWS), x.blocks * LANES * TILE_ROWS
    runs = min(tiles, max(-(-tiles * tile // ROOM), -(-FEW_TASKS // -(-batch // samples))))
    return Cut(samples, runs, tile, -(-tiles // runs) * tile)


def multiply_on_load(
    request: Request, prologue: Prologue, geometry: WindowGeometry, order: WeightOrder, bias: Array | None
) -> Prepared:
    """y = convolution of x as the prologue makes it, for which the coefficients are prepared."""
    (x, weight, *_), y = request.inputs, request.outputs[0]
    packed, coefficients = request.scratch["weights"], request.scratch["coefficients"]
    normalizing = inference_arguments(prologue.attrs, x.type, request.loaded, coefficients)
    cut = cut_tiles(x.type, y.type, request.batch)
    view, result = input_view(x.type), output_view(y.type)
    table = forward_tiles(geometry, view, result, TILE_ROWS, cut.samples, every_tap=True)
    panels = packed_panels(order)
    low_high = np.array([prologue.low, prologue.high], np.float32)
    source = (x.array, view.sample, view.block, x.type.blocks, coefficients, low_high, request.scratch["room"])
    factors = (packed, *((NO_BIAS, 0) if bias is None else (bias, order.columns)))
    output = (y.array, result.sample, result.block, stored_columns(y.type))
    tables = (cut.samples, table.sources.ravel(), table.destinations.ravel(), panels, ROWS_OF_TILE, ONLY_TAP)
    arguments = (request.threads, cut.runs, cut.tile, cut.room, *source, *factors, *output, *tables, *ending(request))
    packing = (panels, *order.numbers)

    @Calls
    def prepare(n: int) -> Iterator[Call]:
        yield inference_coefficients, normalizing
        yield pack_weights, (weight.array, packed, *packing)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield multiply_normalized, (n, *arguments)

    return Prepared(prepare, launch)


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def multiply_normalized(
    n,
    workers,
    runs,
    tile_size,
    room_size,
    x,
    x_sample,
    x_block,
    x_blocks,
    coefficients,
    limits_on_load,
    room,
    weights,
    bias,
    bias_columns,
    y,
    y_sample,
    y_block,
    y_columns,
    samples,
    sources,
    destinations,
    panels,
    rows_of_tile,
    only_tap,
    residual,
    adds,
    limits,
):
    """y = bias + x*w, and its ending, for the first ``n`` samples of x, which is normalised and clipped before.

    A task is a run of the tiles of a table, which covers ``samples`` samples, with all panels of weights.
    """
    distance = residual.ctypes.data - y.ctypes.data
    tiles = len(destinations) // TILE_ROWS
    tasks = ceil_divide(n, samples) * runs
    for number in prange(workers):
        worker = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        own = worker * room_size
        for task in range(worker * tasks // workers, (worker + 1) * tasks // workers):
            cover, run = task // runs, task % runs
            live = min(samples, n - cover * samples)
            first, end = run * tiles // runs, (run + 1) * tiles // runs
            rows = sources[first * TILE_ROWS : end * TILE_ROWS]
            for block in range(x_blocks):
                normalize_rows(
                    x,
                    cover * samples * x_sample + block * x_block,
                    rows,
                    live * x_sample,
                    coefficients,
                    block,
                    x_blocks,
                    limits_on_load,
                    room,
                    own + block * TILE_ROWS * LANES,
                    tile_size,
                )
            for panel in panels:
                column = panel[FIRST_COLUMN]
                for tile in range(first, end):
                    if destinations[tile * TILE_ROWS] >= live * y_sample:
                        continue
                    forward_tile(
                        panel[VECTORS],
                        room.ctypes.data + 4 * (own + (tile - first) * tile_size),
                        tile_size,
                        only_tap.ctypes.data,
                        rows_of_tile.ctypes.data,
                        only_tap.ctypes.data,
                        1,
                        panel[FIRST_CHANNEL],
                        panel[END_CHANNEL],
                        LANES,
                        4 * TILE_ROWS * LANES,
                        weights.ctypes.data + 4 * panel[OFFSET],
                        1,
                        4 * panel[ROW],
                        bias.ctypes.data + 4 * column,
                        bias_columns - column,
                        y.ctypes.data + 4 * (cover * samples * y_sample + column // LANES * y_block),
                        live * y_sample,
                        destinations.ctypes.data + 4 * TILE_ROWS * tile,
                        y_columns - column,
                        4 * y_block,
                        adds,
                        distance,
                        limits.ctypes.data,
                    )


@borrowing
def normalize_rows(
    x: Array,
    start: int,
    sources: Array,
    limit: int,
    coefficients: Array,
    block: int,
    blocks: int,
    limits: Array,
    room: Array,
    to: int,
    tile_size: int,
) -> None:
    """One block of channels of the rows that ``sources`` tell, from ``to`` on, tile by tile; padding is zero.

    Sources count from ``start``; -1 is padding, and those at or past ``limit`` are of samples that are not there.
    """
    at = block * LANES
    centre = load_lanes(coefficients, at)
    scale = load_lanes(coefficients, at + blocks * LANES)
    shift = load_lanes(coefficients, at + 2 * blocks * LANES)
    low, high = spread(limits[0]), spread(limits[1])
    for first in range(0, len(sources), TILE_ROWS):
        for row in range(TILE_ROWS):
            source = np.int64(sources[first + row])
            value = spread(np.float32(0.0))
            if 0 <= source < limit:
                prefetch(x, start + source + AHEAD)
                value = (load_lanes(x, start + source) - centre) * scale + shift
                value = choose(value < low, low, value)
                value = choose(value > high, high, value)
            store_lanes(room, to + first // TILE_ROWS * tile_size + row * LANES, value)
