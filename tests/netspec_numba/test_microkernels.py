"""Micro-kernels and vector moves on their own, on tables written by hand; and the tables and packings they read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from convolution_cases import aligned
from numba import njit

from netspec.core.window import WindowGeometry
from netspec_numba.host import LANES, choose_lanes
from netspec_numba.kernels.index_tables import (
    data_gradient_tiles,
    forward_tiles,
    samples_filling_tiles,
    weight_gradient_pairs,
)
from netspec_numba.kernels.microkernels import GRADIENT_ROWS, PANEL_VECTORS, TILE_ROWS, forward_tile, gradient_tile
from netspec_numba.kernels.moves import add_floats, copy_floats, transpose_square, zero_floats
from netspec_numba.kernels.packing import forward_order, pack_weights, packed_panels, packed_size, transposed_order
from netspec_numba.kernels.views import View

Array = np.ndarray[Any, np.dtype[Any]]
RANDOM_SEED = 3


@njit
def run_forward_tile(
    vectors,
    x,
    x_limit,
    zeros,
    sources,
    taps,
    channels,
    lanes,
    weights,
    window,
    row,
    bias,
    columns,
    y,
    y_limit,
    destinations,
    residual,
    adds,
    limits,
):
    """One tile of a blocked x with two blocks, columns next to each other in y."""
    forward_tile(
        vectors,
        x.ctypes.data,
        x_limit,
        zeros.ctypes.data,
        sources.ctypes.data,
        taps.ctypes.data,
        len(taps),
        channels[0],
        channels[1],
        lanes,
        2 * len(x),
        weights.ctypes.data,
        window,
        4 * row,
        bias.ctypes.data,
        columns,
        y.ctypes.data,
        y_limit,
        destinations.ctypes.data,
        columns,
        4 * LANES,
        adds,
        residual.ctypes.data - y.ctypes.data,
        limits.ctypes.data,
    )


@pytest.mark.parametrize("vectors", [1, PANEL_VECTORS])
@pytest.mark.parametrize("adds", [0, 1])
@pytest.mark.parametrize(("first", "end"), [(0, 10), (2, 9), (5, 6), (0, 5), (7, 10)])
def test_forward_tile_sums_a_channel_range_over_the_taps_it_is_given(
    vectors: int, first: int, end: int, adds: int
) -> None:
    random = np.random.default_rng(RANDOM_SEED)
    lanes, positions, window, taps = 5, 20, 4, np.array([0, 3], np.int32)
    width, columns = vectors * LANES, vectors * LANES - 3
    x = random.standard_normal((2, positions, lanes), dtype=np.float32)
    sources = random.integers(0, positions, (len(taps), TILE_ROWS)).astype(np.int32)
    sources[0, 1] = -1
    live_positions = 18
    blocks = [(max(first, start), min(end, start + lanes)) for start in (0, lanes)]
    logical = random.standard_normal((window, end, width), dtype=np.float32)
    packed = np.concatenate([logical[:, low:high].reshape(-1, width) for low, high in blocks if low < high])
    bias = random.standard_normal(width, dtype=np.float32)
    destinations = np.arange(TILE_ROWS, dtype=np.int32)[::-1] * width
    destinations[2] = -1
    y = aligned(TILE_ROWS * width)
    y[:] = -7
    residual = random.standard_normal(len(y), dtype=np.float32)
    low, high = (-0.5, 1.0) if adds else (-np.inf, np.inf)
    offsets = np.where(sources < 0, -1, sources * lanes).astype(np.int32)
    run_forward_tile(
        vectors,
        x.ravel(),
        live_positions * lanes,
        np.zeros(lanes, np.float32),
        offsets.ravel(),
        taps,
        np.array([first, end]),
        lanes,
        np.ascontiguousarray(packed).ravel(),
        window,
        width,
        bias,
        columns,
        y,
        (TILE_ROWS - 1) * width,
        destinations,
        residual if adds else y,
        adds,
        np.array([low, high], np.float32),
    )
    expected = np.full((TILE_ROWS, width), -7.0)
    joined = np.concatenate([x[0], x[1]], axis=1).astype(float)
    for row in range(1, TILE_ROWS):
        if row == 2:
            continue
        total = bias.astype(float)
        for entry, tap in enumerate(taps):
            position = sources[entry, row]
            if 0 <= position < live_positions:
                total = total + joined[position, first:end] @ logical[tap, first:end].astype(float)
        place = TILE_ROWS - 1 - row
        total = total + adds * residual.reshape(TILE_ROWS, width)[place]
        expected[place, :columns] = np.clip(total, low, high)[:columns]
    # Twenty products of unit normals at most: 1e-5 is about sixty roundings at their size.
    np.testing.assert_allclose(y.reshape(TILE_ROWS, width), expected, atol=1e-5)


@njit
def run_gradient_tile(rows, vectors, x, dy, pairs, dy_block, dw, ahead):
    """One tile over all pairs."""
    gradient_tile(
        rows,
        vectors,
        x.ctypes.data,
        dy.ctypes.data,
        pairs.ctypes.data,
        len(pairs),
        4 * dy_block,
        dw.ctypes.data,
        ahead,
    )


@pytest.mark.parametrize("vectors", [1, PANEL_VECTORS])
@pytest.mark.parametrize("rows", range(1, GRADIENT_ROWS + 3))
def test_gradient_tile_adds_outer_products_of_pairs(rows: int, vectors: int) -> None:
    random = np.random.default_rng(RANDOM_SEED)
    x = random.standard_normal((9, 16), dtype=np.float32)
    dy = random.standard_normal((PANEL_VECTORS, 7, LANES), dtype=np.float32)
    pairs = np.stack([random.integers(0, 9, 11), random.integers(0, 7, 11)], axis=1)
    offsets = (pairs * [16, LANES]).astype(np.int32)
    dw = np.ones((GRADIENT_ROWS + 1, vectors * LANES), np.float32)
    run_gradient_tile(rows, vectors, x.ravel(), dy.ravel(), offsets, 7 * LANES, dw, rows % 2 * 4096)  # ask, or not
    columns = np.concatenate([dy[vector][pairs[:, 1]] for vector in range(vectors)], axis=1)
    wanted = min(rows, GRADIENT_ROWS)
    expected = 1 + x[pairs[:, 0], :wanted].astype(float).T @ columns
    # Eleven products of unit normals: 1e-5 is about eighty roundings at their size.
    np.testing.assert_allclose(dw[:wanted], expected, atol=1e-5)
    assert (dw[wanted + wanted % 2 :] == 1).all(), "rows past the tile are untouched"


@njit
def run_moves(target, source, count):
    """copy into row 0, add twice into row 1, zero row 2"""
    start, row = target.ctypes.data, 4 * target.shape[1]
    copy_floats(start, source.ctypes.data, count)
    add_floats(start + row, source.ctypes.data, count)
    add_floats(start + row, source.ctypes.data, count)
    zero_floats(start + 2 * row, count)


@pytest.mark.parametrize("count", [0, 1, LANES - 1, LANES, LANES + 1, 3 * LANES + 2])
def test_moves_stop_at_their_count(count: int) -> None:
    source = np.arange(1, 4 * LANES + 1, dtype=np.float32)
    target = np.full((3, 4 * LANES), 0.5, np.float32)
    run_moves(target, source, count)
    np.testing.assert_array_equal(target[:, :count], [source[:count], 0.5 + 2 * source[:count], np.zeros(count)])
    assert (target[:, count:] == 0.5).all()


@njit
def run_transpose(target, source):
    """target = source^T"""
    transpose_square(target.ctypes.data, target.shape[1], source.ctypes.data, source.shape[1])


def test_transpose_square() -> None:
    source = np.arange(LANES * (LANES + 3), dtype=np.float32).reshape(LANES, LANES + 3)
    target = np.zeros((LANES, LANES + 1), np.float32)
    run_transpose(target, source)
    np.testing.assert_array_equal(target[:, :LANES], source[:, :LANES].T)
    assert (target[:, LANES] == 0).all()


@pytest.mark.parametrize(
    ("taps", "channels", "columns", "groups"),
    [(4, 20, 2 * LANES, 1), (3, 33, 3 * LANES + 5, 1), (2, 6, 10, 2), (1, 40, 40, 40), (5, 2 * LANES, 33, 1)],
)
def test_packed_weights_hold_every_weight_in_its_place(taps: int, channels: int, columns: int, groups: int) -> None:
    random = np.random.default_rng(RANDOM_SEED)
    weight = random.standard_normal((taps, channels // groups, columns), dtype=np.float32)
    full = np.zeros((taps, channels, columns), np.float32)
    for channel in range(channels):
        group = channel // (channels // groups)
        own = slice(group * (columns // groups), (group + 1) * (columns // groups))
        full[:, channel, own] = weight[:, channel % (channels // groups), own]
    for order, matrix in (
        (forward_order(taps, channels, LANES, columns, groups), full),
        (transposed_order(taps, channels, columns, LANES, groups), full.transpose(0, 2, 1)),
    ):
        packed = aligned(packed_size(order))
        panels = packed_panels(order)
        pack_weights(weight.ravel(), packed, panels, *order.numbers)
        np.testing.assert_array_equal(packed, np.concatenate(list(expected_panels(panels, matrix))))


def expected_panels(panels: Array, matrix: Array) -> Iterator[Array]:
    """The parts of packed weights one after the other, cut from [taps, channels, columns]."""
    padded = np.pad(matrix, ((0, 0), (0, 0), (0, PANEL_VECTORS * LANES)))
    for column, vectors, first, end, _, _ in panels:
        for block in range(first // LANES, (end - 1) // LANES + 1):
            low, high = max(first, block * LANES), min(end, (block + 1) * LANES)
            yield padded[:, low:high, column : column + vectors * LANES].ravel()


def test_strided_data_gradient_has_no_entry_for_taps_that_cannot_reach() -> None:
    geometry = WindowGeometry((8, 8), (4, 4), (2, 2), (2, 2), (1, 1), (0, 0))
    view = View(channels=4, lanes=4, position=4, block=256, sample=256)
    table = data_gradient_tiles(geometry, view, view, rows=4, samples=1)
    assert len(table.taps) == table.tiles == 16, "each position is read through one tap of four"
    assert (table.sources >= 0).all()
    np.testing.assert_array_equal(np.sort(table.destinations.ravel()), np.arange(64) * 4)


def test_tiles_leave_out_taps_that_see_only_padding() -> None:
    geometry = WindowGeometry((4,), (4,), (3,), (1,), (1,), (3,))
    view = View(channels=1, lanes=1, position=1, block=4, sample=4)
    table = forward_tiles(geometry, view, view, rows=2, samples=1)
    np.testing.assert_array_equal(table.starts, [0, 1, 4])
    np.testing.assert_array_equal(table.taps, [2, 0, 1, 2])
    np.testing.assert_array_equal(table.sources, [[-1, 0], [-1, 0], [0, 1], [1, 2]])


def test_pairs_are_ordered_by_sample() -> None:
    geometry = WindowGeometry((3,), (3,), (2,), (1,), (1,), (1,))
    view = View(channels=1, lanes=1, position=1, block=3, sample=3)
    table = weight_gradient_pairs(geometry, view, view, chunk=100, samples=2).table
    np.testing.assert_array_equal(table.per_sample, [[2, 3]])
    np.testing.assert_array_equal(table.starts, [[0, 4]])
    np.testing.assert_array_equal(table.pairs[:4], [[0, 1], [1, 2], [3, 4], [4, 5]])
    single = weight_gradient_pairs(geometry, view, view, chunk=2, samples=1).table
    np.testing.assert_array_equal(single.per_sample, [[1, 2], [1, 1]])
    np.testing.assert_array_equal(single.pairs, [[0, 1], [0, 0], [1, 1], [1, 2], [2, 2]])


def test_offsets_past_32_bits_are_refused() -> None:
    geometry = WindowGeometry((4,), (4,), (1,), (1,), (1,), (0,))
    huge = View(channels=1, lanes=1, position=2**30, block=2**32, sample=2**32)
    with pytest.raises(ValueError, match="32-bit"):
        forward_tiles(geometry, huge, huge, rows=2, samples=1)


def test_samples_fill_tiles() -> None:
    assert samples_filling_tiles(positions=196, rows=14, batch=32) == 1
    assert samples_filling_tiles(positions=49, rows=14, batch=32) == 2
    assert samples_filling_tiles(positions=1, rows=14, batch=64) == 14
    assert samples_filling_tiles(positions=1, rows=14, batch=3) == 3


def test_lanes_follow_the_processor_unless_told() -> None:
    assert choose_lanes({"avx512f": True, "avx2": True, "fma": True}, None) == 16
    assert choose_lanes({"avx512f": False, "avx2": True, "fma": True}, "") == 8
    assert choose_lanes({"avx2": True}, None) == 4
    assert choose_lanes({"avx512f": True}, "4") == 4
    with pytest.raises(ValueError, match="NETSPEC_LANES"):
        choose_lanes({}, "32")
