"""The parallel loops of convolutions with narrow groups: over units of channels, rows and tiles.

How work is cut depends on shapes alone, never on the number of threads; each of ``workers`` only has room of its own.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

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
)
from netspec_numba.kernels.lane_group_tiles import (
    GROUP_PLACES,
    TERMS,
    arranged_tile,
    group_gradient_tile,
    group_tile,
)
from netspec_numba.kernels.moves import add_floats, zero_floats

VECTOR = 4 * LANES


@njit(cache=True)
def terms_together(left):
    """How many of the terms that are ``left`` are computed at once: as many as there is code for."""
    for terms in TERMS:
        if terms <= left:
            return terms
    return 0


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def order_weights(
    weight,
    packed,
    blocks,
    taps,
    lanes,
    groups,
    group_channels,
    group_columns,
    tap_stride,
    group_stride,
    channel_stride,
    column_stride,
):
    """weight, logical order -> packed [block][tap][term][lane]; zero in lanes behind the last channel.

    The terms of a channel begin with another column each; see ``Unit``.
    """
    for number in prange(blocks):
        block = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        for lane in range(LANES):
            channel = block * LANES + lane
            group, within = channel // group_channels, channel % group_channels
            for tap in range(taps):
                for term in range(group_columns):
                    value = np.float32(0.0)
                    if group < groups:
                        source = tap * tap_stride + group * group_stride
                        column = (within + term) % group_columns
                        value = weight[source + within * channel_stride + column * column_stride]
                    packed[((block * taps + tap) * group_columns + term) * LANES + lane] = value


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def slide_groups(
    n,
    workers,
    units,
    pieces,
    x,
    x_sample,
    x_block,
    x_position,
    x_blocks,
    weight,
    taps,
    zeros,
    bias,
    bias_columns,
    y,
    y_sample,
    y_block,
    y_position,
    y_columns,
    y_blocks,
    rows,
    tiles,
    spans,
    steps,
    place_step,
    neighbour_step,
    row_length,
    source_length,
    sources,
    targets,
    terms,
    targets_spans,
    vectors,
    lanes,
    room,
    residual,
    adds,
    limits,
):
    """y = bias + x*w, and its ending, for the first ``n`` samples: every tile of a table in every row of another."""
    distance = residual.ctypes.data - y.ctypes.data
    sums_place = VECTOR * sources * terms
    tasks = n * units * pieces
    for number in prange(workers):
        worker = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        sums = room.ctypes.data + worker * GROUP_PLACES * sums_place
        for task in range(worker * tasks // workers, (worker + 1) * tasks // workers):
            piece, unit, sample = task % pieces, task // pieces % units, task // pieces // units
            first_block, first_target = unit * sources, unit * targets
            for row in range(piece * len(rows) // pieces, (piece + 1) * len(rows) // pieces):
                here = rows[row]
                cells = x.ctypes.data + 4 * (sample * x_sample + here[CELL] * x_position)
                places = y.ctypes.data + 4 * (sample * y_sample + row * row_length * y_position)
                for number_of_tile in range(len(tiles)):
                    tile, span = tiles[number_of_tile], spans[here[KIND], number_of_tile]
                    for block in range(first_block, min(first_block + sources, x_blocks)):
                        term = 0
                        while term < terms:
                            together = terms_together(terms - term)
                            tap = block * taps + here[TAP] + tile[FIRST_TAP]
                            group_tile(
                                together,
                                tile[PLACES],
                                tile[INSIDE],
                                zeros.ctypes.data,
                                cells + 4 * block * x_block,
                                4 * x_position,
                                source_length,
                                tile[FIRST_CELL],
                                neighbour_step,
                                weight.ctypes.data + VECTOR * (tap * terms + term),
                                VECTOR,
                                steps.ctypes.data + 8 * 3 * span[0],
                                span[1],
                                sums + VECTOR * ((block - first_block) * terms + term),
                                sums_place,
                            )
                            term += together
                    for block in range(first_target, min(first_target + targets, y_blocks)):
                        start, count = targets_spans[block - first_target]
                        arranged_tile(
                            tile[PLACES],
                            sums,
                            sums_place,
                            VECTOR,
                            sources * terms,
                            vectors.ctypes.data + 16 * start,
                            lanes.ctypes.data + VECTOR * start,
                            count,
                            bias.ctypes.data + 4 * (block * LANES if bias_columns else 0),
                            bias_columns - block * LANES,
                            places + 4 * (block * y_block + tile[PLACE] * y_position),
                            4 * place_step * y_position,
                            y_columns - block * LANES,
                            adds,
                            distance,
                            limits.ctypes.data,
                        )


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def accumulate_groups(
    n,
    workers,
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
    dy_blocks,
    dw,
    partial,
    part,
    room,
    rows,
    tiles,
    steps,
    neighbour_step,
    row_length,
    sources,
    targets,
    terms,
    targets_spans,
    vectors,
    lanes,
    limits,
    taps,
    _lanes,
    groups,
    group_channels,
    group_columns,
    tap_stride,
    group_stride,
    channel_stride,
    column_stride,
):
    """dw = sum over the first ``n`` samples, the rows of a row table and the tiles of a row of x*dy."""
    units = n * len(rows)
    tasks = blocks * parts
    for number in prange(workers):
        worker = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        met = room.ctypes.data + worker * terms * row_length * VECTOR
        for task in range(worker * tasks // workers, (worker + 1) * tasks // workers):
            block, slice_of_rows = task // parts, task % parts
            sums = partial.ctypes.data + 4 * task * part
            zero_floats(sums, part)
            first_target = block // sources * targets
            for unit in range(slice_of_rows * units // parts, (slice_of_rows + 1) * units // parts):
                sample, row = unit // len(rows), unit % len(rows)
                here = rows[row]
                cells = x.ctypes.data + 4 * (sample * x_sample + block * x_block + here[CELL] * x_position)
                places = sample * dy_sample + first_target * dy_block + row * row_length * dy_position
                for term in range(terms):
                    start, count = targets_spans[block % sources * terms + term]
                    spread_row(
                        row_length,
                        dy.ctypes.data + 4 * places,
                        4 * dy_position,
                        4 * dy_block,
                        dy_blocks - 1 - first_target,
                        vectors.ctypes.data + 16 * start,
                        lanes.ctypes.data + VECTOR * start,
                        count,
                        met + VECTOR * term * row_length,
                        limits,
                    )
                add_row(cells, x_position, here, tiles, steps, neighbour_step, met, row_length, terms, sums)
    for number in prange(blocks):
        block = np.int64(number)
        sums = partial.ctypes.data + 4 * block * parts * part
        for other in range(1, parts):
            add_floats(sums, sums + 4 * other * part, part)
        for lane in range(LANES):
            channel = block * LANES + lane
            group, within = channel // group_channels, channel % group_channels
            if group >= groups:
                break
            for tap in range(taps):
                for term in range(group_columns):
                    target = tap * tap_stride + group * group_stride + within * channel_stride
                    place = block * parts * part + (tap * group_columns + term) * LANES + lane
                    dw[target + (within + term) % group_columns * column_stride] = partial[place]


@njit(cache=True)
def spread_row(length, dy, dy_place, dy_block, last_block, vectors, lanes, count, met, limits):
    """met [length] = the lanes of dy that a block and term meet, at every place of a row; all addresses."""
    for place in range(0, length, GROUP_PLACES):
        arranged_tile(
            min(GROUP_PLACES, length - place),
            dy + place * dy_place,
            dy_place,
            dy_block,
            last_block,
            vectors,
            lanes,
            count,
            met,
            0,
            met + VECTOR * place,
            VECTOR,
            LANES,
            0,
            0,
            limits.ctypes.data,
        )


@njit(cache=True)
def add_row(cells, x_position, here, tiles, steps, neighbour_step, met, row_length, terms, sums):
    """sums [taps, terms, LANES] += x*met over the window rows and tiles of a row; cells, met and sums are addresses."""
    cell_outer, cell_inner, cell_last, tap_outer, tap_inner, _ = steps
    for outer in range(here[OUTER_TAPS]):
        for inner in range(here[INNER_TAPS]):
            cell = outer * cell_outer + inner * cell_inner
            tap = here[TAP] + outer * tap_outer + inner * tap_inner
            for tile in tiles:
                term = 0
                while term < terms:
                    together = terms_together(terms - term)
                    group_gradient_tile(
                        together,
                        tile[TAPS],
                        cells + 4 * (cell + tile[FIRST_CELL]) * x_position,
                        4 * neighbour_step * x_position,
                        4 * cell_last * x_position,
                        met + VECTOR * (term * row_length + tile[PLACE]),
                        VECTOR,
                        VECTOR * row_length,
                        tile[PLACES],
                        sums + VECTOR * ((tap + tile[FIRST_TAP]) * terms + term),
                        VECTOR * terms,
                    )
                    term += together
