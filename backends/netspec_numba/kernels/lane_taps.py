"""Weight gradients with few channels on both sides: the lanes of a vector are the numbers under a window.

weight gradient  dw (taps, C, K) = sum over samples, positions   x (N, P', C)  dy (N, P, K)

For plain inputs, under whose window the numbers of one row are neighbours, and results of at most half a vector, where
a vector of results would mostly hold zeros. The image is copied with zeros all around, so that no position has to look
where it is. Each part of the batch has an image and sums of its own; the sums are added up in their order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numba import njit, prange

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_numba.contract import Call, Calls, Launch, Request, Types, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.costs import PIECE
from netspec_numba.kernels.drivers import ENOUGH_TASKS
from netspec_numba.kernels.index_tables import positions_read
from netspec_numba.kernels.lane_positions import image_rows, pad_image, padded_window
from netspec_numba.kernels.lane_tap_tiles import LIVE, MOST_COLUMNS, PIECES, TILE_VECTORS, lane_tap_tile
from netspec_numba.kernels.loops import load, store
from netspec_numba.kernels.moves import add_floats, zero_floats
from netspec_numba.kernels.packing import Int64s
from netspec_numba.kernels.views import is_folding, output_view


def _row_slots(geometry: WindowGeometry, channels: int) -> Int64s:
    """For each row of the window the lane, counted through all vectors, where its numbers begin.

    Rows lie side by side. Where that takes no more vectors, none is cut in two.
    """
    row = geometry.size[-1] * channels
    rows = np.arange(geometry.taps // geometry.size[-1])
    in_vector = LANES // row
    if in_vector and -(-len(rows) // in_vector) == -(-len(rows) * row // LANES):
        return rows // in_vector * LANES + rows % in_vector * row
    return rows * row


def _vectors(geometry: WindowGeometry, channels: int) -> int:
    """Vectors that hold the numbers under the window, in whole tiles."""
    slots = int(_row_slots(geometry, channels)[-1]) + geometry.size[-1] * channels
    return -(-slots // (TILE_VECTORS * LANES)) * TILE_VECTORS


def _parts(batch: int) -> int:
    """Into how many parts the batch is cut."""
    return min(batch, ENOUGH_TASKS)


def _part(geometry: WindowGeometry, channels: int, columns: int) -> int:
    """Floats of the sums of one part."""
    return columns * _vectors(geometry, channels) * LANES


def cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    """Cost of ``conv.dw``: a multiply-add for each result, and a load for each row of the window in a vector."""
    x, dy = inputs
    if x.block is not None or attrs.groups > 1 or dy.channels > MOST_COLUMNS or not x.spatial:
        return math.inf
    geometry = attrs.geometry(x)
    if not math.prod(geometry.output) or not is_folding(geometry):
        return math.inf
    vectors, pieces = _vectors(geometry, x.channels), _pieces(geometry, x.channels)
    return float(batch * dy.positions * (vectors * dy.channels + PIECE * pieces[..., LIVE].astype(bool).sum()))


def scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Workspace of ``conv.dw``: for each part an image with its padding, and sums."""
    x, dy = inputs
    geometry = attrs.geometry(x)
    return {
        "image": _parts(batch) * math.prod(padded_window(geometry).input) * x.channels + LANES,
        "partial": _parts(batch) * _part(geometry, x.channels, dy.channels),
    }


def _pieces(geometry: WindowGeometry, channels: int) -> Int64s:
    """Table [vectors, pieces, 2] of the rows of the window that each vector is joined from."""
    row = geometry.size[-1] * channels
    starts = positions_read(padded_window(geometry))[:: geometry.size[-1], 0] * channels
    found: list[list[tuple[int, int]]] = [[] for _ in range(_vectors(geometry, channels))]
    for slot, start in zip(_row_slots(geometry, channels), starts, strict=True):
        for vector in range(slot // LANES, (slot + row - 1) // LANES + 1):
            low = max(int(slot) - vector * LANES, 0)
            found[vector].append((int(start - slot) + vector * LANES, (1 << LANES) - (1 << low)))
    most = max(PIECES, *map(len, found))
    return np.array([pieces + [(0, 0)] * (most - len(pieces)) for pieces in found], np.int64)


def _row_table(geometry: WindowGeometry, channels: int, dy: TensorType) -> Int64s:
    """Where each row of positions begins in an image and in dy."""
    length = geometry.output[-1]
    firsts = np.arange(0, math.prod(geometry.output), length)
    read = positions_read(padded_window(geometry))[0, firsts]
    return np.stack([read * channels, firsts * output_view(dy).position], axis=1)


@kernel("conv.dw", scratch=scratch, cost=cost, algorithm="lane-taps")
def weight_gradient(request: Request) -> Launch:
    """dw = sum over samples and positions of x times dy."""
    x, dy = request.inputs
    (dw,) = request.outputs
    geometry, channels, columns = request.attrs.geometry(x.type), x.type.channels, dy.type.channels
    window, made = padded_window(geometry), output_view(dy.type)
    pieces, scratch = _pieces(geometry, channels), request.scratch
    lengths = (geometry.input[-1], window.input[-1], geometry.before[-1])
    copied = (image_rows(geometry), *(length * channels for length in lengths))
    slots = _row_slots(geometry, channels)[:, None] + np.arange(geometry.size[-1] * channels)
    steps = (geometry.output[-1], 4 * geometry.stride[-1] * channels, 4 * made.position)
    arguments = (
        *(x.array, x.type.stored, scratch["image"], *copied, dy.array, made.sample),
        *(_row_table(geometry, channels, dy.type).ravel(), *steps, pieces.ravel(), pieces.shape[1]),
        *(scratch["partial"], _vectors(geometry, channels), columns),
        *(dw.array, slots.ravel(), _parts(request.batch)),
    )

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield accumulate_taps, (n, *arguments)

    return launch


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def accumulate_taps(
    n,
    x,
    x_sample,
    image,
    image_rows,
    row,
    padded_row,
    before,
    dy,
    dy_sample,
    rows,
    positions,
    x_step,
    dy_step,
    pieces,
    piece_count,
    partial,
    vectors,
    columns,
    dw,
    slots,
    parts,
):
    """dw [numbers, columns] = sum over the first ``n`` samples; each part of them sums in [columns, vectors].

    ``slots`` says in which lane of all vectors each number is.
    """
    width = vectors * LANES
    for number in prange(parts):
        part = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        padded = image.ctypes.data + 4 * part * len(image_rows) * padded_row
        sums = partial.ctypes.data + 4 * part * columns * width
        zero_floats(sums, columns * width)
        for sample in range(part * n // parts, (part + 1) * n // parts):
            pad_image(x.ctypes.data + 4 * sample * x_sample, padded, image_rows, row, padded_row, before)
            for vector in range(0, vectors, TILE_VECTORS):
                lane_tap_tile(
                    columns,
                    padded,
                    dy.ctypes.data + 4 * sample * dy_sample,
                    rows.ctypes.data,
                    len(rows) // 2,
                    positions,
                    x_step,
                    dy_step,
                    pieces.ctypes.data + 16 * vector * piece_count,
                    piece_count,
                    sums + 4 * vector * LANES,
                    4 * width,
                )
    for later in range(1, parts):
        add_floats(partial.ctypes.data, partial.ctypes.data + 4 * later * columns * width, columns * width)
    for place in range(len(slots)):
        for column in range(columns):
            store(dw, place * columns + column, load(partial, column * width + slots[place]))
