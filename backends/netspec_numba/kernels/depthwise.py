"""Convolutions that keep the channels apart, with one filter each: per lane, whole vectors at a time.

forward          y (N, P, C)   = bias (C) + sum over taps    x (N, P', C)  w (taps, 1, C)
data gradient    dx (N, P', C) = sum over taps               dy (N, P, C)  w (taps, 1, C)
weight gradient  dw (taps, C)  = sum over samples, places    x (N, P', C)  dy (N, P, C)

P' is the input position that output position P reads through a tap. ``conv`` and ``conv_transpose`` come here where
they have a group for every channel and as many filters; weights are read where they are. How work is cut depends on
shapes alone, and partial sums are added up in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_numba.contract import Array, Call, Calls, Launch, Operand, Request
from netspec_numba.host import LANES
from netspec_numba.kernels.depthwise_tables import (
    CELL,
    FIRST_CELL,
    FIRST_TAP,
    INNER_TAPS,
    INSIDE,
    KIND,
    OUTER_TAPS,
    PLACE,
    PLACES,
    TAP,
    TAPS,
    aligned,
    backward_reading,
    forward_reading,
    gradient_segments,
    tap_steps,
)
from netspec_numba.kernels.depthwise_tiles import depthwise_gradient_tile, depthwise_tile
from netspec_numba.kernels.drivers import ENOUGH_TASKS
from netspec_numba.kernels.finishing import ending
from netspec_numba.kernels.loops import splits
from netspec_numba.kernels.moves import add_floats, copy_floats, zero_floats
from netspec_numba.kernels.views import output_view, stored_columns

FAR_BYTES = 4 << 20
"""Of a larger tensor no cache keeps much from when it was made to when it is read: it is asked for ahead of its use."""


def is_depthwise(groups: int, x: TensorType, y: TensorType) -> bool:
    """Whether every channel has one filter of its own, and there is an axis to slide over."""
    return groups > 1 and groups == x.channels == y.channels and bool(x.spatial)


def slide(
    request: Request, x: Operand, weight: Operand, bias: Array | None, geometry: WindowGeometry, forward: bool
) -> Launch:
    """The output from x as a window of this geometry reads it, or with ``forward`` false as its gradient does."""
    y = request.outputs[0]
    reading = aligned(forward_reading(geometry) if forward else backward_reading(geometry))
    given, made, channels = output_view(x.type), output_view(y.type), y.type.channels
    blocks = -(-channels // LANES)
    zeros = np.zeros(LANES, np.float32)
    taps = tap_steps(reading, 4 * given.position, 4 * channels)
    operands = (x.array, given.sample, given.block, given.position, weight.array, channels)
    biases = (zeros, zeros, 0) if bias is None else (zeros, bias, channels)
    results = (y.array, made.sample, made.block, made.position, stored_columns(y.type))
    tables = (reading.rows, reading.tiles, taps.spans, taps.steps.ravel())
    far = 4 * request.batch * given.sample > FAR_BYTES
    new_rows = (geometry.stride[-2] if forward and len(geometry.stride) > 1 else 1) if far else 0
    distances = (reading.place_step, reading.neighbour_step, reading.cell_steps[2], new_rows)
    lengths = (reading.row_length, reading.source_length)
    pieces = splits(request.batch, blocks, len(reading.rows))
    finish = ending(request)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield slide_lanes, (n, blocks, pieces, *operands, *biases, *results, *tables, *distances, *lengths, *finish)

    return launch


@dataclass(frozen=True, slots=True)
class _Division:
    """How a weight gradient is cut: blocks of channels, and parts of the rows of all samples."""

    blocks: int
    parts: int
    part: int
    """Floats of the sums of one block and part."""


def _divide(geometry: WindowGeometry, channels: int, batch: int) -> _Division:
    blocks = -(-channels // LANES)
    rows = int(np.prod(geometry.output[:-1], dtype=np.int64))
    return _Division(blocks, min(batch * rows, -(-ENOUGH_TASKS // blocks)), geometry.taps * LANES)


def partial_sums(geometry: WindowGeometry, channels: int, batch: int) -> int:
    """Floats of workspace for the partial sums of a weight gradient."""
    division = _divide(geometry, channels, batch)
    return division.blocks * division.parts * division.part


def weight_gradient(request: Request, x: Operand, dy: Operand, geometry: WindowGeometry) -> Launch:
    """dw from x, which the window slides over, and dy, which has a number for each of its places."""
    (dw,) = request.outputs
    reading, segments = forward_reading(geometry), gradient_segments(geometry)
    slid, met, channels = output_view(x.type), output_view(dy.type), x.type.channels
    division = _divide(geometry, channels, request.batch)
    operands = (x.array, slid.sample, slid.block, slid.position, dy.array, met.sample, met.block, met.position)
    results = (dw.array, channels, request.scratch["partial"], division.part)
    steps = np.array([*reading.cell_steps, *reading.tap_steps], np.int64)
    tables = (reading.rows, segments, steps, reading.neighbour_step, reading.row_length)
    sizes = (division.blocks, division.parts)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield accumulate_lanes, (n, *sizes, *operands, *results, *tables)

    return launch


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def slide_lanes(
    n,
    blocks,
    pieces,
    x,
    x_sample,
    x_block,
    x_position,
    weight,
    channels,
    zeros,
    bias,
    bias_columns,
    y,
    y_sample,
    y_block,
    y_position,
    y_columns,
    rows,
    tiles,
    spans,
    steps,
    place_step,
    neighbour_step,
    tap_cells,
    new_rows,
    row_length,
    source_length,
    residual,
    adds,
    limits,
):
    """y = bias + x*w, and its ending, for the first ``n`` samples: every tile of a table in every row of another."""
    distance = residual.ctypes.data - y.ctypes.data
    for number in prange(n * blocks * pieces):
        task = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        piece, block, sample = task % pieces, task // pieces % blocks, task // pieces // blocks
        lane = block * LANES
        for row in range(piece * len(rows) // pieces, (piece + 1) * len(rows) // pieces):
            here = rows[row]
            cells = x.ctypes.data + 4 * (sample * x_sample + block * x_block + here[CELL] * x_position)
            places = y.ctypes.data + 4 * (sample * y_sample + block * y_block + row * row_length * y_position)
            for number_of_tile in range(len(tiles)):
                tile, span = tiles[number_of_tile], spans[here[KIND], number_of_tile]
                depthwise_tile(
                    tile[PLACES],
                    tile[INSIDE],
                    zeros.ctypes.data,
                    cells,
                    4 * x_position,
                    source_length,
                    tile[FIRST_CELL],
                    neighbour_step,
                    tile[TAPS],
                    tap_cells,
                    new_rows,
                    weight.ctypes.data + 4 * ((here[TAP] + tile[FIRST_TAP]) * channels + lane),
                    steps.ctypes.data + 8 * 3 * span[0],
                    span[1],
                    bias.ctypes.data + 4 * (lane if bias_columns else 0),
                    bias_columns - lane,
                    places + 4 * tile[PLACE] * y_position,
                    4 * place_step * y_position,
                    y_columns - lane,
                    adds,
                    distance,
                    limits.ctypes.data,
                )


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def accumulate_lanes(
    n,
    blocks,
    parts,
    x,
    x_sample,
    x_block,
    x_position,
    dy,
    dy_sample,
    dy_block,
    dy_position,
    dw,
    channels,
    partial,
    part,
    rows,
    tiles,
    steps,
    neighbour_step,
    row_length,
):
    """dw = sum over the first ``n`` samples, the rows of a row table and the tiles of a row of x*dy."""
    cell_outer, cell_inner, cell_last, tap_outer, tap_inner, _ = steps
    units = n * len(rows)
    for number in prange(blocks * parts):
        task = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        block, slice_of_rows = task // parts, task % parts
        sums = partial.ctypes.data + 4 * task * part
        zero_floats(sums, part)
        for unit in range(slice_of_rows * units // parts, (slice_of_rows + 1) * units // parts):
            sample, row = unit // len(rows), unit % len(rows)
            here = rows[row]
            cells = x.ctypes.data + 4 * (sample * x_sample + block * x_block + here[CELL] * x_position)
            places = dy.ctypes.data + 4 * (sample * dy_sample + block * dy_block + row * row_length * dy_position)
            for outer in range(here[OUTER_TAPS]):
                for inner in range(here[INNER_TAPS]):
                    cell = outer * cell_outer + inner * cell_inner
                    tap = here[TAP] + outer * tap_outer + inner * tap_inner
                    for tile in tiles:
                        depthwise_gradient_tile(
                            tile[TAPS],
                            cells + 4 * (cell + tile[FIRST_CELL]) * x_position,
                            4 * neighbour_step * x_position,
                            4 * cell_last * x_position,
                            places + 4 * tile[PLACE] * dy_position,
                            4 * dy_position,
                            0,
                            tile[PLACES],
                            sums + 4 * LANES * (tap + tile[FIRST_TAP]),
                            4 * LANES,
                        )
    for number in prange(blocks):
        block = np.int64(number)
        sums = partial.ctypes.data + 4 * block * parts * part
        for other in range(1, parts):
            add_floats(sums, sums + 4 * other * part, part)
        for tap in range(part // LANES):
            target = dw.ctypes.data + 4 * (tap * channels + block * LANES)
            copy_floats(target, sums + 4 * LANES * tap, min(LANES, channels - block * LANES))
