"""Convolutions of bytes over images, with the weights of a row of the window in registers.

Rows of the input are copied with their padding, a few output rows at a time, so that nothing is asked of a border. A
tile is so many neighbours along a row of the output and a vector of channels: each cell of the input is read once for
all the places of the window's row that see it, channel by channel where these stay apart, and else four of its
channels for all lanes. A last tile begins early enough to be full, and stores again what is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_numba.contract import Array
from netspec_numba.host import LANES
from netspec_numba.kernels.byte_reading import (
    CHANNEL,
    END,
    FIRST_COLUMN,
    OFFSET,
    ROWS_APART,
    ROWS_TOGETHER,
    SLIDING,
    Reading,
)
from netspec_numba.kernels.byte_rows import copy_bytes, fill_bytes
from netspec_numba.kernels.byte_tiles import BYTES, GROUP, add_products, start_from_bias, store_rows
from netspec_numba.kernels.drivers import CACHED_INPUT
from netspec_numba.kernels.loops import splits
from netspec_numba.kernels.microkernels import Sums
from netspec_numba.kernels.vectors import INDICES, INT32, INT64, VECTOR_BYTES, load_index, pointer, shift, spread


class SlideArguments(NamedTuple):
    """Arguments of ``byte_slide``, all int64; those that ``ByteArguments`` has mean the same."""

    width: ir.Value
    """Cells in a row of the window, and the step along it: a pair of ``SLIDING``."""
    stride: ir.Value
    x: ir.Value
    """The first cell that the first position sees."""
    step: ir.Value
    """Bytes between neighbouring cells."""
    rows: ir.Value
    """int32 [count]: how far each row of the window lies behind ``x``."""
    count: ir.Value
    groups: ir.Value
    weights: ir.Value
    """int8 [count, width, groups, LANES, 4]; with no groups [count, width, LANES, 4], of four the first the weight."""
    columns: ir.Value
    bias: ir.Value
    factor: ir.Value
    y: ir.Value
    y_limit: ir.Value
    destinations: ir.Value
    distance: ir.Value
    ending: ir.Value


@intrinsic
def byte_slide(
    typing_context,
    width,
    stride,
    x,
    step,
    rows,
    count,
    groups,
    weights,
    columns,
    bias,
    factor,
    y,
    y_limit,
    destinations,
    distance,
    ending,
):
    """Compute and store a tile of positions and a vector; see ``SlideArguments``."""

    def generate(context, builder, signature, arguments):
        given = SlideArguments(*arguments)
        alone = builder.icmp_signed("==", given.groups, INT64(0))
        with builder.if_else(alone) as (apart, together):
            for branch, rows_, slide in ((apart, ROWS_APART, _slide_apart), (together, ROWS_TOGETHER, _slide_together)):
                with branch:
                    sums = [[cgutils.alloca_once(builder, INDICES)] for _ in range(rows_)]
                    start_from_bias(builder, given, sums)
                    for cells, steps in SLIDING:
                        asked = builder.and_(
                            builder.icmp_signed("==", given.width, INT64(cells)),
                            builder.icmp_signed("==", given.stride, INT64(steps)),
                        )
                        with builder.if_then(asked):
                            slide(builder, given, cells, steps, sums)
                    store_rows(builder, given, sums)
        return context.get_dummy_value()

    return types.void(*[types.int64] * len(SlideArguments._fields)), generate


def _slide_apart(builder: ir.IRBuilder, given: SlideArguments, width: int, stride: int, sums: Sums) -> None:
    """Add x*w over the window, row by row of it, each lane from its own channel."""
    with cgutils.for_range(builder, given.count) as row:
        at = builder.mul(row.index, INT64(width * VECTOR_BYTES))
        cell, step = _first_cell(builder, given, row.index), INT64(VECTOR_BYTES)

        def read(cell: ir.Value) -> ir.Value:
            return builder.zext(builder.load(cell, typ=BYTES, align=1), INDICES)

        _add_row(builder, given, (width, stride), (cell, at, step), read, sums)


def _slide_together(builder: ir.IRBuilder, given: SlideArguments, width: int, stride: int, sums: Sums) -> None:
    """Add x*w over the window, row by row of it and four channels after the other, the same for all lanes."""
    step = builder.mul(given.groups, INT64(VECTOR_BYTES))
    with cgutils.for_range(builder, given.count) as row:
        first, begin = _first_cell(builder, given, row.index), builder.mul(row.index, builder.mul(step, INT64(width)))
        with cgutils.for_range(builder, given.groups) as group:
            at = builder.add(begin, builder.mul(group.index, INT64(VECTOR_BYTES)))
            cell = shift(builder, first, builder.mul(group.index, INT64(GROUP)))

            def read(cell: ir.Value) -> ir.Value:
                return spread(builder, builder.load(cell, typ=INT32, align=1), INDICES)

            _add_row(builder, given, (width, stride), (cell, at, step), read, sums)


def _first_cell(builder: ir.IRBuilder, given: SlideArguments, row: ir.Value) -> ir.Value:
    table = shift(builder, pointer(builder, given.rows), builder.mul(row, INT64(4)))
    return shift(builder, pointer(builder, given.x), builder.sext(load_index(builder, table, 0), INT64))


def _add_row(
    builder: ir.IRBuilder,
    given: SlideArguments,
    window: tuple[int, int],
    begin: tuple[ir.Value, ir.Value, ir.Value],
    read: Callable[[ir.Value], ir.Value],
    sums: Sums,
) -> None:
    """Add a row of a window of (cells, stride): from the first cell, and the weights that lie there, a step apart."""
    (width, stride), (cell, at, step) = window, begin
    base = shift(builder, pointer(builder, given.weights), at)
    places = (shift(builder, base, builder.mul(step, INT64(n))) for n in range(width))
    weights = [builder.load(place, typ=INDICES, align=1) for place in places]
    for place in range((len(sums) - 1) * stride + width):
        value = read(cell)
        for n in range(width):
            position, between = divmod(place - n, stride)
            if not between and 0 <= position < len(sums):
                (total,) = sums[position]
                builder.store(add_products(builder, builder.load(total), value, weights[n]), total)
        cell = shift(builder, cell, given.step)


class Slide(NamedTuple):
    """The numbers of a layer; lengths are bytes."""

    pieces: int
    """Tasks of a sample: as many rows of the output as a cache has room for what they see."""
    task: int
    """Room that the copy of a task's rows takes."""
    channels: int
    output_channels: int
    tile: int
    """Positions of a tile."""
    groups: int
    row: int
    padded_row: int
    before: int
    rows: int
    rows_before: int
    outputs: int
    output_rows: int
    window_rows: int
    row_stride: int
    row_dilation: int
    width: int
    stride: int


