"""The parallel loops of Winograd's weight gradient: sums over tiles in the transform domain, then back out of it.

The tiles of all samples are taken in blocks, as in the forward direction. The sums of every part are taken over tiles
in their order, and parts, whose number follows from shapes alone, are added up in theirs: the number of threads changes
no bit. Distances count floats, as everywhere outside the micro-kernels, which are given bytes.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from netspec_numba.host import LANES
from netspec_numba.kernels.drivers import ENOUGH_TASKS, ceil_divide
from netspec_numba.kernels.microkernels import GRADIENT_ROWS, PANEL_VECTORS, TILE_ROWS
from netspec_numba.kernels.moves import add_floats, zero_floats
from netspec_numba.kernels.winograd_drivers import PANEL, device, parallel, read_block, squares
from netspec_numba.kernels.winograd_tiles import gradient_product, weight_sum_tile_2, weight_sum_tile_4

RUN_TILES = 4 * TILE_ROWS
"""Tiles that are transformed in one go, and the fewest that are summed up before sums go back to a cache."""


@device
def write_sums(outputs, du, step, row, rows, column, vectors, channels, columns, dw):
    """du [squares, rows, vectors of columns], an address, ``step`` bytes from square to square, -> dw [9 taps, channels
    of a group, columns], from channel ``row`` and from ``column`` on."""
    tap = 4 * channels * columns
    for each in range(rows):
        for vector in range(vectors):
            first = column + vector * LANES
            given = du + 4 * LANES * (each * vectors + vector)
            made = dw.ctypes.data + 4 * ((row + each) * columns + first)
            if outputs == 4:
                weight_sum_tile_4(given, step, made, tap, columns - first)
            else:
                weight_sum_tile_2(given, step, made, tap, columns - first)


@device
def sums_room(outputs, strips):
    """Floats of the sums of one task of :func:`accumulate_tiles`. Each square has room for one more vector, so that
    the squares of a channel do not drive each other out of the cache."""
    return squares(outputs) * (strips * GRADIENT_ROWS * PANEL + LANES)


@device
def tiles_room(tiles, together):
    """Tiles of ``together`` blocks that a square has room for. An odd number, for the same reason."""
    return min(together * RUN_TILES, tiles) | 1


@parallel
def accumulate_tiles(
    n, workers, together, strips, tiling, x, x_image, x_tables, dy, dy_image, dy_tables, zeros, v, d, du, dw
):
    """dw [9 taps, channels of a group, columns] = sum over the tiles of n samples of x*dy.

    The tiles of ``together`` blocks are transformed, into v [blocks of channels, squares, tiles, LANES] and d, the same
    for dy. A task then adds up ``strips`` strips of channels and one panel of columns, number after number, and
    transforms the sums back while its cache has them. Where not all tiles go together, its sums are kept in du [tasks,
    squares, channels, columns] and taken up again; else du has room for one task of every worker.
    """
    size = squares(tiling.outputs)
    tiles = n * tiling.rows * tiling.columns
    all_blocks = ceil_divide(tiles, RUN_TILES)
    channel_blocks, column_blocks = ceil_divide(x_image.channels, LANES), ceil_divide(dy_image.channels, LANES)
    channels = x_image.channels // tiling.groups
    group_strips = ceil_divide(channels, LANES) * LANES // GRADIENT_ROWS
    panels, runs = ceil_divide(dy_image.channels, PANEL), ceil_divide(group_strips, strips)
    both = channel_blocks + column_blocks
    room = tiles_room(tiles, together)
    square = 4 * room * LANES
    step = 4 * sums_room(tiling.outputs, strips) // size
    for first in range(0, all_blocks, together):
        blocks = min(together, all_blocks - first)
        live = min(tiles, (first + blocks) * RUN_TILES) - first * RUN_TILES
        for number in prange(blocks * both):
            task = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
            block, part = task // both, task % both
            tile = (first + block) * RUN_TILES
            end = min(tile + RUN_TILES, tiles)
            start = 4 * block * RUN_TILES * LANES
            if part < channel_blocks:
                to = v.ctypes.data + part * size * square + start
                read_block(tiling, False, tile, end, x, x_image, part, x_tables, zeros, to, room)
            else:
                column_block = part - channel_blocks
                to = d.ctypes.data + column_block * size * square + start
                read_block(tiling, True, tile, end, dy, dy_image, column_block, dy_tables, zeros, to, room)
        for number in prange(workers):
            worker = np.int64(number)
            for unit in range(worker * runs * panels // workers, (worker + 1) * runs * panels // workers):
                run, panel = unit // panels, unit % panels
                first_strip, end_strip = run * strips, min((run + 1) * strips, group_strips)
                vectors = min(PANEL_VECTORS, column_blocks - panel * PANEL_VECTORS)
                group = panel * PANEL * tiling.groups // dy_image.channels
                own = du.ctypes.data + size * step * (worker if together >= all_blocks else unit)
                for place in range(size):
                    for strip in range(first_strip, end_strip):
                        row = group * channels + strip * GRADIENT_ROWS
                        gradient_product(
                            vectors,
                            v.ctypes.data + (row // LANES * size + place) * square + 4 * (row % LANES),
                            d.ctypes.data + (panel * PANEL_VECTORS * size + place) * square,
                            size * square,
                            live,
                            first == 0,
                            own + place * step + 4 * (strip - first_strip) * GRADIENT_ROWS * vectors * LANES,
                        )
                if first + blocks == all_blocks:
                    row = first_strip * GRADIENT_ROWS
                    rows = min(end_strip * GRADIENT_ROWS, channels) - row
                    write_sums(
                        tiling.outputs, own, step, row, rows, panel * PANEL, vectors, channels, dy_image.channels, dw
                    )


@parallel
def accumulate_parts(n, workers, parts, tiling, x, x_image, x_tables, dy, dy_image, dy_tables, zeros, v, d, du):
    """du [squares, blocks of a group, panels, LANES, columns of the panel] = sum over the tiles of n samples of x*dy.

    A worker takes one block of tiles after the other through everything. The blocks are cut into ``parts``, whose sums
    lie one behind the other in du and are added up in their order. For few channels: v, d (one block per worker) and
    the sums of a part then stay in the second-level cache.
    """
    size = squares(tiling.outputs)
    tiles = n * tiling.rows * tiling.columns
    cell = size * RUN_TILES * LANES
    blocks = ceil_divide(tiles, RUN_TILES)
    channel_blocks, column_blocks = ceil_divide(x_image.channels, LANES), ceil_divide(dy_image.channels, LANES)
    group_blocks = ceil_divide(x_image.channels // tiling.groups, LANES)
    sums = size * group_blocks * column_blocks * LANES * LANES
    for number in prange(workers):
        worker = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        own_v = v.ctypes.data + 4 * worker * channel_blocks * cell
        own_d = d.ctypes.data + 4 * worker * column_blocks * cell
        for part in range(worker * parts // workers, (worker + 1) * parts // workers):
            own = du.ctypes.data + 4 * part * sums
            first, end = part * blocks // parts, (part + 1) * blocks // parts
            if first == end:
                zero_floats(own, sums)
            for block in range(first, end):
                tile = block * RUN_TILES
                live = min(tiles - tile, RUN_TILES)
                for each in range(channel_blocks):
                    to = own_v + 4 * each * cell
                    read_block(tiling, False, tile, tile + live, x, x_image, each, x_tables, zeros, to, RUN_TILES)
                for each in range(column_blocks):
                    to = own_d + 4 * each * cell
                    read_block(tiling, True, tile, tile + live, dy, dy_image, each, dy_tables, zeros, to, RUN_TILES)
                for place in range(size):
                    for row in range(0, group_blocks * LANES, GRADIENT_ROWS):
                        for vector in range(0, column_blocks, PANEL_VECTORS):
                            group = vector * LANES * tiling.groups // dy_image.channels
                            vectors = min(PANEL_VECTORS, column_blocks - vector)
                            channel_block = group * group_blocks + row // LANES
                            sums_of_block = (place * group_blocks + row // LANES) * column_blocks + vector
                            start = 4 * place * RUN_TILES * LANES
                            gradient_product(
                                vectors,
                                own_v + 4 * channel_block * cell + start + 4 * (row % LANES),
                                own_d + 4 * vector * cell + start,
                                4 * cell,
                                live,
                                block == first,
                                own + 4 * LANES * (sums_of_block * LANES + row % LANES * vectors),
                            )
    share = ceil_divide(sums // LANES, ENOUGH_TASKS) * LANES
    for number in prange(ENOUGH_TASKS):
        begin = np.int64(number) * share
        for part in range(1, parts):
            other = du.ctypes.data + 4 * (part * sums + begin)
            add_floats(du.ctypes.data + 4 * begin, other, min(share, sums - begin))


@parallel
def transform_sums(outputs, du, channels, columns, dw):
    """du, as ``accumulate_parts`` leaves it -> dw [9 taps, channels of a group, columns]."""
    channel_blocks, column_blocks = ceil_divide(channels, LANES), ceil_divide(columns, LANES)
    panels = ceil_divide(columns, PANEL)
    for number in prange(channel_blocks * panels):
        task = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        block, panel = task // panels, task % panels
        vectors = min(PANEL_VECTORS, column_blocks - panel * PANEL_VECTORS)
        part = block * column_blocks + panel * PANEL_VECTORS
        write_sums(
            outputs,
            du.ctypes.data + 4 * part * LANES * LANES,
            4 * channel_blocks * column_blocks * LANES * LANES,
            block * LANES,
            min(LANES, channels - block * LANES),
            panel * PANEL,
            vectors,
            channels,
            columns,
            dw,
        )
