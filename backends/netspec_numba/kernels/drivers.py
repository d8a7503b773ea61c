"""The two parallel loops over tiles that every convolution and dense layer runs in.

How work is cut depends on shapes alone, never on the number of threads. Distances count floats, as everywhere
outside the micro-kernels, which are given bytes.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from netspec_numba.host import LANES
from netspec_numba.kernels.index_tables import PLANE_BEGIN, PLANE_END, PLANE_RESULT, PLANE_SOURCE
from netspec_numba.kernels.microkernels import (
    GRADIENT_ROWS,
    PANEL_VECTORS,
    TILE_ROWS,
    forward_tile,
    gradient_tile,
)
from netspec_numba.kernels.moments import begin_cell, gather_tile, join_cells
from netspec_numba.kernels.moves import add_floats, copy_floats, zero_floats
from netspec_numba.kernels.packing import END_CHANNEL, FIRST_CHANNEL, FIRST_COLUMN, OFFSET, ROW, VECTORS

ENOUGH_TASKS = 16
"""Tasks that keep the threads of a small machine evenly loaded."""

CACHED_INPUT = 2**16
"""Floats of input in a run of tiles, so that it stays in the second-level cache while all panels pass over it."""

AHEAD = 48 * 4 * LANES
"""Bytes ahead of a pair of positions for which memory is asked: a look at a pair is shorter than a wait for memory."""

MANY_CHUNKS = 8
"""Chunks of positions of a plane from which on asking pays: in smaller ones much of what lies ahead is not theirs."""

STRIP_CHANNELS = 2 * GRADIENT_ROWS
"""Most input channels of one strip of a weight gradient."""

STRIP_COLUMN, STRIP_VECTORS, STRIP_BLOCK, STRIP_LANE, STRIP_CHANNEL, STRIP_ROWS = range(6)
"""What describes a strip: the output and input channels of one part of a weight gradient."""

FIRST_STRIP, PANEL_COLUMN, PANEL_WIDTH, PANEL_CHANNEL, PANEL_END = range(5)
"""Columns of a table of panels: number of the first strip, output channels, and the input channels of their groups.