def slide_of(reading: Reading, x: TensorType, y: TensorType, batch: int) -> Slide:
    """How the rows of a layer that slides are cut."""
    geometry: WindowGeometry = reading.source.geometry
    (rows, length), (output_rows, outputs), channels = geometry.input, geometry.output, x.channels
    (window_rows, width), (row_stride, stride) = geometry.size, geometry.stride
    padded_row = max(geometry.before[1] + length, (outputs - 1) * stride + width) * channels
    pieces = max(splits(batch, 1, output_rows), min(output_rows, -(-rows * padded_row // CACHED_INPUT)))
    most = -(-output_rows // pieces)
    seen = (most - 1) * row_stride + (window_rows - 1) * geometry.dilation[0] + 1
    tile = ROWS_APART if reading.apart else ROWS_TOGETHER
    behind = (tile * stride + width) * channels + LANES
    return Slide(
        pieces,
        seen * padded_row + behind,
        channels,
        y.channels,
        tile,
        reading.groups,
        length * channels,
        padded_row,
        geometry.before[1] * channels,
        rows,
        geometry.before[0],
        outputs,
        output_rows,
        window_rows,
        row_stride,
        geometry.dilation[0],
        width,
        stride,
    )


def window_offsets(slide: Slide) -> Array:
    """How far each row of the window lies behind its first."""
    return np.arange(slide.window_rows, dtype=np.int32) * np.int32(slide.row_dilation * slide.padded_row)


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def slide_bytes(n, slide, zero, x, copied, offsets, weights, panels, bias, factor, y, residual, ending):
    """y = the ending of bias + x*w for the first ``n`` samples; ``copied`` is room for the rows that tasks see."""
    distance = residual.ctypes.data - y.ctypes.data
    destinations = np.arange(slide.tile).astype(np.int32) * np.int32(slide.output_channels)
    for index in prange(n * slide.pieces):
        task = np.int64(index)  # prange counts in uint64, which mixes with int64 to float64
        sample, piece = task // slide.pieces, task % slide.pieces
        first = piece * slide.output_rows // slide.pieces
        end = (piece + 1) * slide.output_rows // slide.pieces
        begin = task * slide.task
        top = first * slide.row_stride - slide.rows_before
        seen = (end - first - 1) * slide.row_stride + (slide.window_rows - 1) * slide.row_dilation + 1
        for row in range(seen):
            to, source = begin + row * slide.padded_row, top + row
            if 0 <= source < slide.rows:
                behind = slide.padded_row - slide.before - slide.row
                fill_bytes(copied, to, slide.before, zero)
                fill_bytes(copied, to + slide.padded_row - behind, behind, zero)
                from_ = (sample * slide.rows + source) * slide.row
                copy_bytes(copied, to + slide.before, x, from_, slide.row)
            else:
                fill_bytes(copied, to, slide.padded_row, zero)
        for number in range(len(panels) - 1):
            column = panels[number, FIRST_COLUMN]
            for row in range(first, end):
                for tile in range(0, slide.outputs, slide.tile):
                    place = max(0, min(tile, slide.outputs - slide.tile))
                    cell = (row - first) * slide.row_stride * slide.padded_row + place * slide.stride * slide.channels
                    at = ((sample * slide.output_rows + row) * slide.outputs + place) * slide.output_channels + column
                    byte_slide(
                        slide.width,
                        slide.stride,
                        copied.ctypes.data + begin + cell + panels[number, CHANNEL],
                        slide.channels,
                        offsets.ctypes.data,
                        slide.window_rows,
                        slide.groups,
                        weights.ctypes.data + panels[number, OFFSET],
                        panels[number, END] - column,
                        bias.ctypes.data + 4 * column,
                        factor.ctypes.data + 4 * column,
                        y.ctypes.data + at,
                        min(slide.outputs - place, slide.tile) * slide.output_channels,
                        destinations.ctypes.data,
                        distance,
                        ending.ctypes.data,
                    )
