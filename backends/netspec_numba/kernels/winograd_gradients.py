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
from netspec_numba.kernels.microkernels import GRADIENT_ROWS, PANEL_VECTORS
from netspec_numba.kernels.moves import add_floats, zero_floats
from netspec_numba.kernels.winograd_drivers import BLOCK_TILES, PANEL, device, parallel, read_block, squares
from netspec_numba.kernels.winograd_tiles import gradient_product, weight_sum_tile_2, weight_sum_tile_4


@device
def add_products(place, vectors, v, d, cell, blocks, v_block, d_block, begins, du):
    """du [LANES, columns] += v*d over ``blocks`` blocks of tiles, of one number of the transformed tiles; addresses.

    ``cell`` floats separate the vectors of d; ``v_block`` and ``d_block`` bytes lead to the next block.
    """
    start = 4 * place * BLOCK_TILES * LANES
    for row in range(0, LANES, GRADIENT_ROWS):
        gradient_product(
            vectors,
            v + start + 4 * row,
            d + start,
            4 * cell,
            blocks,
            v_block,
            d_block,
            BLOCK_TILES,
            begins,
            du + 4 * row * vectors * LANES,
        )


@parallel
def accumulate_tiles(n, together, tiling, x, x_image, x_tables, dy, dy_image, dy_tables, zeros, v, d, du):
    """du [squares, blocks of a group, panels, LANES, columns of the panel] = sum over the tiles of n samples of x*dy.

    The tiles of ``together`` blocks are transformed, into v [blocks, blocks of channels, squares, BLOCK_TILES, LANES]
    and d, the same for dy; then each part of du is taken up where the blocks before have left it.
    """
    size = squares(tiling.outputs)
    tiles = n * tiling.rows * tiling.columns
    cell = size * BLOCK_TILES * LANES
    all_blocks = ceil_divide(tiles, BLOCK_TILES)
    channel_blocks, column_blocks = ceil_divide(x_image.channels, LANES), ceil_divide(dy_image.channels, LANES)
    panels, group_blocks = ceil_divide(dy_image.channels, PANEL), ceil_divide(x_image.channels // tiling.groups, LANES)
    both = channel_blocks + column_blocks
    for first in range(0, all_blocks, together):
        blocks = min(together, all_blocks - first)
        for number in prange(blocks * both):
            task = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
            block, part = task // both, task % both
            if part < channel_blocks:
                to = v.ctypes.data + 4 * (block * channel_blocks + part) * cell
                read_block(tiling, False, tiles, first + block, x, x_image, part, x_tables, zeros, to)
            else:
                column_block = part - channel_blocks
                to = d.ctypes.data + 4 * (block * column_blocks + column_block) * cell
                read_block(tiling, True, tiles, first + block, dy, dy_image, column_block, dy_tables, zeros, to)
        for number in prange(size * group_blocks * panels):
            task = np.int64(number)
            place, rest = task // (group_blocks * panels), task % (group_blocks * panels)
            channel_block, panel = rest // panels, rest % panels
            group = panel * PANEL * tiling.groups // dy_image.channels
            vectors = min(PANEL_VECTORS, column_blocks - panel * PANEL_VECTORS)
            part = (place * group_blocks + channel_block) * column_blocks + panel * PANEL_VECTORS
            add_products(
                place,
                vectors,
                v.ctypes.data + 4 * (group * group_blocks + channel_block) * cell,
                d.ctypes.data + 4 * panel * PANEL_VECTORS * cell,
                cell,
                blocks,
                4 * channel_blocks * cell,
                4 * column_blocks * cell,
                first == 0,
                du.ctypes.data + 4 * part * LANES * LANES,
            )


@parallel
def accumulate_parts(n, workers, parts, tiling, x, x_image, x_tables, dy, dy_image, dy_tables, zeros, v, d, du):
    """du as ``accumulate_tiles`` makes it, but a worker takes one block of tiles after the other through everything.

    The blocks are cut into ``parts``, whose sums lie one behind the other in du and are added up in their order. For
    few channels: v, d (one block per worker) and the sums of a part then stay in the second-level cache.
    """
    size = squares(tiling.outputs)
    tiles = n * tiling.rows * tiling.columns
    cell = size * BLOCK_TILES * LANES
    blocks = ceil_divide(tiles, BLOCK_TILES)
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
                for each in range(channel_blocks):
                    read_block(tiling, False, tiles, block, x, x_image, each, x_tables, zeros, own_v + 4 * each * cell)
                for each in range(column_blocks):
                    read_block(
                        tiling, True, tiles, block, dy, dy_image, each, dy_tables, zeros, own_d + 4 * each * cell
                    )
                for place in range(size):
                    for channel_block in range(group_blocks):
                        sums_of_block = own + 4 * LANES * LANES * (place * group_blocks + channel_block) * column_blocks
                        for vector in range(0, column_blocks, PANEL_VECTORS):
                            group = vector * LANES * tiling.groups // dy_image.channels
                            add_products(
                                place,
                                min(PANEL_VECTORS, column_blocks - vector),
                                own_v + 4 * (group * group_blocks + channel_block) * cell,
                                own_d + 4 * vector * cell,
                                cell,
                                1,
                                0,
                                0,
                                block == first,
                                sums_of_block + 4 * LANES * LANES * vector,
                            )
    share = ceil_divide(sums // LANES, ENOUGH_TASKS) * LANES
    for number in prange(ENOUGH_TASKS):
        begin = np.int64(number) * share
        for part in range(1, parts):
            other = du.ctypes.data + 4 * (part * sums + begin)
            add_floats(du.ctypes.data + 4 * begin, other, min(share, sums - begin))


@parallel
def transform_sums(outputs, du, channels, columns, dw):
    """du, as ``accumulate_tiles`` leaves it -> dw [9 taps, channels of a group, columns]."""
    channel_blocks, column_blocks = ceil_divide(channels, LANES), ceil_divide(columns, LANES)
    for number in prange(channels):
        channel = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        block, row = channel // LANES, channel % LANES
        for column in range(0, columns, LANES):
            first_vector = column // PANEL * PANEL_VECTORS
            vectors = min(PANEL_VECTORS, column_blocks - first_vector)
            part = block * column_blocks + first_vector
            source = part * LANES * LANES + row * vectors * LANES + column % PANEL
            given = du.ctypes.data + 4 * source
            made = dw.ctypes.data + 4 * (channel * columns + column)
            step = 4 * channel_blocks * column_blocks * LANES * LANES
            if outputs == 4:
                weight_sum_tile_4(given, step, made, 4 * channels * columns, columns - column)
            else:
                weight_sum_tile_2(given, step, made, 4 * channels * columns, columns - column)