The strips of a panel are not in a table, whose length would be that of the weights."""


@njit(cache=True)
def ceil_divide(dividend, divisor):
    """The quotient of non-negative numbers, rounded up."""
    return (dividend + divisor - 1) // divisor


def most_runs(batch: int, samples: int, planes: int, x_sample: int) -> int:
    """An upper bound of the tasks of :func:`multiply_tiles` for one panel, whatever the live samples and the panels."""
    covers = -(-batch // samples) * planes
    return covers * (-(-samples * x_sample // (planes * CACHED_INPUT)) + 1) + ENOUGH_TASKS


@njit(cache=True)
def panel_and_part(task, parts, panels, by_panel):
    """The panel of weights and the part of the input that a task is for: one goes by while the other stays."""
    if by_panel:
        return task // parts, task % parts
    return task % panels, task // panels


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def multiply_tiles(
    n,
    x,
    x_sample,
    x_block,
    lanes,
    zeros,
    weights,
    bias,
    bias_columns,
    y,
    y_sample,
    y_block,
    y_columns,
    samples,
    starts,
    taps,
    sources,
    destinations,
    planes,
    panels,
    window_taps,
    residual,
    adds,
    limits,
    channels,
    wanted,
    cells,
    moments,
):
    """y = bias + x*w, and its ending, for the first ``n`` samples: every tile of a table, times every panel of weights.

    The table covers ``samples`` samples, or each of the ``planes`` of one. A task is a run of tiles and one panel.
    Tasks are ordered so that the smaller of weights and input is read again and again. With ``wanted`` the moments of
    y's ``channels`` are gathered.
    """
    distance = residual.ctypes.data - y.ctypes.data
    tiles = planes[0, PLANE_END] - planes[0, PLANE_BEGIN]
    covers = ceil_divide(n, samples) * len(planes)
    x_cover = ceil_divide(samples * x_sample, len(planes))
    runs = max(ceil_divide(x_cover, CACHED_INPUT), ceil_divide(ENOUGH_TASKS, max(covers * len(panels), 1)))
    runs = min(runs, tiles)
    blocks = ceil_divide(channels, LANES)
    by_panel = n * x_sample * len(panels) < len(weights) * covers * runs
    for index in prange(covers * runs * len(panels)):
        task = np.int64(index)  # prange counts in uint64, which mixes with int64 to float64
        number, place = panel_and_part(task, covers * runs, len(panels), by_panel)
        run, plane, cover = place % runs, planes[place // runs % len(planes)], place // runs // len(planes)
        x_start, y_start = cover * samples * x_sample + plane[PLANE_SOURCE], cover * samples * y_sample
        y_start += plane[PLANE_RESULT]
        panel = panels[number]
        column = panel[FIRST_COLUMN]
        live = min(samples, n - cover * samples)
        cell = place * blocks + column // LANES
        if wanted:
            for vector in range(panel[VECTORS]):
                begin_cell(cells, cell + vector)
        for number_of_tile in range(run * tiles // runs, (run + 1) * tiles // runs):
            tile = plane[PLANE_BEGIN] + number_of_tile
            if destinations[tile * TILE_ROWS] >= live * y_sample:
                continue
            forward_tile(
                panel[VECTORS],
                x.ctypes.data + 4 * x_start,
                live * x_sample,
                zeros.ctypes.data,
                sources.ctypes.data + 4 * TILE_ROWS * starts[tile],
                taps.ctypes.data + 4 * starts[tile],
                starts[tile + 1] - starts[tile],
                panel[FIRST_CHANNEL],
                panel[END_CHANNEL],
                lanes,
                4 * x_block,
                weights.ctypes.data + 4 * panel[OFFSET],
                window_taps,
                4 * panel[ROW],
                bias.ctypes.data + 4 * column,
                bias_columns - column,
                y.ctypes.data + 4 * (y_start + column // LANES * y_block),
                live * y_sample,
                destinations.ctypes.data + 4 * TILE_ROWS * tile,
                y_columns - column,
                4 * y_block,
                adds,
                distance,
                limits.ctypes.data,
            )
            if wanted:
                for vector in range(panel[VECTORS]):
                    base = y_start + (column // LANES + vector) * y_block
                    gather_tile(
                        y, base, destinations, tile * TILE_ROWS, TILE_ROWS, live * y_sample, cells, cell + vector
                    )
    if wanted:
        for block in prange(blocks):
            join_cells(covers * runs, blocks, np.int64(block), channels, cells, moments)


@njit(cache=True)
def strip_at(panels, lanes, number):
    """The strip of that number: as many channels of a block of ``lanes`` as there are for the panel it belongs to."""
    low, high = 0, len(panels)
    while high - low > 1:
        middle = (low + high) // 2
        if panels[middle, FIRST_STRIP] <= number:
            low = middle
        else:
            high = middle
    panel = panels[low]
    first, end = panel[PANEL_CHANNEL], panel[PANEL_END]
    pieces = ceil_divide(lanes, STRIP_CHANNELS)
    place = first // lanes * pieces + first % lanes // STRIP_CHANNELS + number - panel[FIRST_STRIP]
    block = place // pieces
    lane = place % pieces * STRIP_CHANNELS
    behind = min(lane + STRIP_CHANNELS, lanes, end - block * lanes)
    lane = max(lane, first - block * lanes)
    return panel[PANEL_COLUMN], panel[PANEL_WIDTH], block, lane, block * lanes + lane, behind - lane


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def accumulate_strips(
    n,
    workers,
    x,
    x_sample,
    x_block,
    dy,
    dy_sample,
    dy_block,
    dw,
    partial,
    part,
    strip_lanes,
    samples,
    starts,
    per_sample,
    pairs,
    planes,
    panels,
    strips,
    lanes,
    taps,
    tap_groups,
    batch_parts,
    groups,
    group_channels,
    group_columns,
):
    """dw = sum over the first ``n`` samples and all pairs of a pair table of x*dy.

    A task is one of the ``strips`` of dw (up to ``strip_lanes`` input channels, one panel of output channels), one
    group of taps and one part of the batch. Where the batch is in one part, a task writes dw as soon as it has its
    sums, and a worker uses the same ``part`` floats of ``partial`` for all its tasks. Otherwise each task has its own,
    and the parts of the batch are added up in their order.
    """
    covers = ceil_divide(n, samples)
    cells = strips * tap_groups
    for number in prange(workers):
        worker = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        tasks = cells * batch_parts
        for task in range(worker * tasks // workers, (worker + 1) * tasks // workers):
            cell, batch_part = task % cells, task // cells
            strip = strip_at(panels, lanes, cell // tap_groups)
            first_tap, end_tap = tap_range(cell % tap_groups, taps, tap_groups)
            start = part * (worker if batch_parts == 1 else task)
            zero_floats(partial.ctypes.data + 4 * start, part)
            for cover in range(batch_part * covers // batch_parts, (batch_part + 1) * covers // batch_parts):
                live = min(samples, n - cover * samples)
                x_start = cover * samples * x_sample + strip[STRIP_BLOCK] * x_block + strip[STRIP_LANE]
                dy_start = cover * samples * dy_sample + strip[STRIP_COLUMN] // LANES * dy_block
                for plane in planes:
                    add_strip(
                        x.ctypes.data + 4 * (x_start + plane[PLANE_SOURCE]),
                        dy.ctypes.data + 4 * (dy_start + plane[PLANE_RESULT]),
                        dy_block,
                        partial.ctypes.data + 4 * start,
                        strip,
                        strip_lanes,
                        live,
                        plane[PLANE_BEGIN],
                        plane[PLANE_END],
                        starts,
                        per_sample,
                        pairs,
                        taps,
                        first_tap,
                        end_tap,
                    )
            if batch_parts == 1:
                write_strip(
                    partial, start, dw, strip, strip_lanes, first_tap, end_tap, groups, group_channels, group_columns
                )
    if batch_parts > 1:
        for number in prange(cells):
            cell = np.int64(number)
            start = part * cell
            for batch_part in range(1, batch_parts):
                other = part * (batch_part * cells + cell)
                add_floats(partial.ctypes.data + 4 * start, partial.ctypes.data + 4 * other, part)
            first_tap, end_tap = tap_range(cell % tap_groups, taps, tap_groups)
            strip = strip_at(panels, lanes, cell // tap_groups)
            write_strip(
                partial, start, dw, strip, strip_lanes, first_tap, end_tap, groups, group_channels, group_columns
            )


@njit(cache=True)
def add_strip(
    x,
    dy,
    dy_block,
    sums,
    strip,
    strip_lanes,
    live,
    first_chunk,
    end_chunk,
    starts,
    per_sample,
    pairs,
    taps,
    first_tap,
    end_tap,
):
    """sums [taps, strip_lanes, columns] += x*dy over the pairs of ``live`` samples; x, dy and sums are addresses."""
    width = strip[STRIP_VECTORS] * LANES
    far = end_chunk - first_chunk >= MANY_CHUNKS and strip[STRIP_VECTORS] == PANEL_VECTORS
    for chunk in range(first_chunk, end_chunk):
        for tap in range(first_tap, end_tap):
            entry = chunk * taps + tap
            for row in range(0, strip[STRIP_ROWS], GRADIENT_ROWS):
                gradient_tile(
                    strip[STRIP_ROWS] - row,
                    strip[STRIP_VECTORS],
                    x + 4 * row,
                    dy,
                    pairs.ctypes.data + 8 * starts[entry],
                    live * per_sample[entry],
                    4 * dy_block,
                    sums + 4 * ((tap - first_tap) * strip_lanes + row) * width,
                    AHEAD if far and tap == first_tap and row == 0 else 0,  # later passes find it in the cache
                )


@njit(cache=True)
def tap_range(number, taps, tap_groups):
    """First and end tap of a group of taps."""
    return number * taps // tap_groups, (number + 1) * taps // tap_groups


@njit(cache=True)
def write_strip(partial, start, dw, strip, strip_lanes, first_tap, end_tap, groups, group_channels, group_columns):
    """partial [taps, strip_lanes, columns] -> dw [taps, channels/groups, columns]; pairs within a group only."""
    width = strip[STRIP_VECTORS] * LANES
    first_column = strip[STRIP_COLUMN]
    end_column = min(first_column + width, groups * group_columns)
    for tap in range(first_tap, end_tap):
        for row in range(strip[STRIP_ROWS]):
            group = (strip[STRIP_CHANNEL] + row) // group_channels
            channel = (strip[STRIP_CHANNEL] + row) % group_channels
            low = max(first_column, group * group_columns)
            high = min(end_column, (group + 1) * group_columns)
            source = start + ((tap - first_tap) * strip_lanes + row) * width - first_column + low
            target = (tap * group_channels + channel) * groups * group_columns + low
            copy_floats(dw.ctypes.data + 4 * target, partial.ctypes.data + 4 * source, high - low)
