"""The inner loop of weight gradients with few results per position, emitted as LLVM vector code.

``lane_tap_tile``  sums[column, number] += sum over positions: x[position + number] dy[position, column]

The lanes are the numbers under a window, in the order of its weights; each number of dy meets all of them.
"""

from __future__ import annotations

from typing import NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from netspec_numba.host import LANES
from netspec_numba.kernels.vectors import (
    FLOAT_BYTES,
    INT32,
    INT64,
    MASK,
    POINTER,
    VECTOR,
    VECTOR_BYTES,
    broadcast,
    declare,
    element,
    fused_multiply_add,
    load,
    pointer,
    shift,
    store,
)

MOST_COLUMNS = LANES // 2
"""Columns of the widest tile: with as many as there are lanes, channels of results are better kept in lanes."""

TILE_VECTORS = 2
"""Vectors of numbers under the window that one look at dy serves."""

PIECES = 3
"""Pieces of a vector, each of one row of the window, whose places and masks stay in registers."""

LIVE = 1
"""Column of a table of pieces, besides floats from the window's first number to where lane 0 would be read: a mask of
the lanes that belong to the piece or to those behind it."""


class TapArguments(NamedTuple):
    """Arguments of ``lane_tap_tile``, all int64; arrays are byte addresses."""

    columns: ir.Value
    """1 to ``MOST_COLUMNS``."""
    x: ir.Value
    """An image with all its padding, and ``LANES`` readable numbers behind it."""
    dy: ir.Value
    rows: ir.Value
    """int64 [row_count, 2]: where a row of positions begins in x and in dy, in floats."""
    row_count: ir.Value
    positions: ir.Value
    """Positions of a row."""
    x_step: ir.Value
    """Bytes from what one position reads to what the next does."""
    dy_step: ir.Value
    pieces: ir.Value
    """int64 [TILE_VECTORS, piece_count, 2]; a first piece has all lanes, one that is not there has none."""
    piece_count: ir.Value
    """At least ``PIECES``, the same for all vectors."""
    sums: ir.Value
    """float32 [columns, any], of which a tile has ``TILE_VECTORS`` vectors."""
    sums_row: ir.Value
    """Bytes from one column's sums to the next's."""


@intrinsic
def lane_tap_tile(
    typing_context,
    columns,
    x,
    dy,
    rows,
    row_count,
    positions,
    x_step,
    dy_step,
    pieces,
    piece_count,
    sums,
    sums_row,
):
    """Add what all positions of an image give to the sums; see ``TapArguments``."""

    def generate(context, builder, signature, arguments):
        given = TapArguments(*arguments)
        for columns in range(1, MOST_COLUMNS + 1):
            with builder.if_then(builder.icmp_signed("==", given.columns, INT64(columns))):
                _accumulate(builder, given, columns)
        return context.get_dummy_value()

    return types.void(*[types.int64] * len(TapArguments._fields)), generate


def _accumulate(builder: ir.IRBuilder, given: TapArguments, columns: int) -> None:
    kept = [
        (shift(builder, pointer(builder, given.sums), builder.mul(given.sums_row, INT64(column))), vector)
        for column in range(columns)
        for vector in range(TILE_VECTORS)
    ]
    sums = [cgutils.alloca_once(builder, VECTOR) for _ in kept]
    for total, (place, vector) in zip(sums, kept, strict=True):
        builder.store(load(builder, place, VECTOR_BYTES * vector), total)
    with cgutils.for_range(builder, given.row_count) as row:
        starts = shift(builder, pointer(builder, given.rows), builder.mul(row.index, INT64(16)))
        x = element(builder, pointer(builder, given.x), builder.load(starts, typ=INT64))
        dy = element(builder, pointer(builder, given.dy), builder.load(shift(builder, starts, 8), typ=INT64))
        with cgutils.for_range(builder, given.positions) as position:
            window = shift(builder, x, builder.mul(position.index, given.x_step))
            results = shift(builder, dy, builder.mul(position.index, given.dy_step))
            numbers = [_numbers(builder, given, window, vector) for vector in range(TILE_VECTORS)]
            for column in range(columns):
                result = broadcast(builder, results, FLOAT_BYTES * column)
                for vector in range(TILE_VECTORS):
                    total = sums[column * TILE_VECTORS + vector]
                    builder.store(fused_multiply_add(builder, numbers[vector], result, builder.load(total)), total)
    for total, (place, vector) in zip(sums, kept, strict=True):
        store(builder, builder.load(total), place, VECTOR_BYTES * vector)


def _numbers(builder: ir.IRBuilder, given: TapArguments, window: ir.Value, vector: int) -> ir.Value:
    """One vector of the numbers under the window, joined from its rows; in lanes of no row there is any number."""
    table = shift(builder, pointer(builder, given.pieces), builder.mul(given.piece_count, INT64(16 * vector)))
    found = cgutils.alloca_once_value(builder, load(builder, _place(builder, window, table)))
    for piece in range(1, PIECES):
        _join(builder, window, shift(builder, table, 16 * piece), found)
    with cgutils.for_range_slice(builder, INT64(PIECES), given.piece_count, INT64(1)) as (piece, _):
        _join(builder, window, shift(builder, table, builder.mul(piece, INT64(16))), found)
    return builder.load(found)


def _place(builder: ir.IRBuilder, window: ir.Value, piece: ir.Value) -> ir.Value:
    """Where lane 0 of a piece would be read."""
    return element(builder, window, builder.load(piece, typ=INT64))


def _join(builder: ir.IRBuilder, window: ir.Value, piece: ir.Value, found: ir.Value) -> None:
    """Put the lanes of one piece over those that were found."""
    bits = builder.trunc(builder.load(shift(builder, piece, 8 * LIVE), typ=INT64), ir.IntType(LANES))
    signature = ir.FunctionType(VECTOR, [POINTER, INT32, MASK, VECTOR])
    function = declare(builder, f"llvm.masked.load.v{LANES}f32.p0", signature)
    taken = [_place(builder, window, piece), INT32(FLOAT_BYTES), builder.bitcast(bits, MASK), builder.load(found)]
    builder.store(builder.call(function, taken), found)
