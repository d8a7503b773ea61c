"""The parallel loops of Winograd convolutions: which tile is transformed and multiplied when, and where it lies.

Tiles of all samples are numbered in one sequence and taken in blocks of ``BLOCK_TILES``. Every output is one sum over
channels, so that results depend neither on how work is cut nor on the number of threads. Distances count floats, as
everywhere outside the micro-kernels, which are given bytes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from netspec_numba.host import LANES
from netspec_numba.kernels.drivers import ENOUGH_TASKS, ceil_divide
from netspec_numba.kernels.lanes import prefetch
from netspec_numba.kernels.microkernels import PANEL_VECTORS, TILE_ROWS
from netspec_numba.kernels.moments import begin_cell, gather_tile, join_cells
from netspec_numba.kernels.moves import copy_floats, zero_floats
from netspec_numba.kernels.packing import transpose_floats
from netspec_numba.kernels.winograd_matrices import TAPS
from netspec_numba.kernels.winograd_tiles import (
    TILE_HEIGHTS,
    product_tile,
    read_gradient_2,
    read_gradient_4,
    read_input_2,
    read_input_4,
    weight_tile_2,
    weight_tile_4,
    write_output_2,
    write_output_4,
)

BLOCK_TILES = 2 * TILE_ROWS
"""Tiles that one step transforms and multiplies: their numbers stay in the second-level cache."""

PIECES = 2
"""Pieces of a block that are multiplied on their own where there is little else to share among threads."""

PANEL = PANEL_VECTORS * LANES
"""Columns that are multiplied at once."""


class Tiling(NamedTuple):
    """How an image is cut into tiles. In a table of distances a tile has an entry for each of its rows (or columns)."""

    outputs: int
    """Side of a tile of outputs."""
    rows: int
    """Tiles from top to bottom."""
    columns: int
    """Tiles from left to right."""
    groups: int
    """Groups of channels that keep to themselves; with several, each fills whole blocks and panels."""


class Image(NamedTuple):
    """An image in blocks of ``LANES`` channels."""

    channels: int
    sample: int
    """Floats of a sample."""
    block: int
    """Floats of a block of channels."""


device = njit(cache=True)
parallel = njit(cache=True, parallel={"fusion": False}, nogil=True)


@device
def squares(outputs):
    """Numbers of a transformed tile."""
    return (outputs + TAPS - 1) ** 2


@device
def panel_start(outputs, channels, panel):
    """Where in u the weights of a panel begin. Each square has room for one more vector, so that the squares of a
    channel do not all lie a power of two apart, where they would drive each other out of the cache."""
    return panel * squares(outputs) * (channels * PANEL + LANES)


@device
def read_block(tiling, of_gradient, first, end, x, image, channel_block, tables, zeros, v, room):
    """Transform tiles from ``first`` on of one block of channels: x -> v [squares, room, LANES], an address.

    tables: rows and columns of the part that a tile reads.
    """
    per_sample = tiling.rows * tiling.columns
    side = tiling.outputs if of_gradient else tiling.outputs + TAPS - 1
    limit = 4 * image.block
    for tile in range(first, end):
        sample, cell = tile // per_sample, tile % per_sample
        row, column = cell // tiling.columns, cell % tiling.columns
        source = x.ctypes.data + 4 * (sample * image.sample + channel_block * image.block)
        rows = tables.ctypes.data + 8 * side * row
        columns = tables.ctypes.data + 8 * side * (tiling.rows + column)
        target = v + 4 * LANES * (tile - first)
        step = 4 * LANES * room
        if tiling.outputs == 4:
            if of_gradient:
                read_gradient_4(source, rows, columns, limit, zeros.ctypes.data, target, step)
            else:
                read_input_4(source, rows, columns, limit, zeros.ctypes.data, target, step)
        elif of_gradient:
            read_gradient_2(source, rows, columns, limit, zeros.ctypes.data, target, step)
        else:
            read_input_2(source, rows, columns, limit, zeros.ctypes.data, target, step)


@device
def height_of(left):
    """The number of tiles to multiply next: as few products as possible, then as low."""
    wanted = ceil_divide(left, ceil_divide(left, TILE_HEIGHTS[0]))
    height = TILE_HEIGHTS[0]
    for lower in TILE_HEIGHTS[1:]:
        if lower >= wanted:
            height = lower
    return height


@device
def tiles_of_block(tiles):
    """Tiles of each block but the last: as even as may be, since every block has the same weights to fetch."""
    lowest = TILE_HEIGHTS[-1]
    share = ceil_divide(tiles, ceil_divide(tiles, BLOCK_TILES))
    return min(ceil_divide(share, lowest) * lowest, BLOCK_TILES)


@device
def multiply_block(
    tiling,
    first_tile,
    first_place,
    end_place,
    channels,
    first_column,
    v,
    u,
    m,
    bias,
    bias_columns,
    y,
    image,
    tables,
    nowhere,
    adds,
    distance,
    limits,
    wanted,
    cells,
    first_cell,
    places,
):
    """Multiply tiles of a transformed block with a panel of weights, and transform the products back: v, u -> y.

    v, u, m [vectors, squares, BLOCK_TILES, LANES] and nowhere are addresses. ``first_cell`` is that of the panel.
    """
    step = LANES * BLOCK_TILES
    size = squares(tiling.outputs)
    vectors = min(PANEL_VECTORS, ceil_divide(image.channels - first_column, LANES))
    for number in range(size):
        place = first_place
        while place < end_place:
            height = height_of(end_place - place)
            product_tile(
                height,
                vectors,
                v + 4 * (number * step + place * LANES),
                4 * size * step,
                channels,
                u + 4 * number * (channels * vectors + 1) * LANES,
                m + 4 * (number * step + place * LANES),
                4 * size * step,
            )
            place += height
    per_sample = tiling.rows * tiling.columns
    numbers_of_tile = tiling.outputs * tiling.outputs
    for vector in range(vectors):
        column = first_column + vector * LANES
        if wanted:
            begin_cell(cells, first_cell + vector)
        for place in range(first_place, end_place):
            tile = first_tile + place
            sample, cell = tile // per_sample, tile % per_sample
            source = m + 4 * (vector * size * step + place * LANES)
            numbers = bias.ctypes.data + 4 * min(column, bias_columns)
            base = sample * image.sample + column // LANES * image.block
            target = y.ctypes.data + 4 * base
            rows = tables.ctypes.data + 8 * tiling.outputs * (cell // tiling.columns)
            columns = tables.ctypes.data + 8 * tiling.outputs * (tiling.rows + cell % tiling.columns)
            limit = 4 * image.block
            left = bias_columns - column
            if tiling.outputs == 4:
                write_output_4(
                    source, 4 * step, numbers, left, target, rows, columns, limit, nowhere, adds, distance, limits
                )
            else:
                write_output_2(
                    source, 4 * step, numbers, left, target, rows, columns, limit, nowhere, adds, distance, limits
                )
            if wanted:
                gather_tile(
                    y,
                    base,
                    places,
                    cell * numbers_of_tile,
                    numbers_of_tile,
                    image.block,
                    cells,
                    first_cell + vector,
                )


@parallel
def convolve_tiles(
    n,
    workers,
    shared,
    first_panel,
    end_panel,
    tiling,
    x,
    x_image,
    x_tables,
    zeros,
    u,
    bias,
    bias_columns,
    y,
    y_image,
    y_tables,
    v,
    m,
    residual,
    adds,
    limits,
    places,
    wanted,
    cells,
    moments,
):
    """y = bias + x*w for the first ``n`` samples, and its ending, with transformed weights u of some panels.

    Where blocks of tiles are few, all are transformed first (``shared``), and then multiplied panel by panel, so that
    threads have enough to do and weights are read once. Otherwise a worker takes one block through everything, and the
    block stays in its cache; it takes all panels. v: all blocks or one a worker; m: per worker products of one panel,
    and a vector to write to what is not wanted. places [tiles of a sample, outputs²]: where in a block of channels
    each number of a tile is stored, -1 beyond the border. With ``wanted`` moments are gathered of what is stored.
    """
    size = squares(tiling.outputs)
    tiles = n * tiling.rows * tiling.columns
    blocks = ceil_divide(tiles, BLOCK_TILES)
    each = tiles_of_block(tiles)
    channels = x_image.channels // tiling.groups
    channel_blocks = ceil_divide(x_image.channels, LANES)
    panels = ceil_divide(y_image.channels, PANEL)
    cell = size * BLOCK_TILES * LANES
    pieces = PIECES if shared and blocks * panels < ENOUGH_TASKS else 1
    y_blocks = ceil_divide(y_image.channels, LANES)
    if shared and first_panel == 0:  # later panels find them transformed
        for number in prange(blocks * channel_blocks):
            task = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
            block, part = task // channel_blocks, task % channel_blocks
            first, end = block * each, min((block + 1) * each, tiles)
            to = v.ctypes.data + 4 * task * cell
            read_block(tiling, False, first, end, x, x_image, part, x_tables, zeros, to, BLOCK_TILES)
    for number in prange(workers):
        worker = np.int64(number)
        own = m.ctypes.data + 4 * worker * (PANEL_VECTORS * cell + LANES)
        nowhere = own + 4 * PANEL_VECTORS * cell
        tasks = blocks * (end_panel - first_panel) * pieces
        done = np.int64(-1)
        for unit in range(worker * tasks // workers, (worker + 1) * tasks // workers):
            if shared:
                piece, block = unit % pieces, unit // pieces % blocks
                panel = first_panel + unit // pieces // blocks
                source = v.ctypes.data + 4 * block * channel_blocks * cell
            else:
                piece, block, panel = 0, unit // panels, unit % panels
                source = v.ctypes.data + 4 * worker * channel_blocks * cell
            first, end = block * each, min((block + 1) * each, tiles)
            if not shared and block != done:
                for part in range(channel_blocks):
                    to = source + 4 * part * cell
                    read_block(tiling, False, first, end, x, x_image, part, x_tables, zeros, to, BLOCK_TILES)
                done = block
            group = panel * PANEL * tiling.groups // y_image.channels
            multiply_block(
                tiling,
                first,
                piece * (end - first) // pieces,
                (piece + 1) * (end - first) // pieces,
                channels,
                panel * PANEL,
                source + 4 * group * (channels // LANES) * cell,
                u.ctypes.data + 4 * panel_start(tiling.outputs, channels, panel - first_panel),
                own,
                bias,
                bias_columns,
                y,
                y_image,
                y_tables,
                nowhere,
                adds,
                residual.ctypes.data - y.ctypes.data,
                limits.ctypes.data,
                wanted,
                cells,
                (block * pieces + piece) * y_blocks + panel * PANEL_VECTORS,
                places,
            )
    if wanted and end_panel == panels:
        for number in prange(y_blocks):
            join_cells(blocks * pieces, y_blocks, np.int64(number), y_image.channels, cells, moments)


class Weights(NamedTuple):
    """How weights lie in memory: that of a tap, a group, a channel and a column of the group at the sum of each times
    its step."""

    channels: int
    """Channels of a group."""
    columns: int
    """Columns of all groups."""
    group_columns: int
    tap_step: int
    group_step: int
    channel_step: int
    column_step: int
    turned: int
    """1 if the window is read from its end, which makes weights those of the data gradient; else 0."""


@parallel
def transform_weights(workers, outputs, first_panel, end_panel, weight, order, work, u):
    """weight -> u [panels, squares, channels of a group, columns of the panel], zero past the last column.

    work: per worker [9 taps, LANES, columns of a panel].
    """
    taps = TAPS * TAPS
    channel_blocks = ceil_divide(order.channels, LANES)
    tasks = channel_blocks * (end_panel - first_panel)
    for number in prange(workers):
        worker = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        start = worker * taps * LANES * PANEL
        own = work.ctypes.data + 4 * start
        for task in range(worker * tasks // workers, (worker + 1) * tasks // workers):
            panel, channel = task // channel_blocks, task % channel_blocks * LANES
            column = (first_panel + panel) * PANEL
            width = min(PANEL, ceil_divide(order.columns - column, LANES) * LANES)
            live_columns, live = min(width, order.columns - column), min(LANES, order.channels - channel)
            if live_columns < width:
                zero_floats(own, taps * LANES * PANEL)
            in_place = order.column_step == 1 and live_columns == width and not order.turned
            first = column // order.group_columns * order.group_step + channel * order.channel_step
            first += column % order.group_columns * order.column_step
            for tap in range(taps):
                source = first + (taps - 1 - tap if order.turned else tap) * order.tap_step
                beyond = source + LANES * order.channel_step  # the next block of channels lies too far to be foreseen
                target = start + tap * LANES * width
                if order.column_step == 1:
                    for row in range(live):
                        for lane in range(0, width, LANES):
                            prefetch(weight, beyond + row * order.channel_step + lane)
                        if not in_place:
                            origin = weight.ctypes.data + 4 * (source + row * order.channel_step)
                            copy_floats(work.ctypes.data + 4 * (target + row * width), origin, live_columns)
                else:
                    for each in range(width):
                        prefetch(weight, beyond + each * order.column_step)
                    transpose_floats(work, target, width, weight, source, order.column_step, live, live_columns)
            given, row_step, tap_step = own, width, LANES * width
            if in_place:
                given, row_step, tap_step = weight.ctypes.data + 4 * first, order.channel_step, order.tap_step
            made = u.ctypes.data + 4 * (panel_start(outputs, order.channels, panel) + channel * width)
            step = 4 * (order.channels * width + LANES)
            for row in range(live):
                for lane in range(0, width, LANES):
                    origin = given + 4 * (row * row_step + lane)
                    to = made + 4 * (row * width + lane)
                    if outputs == 4:
                        weight_tile_4(origin, 4 * tap_step, to, step)
                    else:
                        weight_tile_2(origin, 4 * tap_step, to, step)
