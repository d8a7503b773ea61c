"""The inner loops of Winograd convolutions, emitted as LLVM vector code: transforms of one tile, and products.

``read_tile``         v = T d Tᵀ: a tile of an image, with zeros beyond the border, into the transform domain
``write_tile``        y = bias + Aᵀ m A: back out of it, without the part of a tile that lies beyond the border
``weight_tile``       u = G w Gᵀ
``weight_sum_tile``   dw = Gᵀ u G
``product_tile``      m[tile, column] = sum over channels: v[tile, channel] u[channel, column]
``gradient_product``  du[channel, column] += sum over tiles: v[tile, channel] d[tile, column]

In the transforms a lane is a channel (or a column of weights). All arguments are int64; arrays are byte addresses and
distances count bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from netspec_numba.host import LANES, VECTOR_REGISTERS
from netspec_numba.kernels.microkernels import GRADIENT_ROWS, PANEL_VECTORS, TILE_ROWS
from netspec_numba.kernels.vectors import (
    FLOAT_BYTES,
    FULL_MASK,
    INT64,
    VECTOR,
    VECTOR_BYTES,
    ZERO,
    Ending,
    broadcast,
    end,
    fused_multiply_add,
    leading_lanes,
    load,
    masked_load,
    masked_store,
    pointer,
    prefetch,
    shift,
    store,
)
from netspec_numba.kernels.winograd_matrices import TAPS, TRANSFORMS, Matrix, transform

TILE_HEIGHTS = (TILE_ROWS, 8, 4) if VECTOR_REGISTERS >= 32 else (TILE_ROWS, 4, 2)
"""Numbers of tiles that a product is written for, the largest first."""

UNROLLED = 4
"""Channels of one turn of a product's loop, a divisor of every number of lanes."""

WEIGHTS_AHEAD = 64
"""Rows of weights ahead of the one at hand that a product asks for: a block's next panel, or the next number's, lies
behind it, in a larger cache."""

TILES_AHEAD = 16
"""Transformed tiles ahead of the one at hand that a weight gradient asks for."""

AHEAD = 2
"""Tiles ahead of the one at hand for which memory is asked: their rows lie too far apart to be foreseen."""

OUTSIDE = 2**40
"""In a table of distances: a row or column beyond the border. No sum with it is below any limit."""


def _places(
    builder: ir.IRBuilder,
    base: ir.Value,
    tables: tuple[ir.Value, ir.Value],
    side: int,
    limit: ir.Value,
    instead: ir.Value,
) -> list[list[ir.Value]]:
    """Pointers to the cells of a square: rows and columns add up to a distance; ``instead`` is for those outside."""
    rows, columns = (
        [builder.load(shift(builder, pointer(builder, table), 8 * number), typ=INT64) for number in range(side)]
        for table in tables
    )

    def place(row: ir.Value, column: ir.Value) -> ir.Value:
        distance = builder.add(row, column)
        return builder.select(builder.icmp_unsigned("<", distance, limit), shift(builder, base, distance), instead)

    return [[place(row, column) for column in columns] for row in rows]


def _square(builder: ir.IRBuilder, base: ir.Value, step: ir.Value, side: int) -> list[list[ir.Value]]:
    """Pointers to the numbers of a square that lie ``step`` bytes apart."""
    numbers = [[builder.mul(step, INT64(row * side + column)) for column in range(side)] for row in range(side)]
    return [[shift(builder, base, number) for number in row] for row in numbers]


def _read_tile(matrix: Matrix) -> Any:
    """``read_tile`` for a matrix T [transformed side, side]."""

    def read_tile(typing_context, x, rows, columns, limit, zeros, transformed, step):
        """x: cell 0; rows, columns: int64 [side], distances or ``OUTSIDE``; limit: distances at or past it read zeros;
        transformed [side², ...]: ``step`` from one number of a transformed tile to the next."""

        def generate(context, builder, signature, arguments):
            x, rows, columns, limit, zeros, transformed, step = arguments
            side = matrix.shape[1]
            outputs = matrix.shape[0] - TAPS + 1
            places = _places(builder, pointer(builder, x), (rows, columns), side, limit, pointer(builder, zeros))
            unseen = min(side, outputs)  # rows and columns that the tiles above and before have not read
            for place in (place for row in places[-unseen:] for place in row[-unseen:]):
                prefetch(builder, place, AHEAD * outputs * VECTOR_BYTES)
            target = pointer(builder, transformed)
            for vector in (vector for row in transform(builder, matrix, places) for vector in row):
                store(builder, vector, target)
                target = shift(builder, target, step)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 7), generate

    return intrinsic(read_tile)


def _write_tile(matrix: Matrix) -> Any:
    """``write_tile`` for a matrix Aᵀ [outputs, side]."""

    def write_tile(
        typing_context,
        transformed,
        step,
        bias,
        bias_columns,
        y,
        rows,
        columns,
        limit,
        nowhere,
        adds,
        distance,
        limits,
    ):
        """transformed: as in ``read_tile``; bias: read in the first ``bias_columns`` lanes; y: cell 0; rows, columns:
        int64 [outputs], distances or ``OUTSIDE``; what lies at or past limit is written to ``nowhere``;
        the last three are an ``Ending``."""

        def generate(context, builder, signature, arguments):
            transformed, step, bias, bias_columns, y, rows, columns, limit, nowhere, *given = arguments
            ending = Ending(*given)
            outputs, side = matrix.shape
            square = _square(builder, pointer(builder, transformed), step, side)
            start = masked_load(builder, leading_lanes(builder, bias_columns), pointer(builder, bias))
            origin, beyond = pointer(builder, y), pointer(builder, nowhere)
            places = _places(builder, origin, (rows, columns), outputs, limit, beyond)
            residual = shift(builder, origin, ending.distance)
            residuals = _places(builder, residual, (rows, columns), outputs, limit, beyond)
            for place in (place for row in places for place in row):
                prefetch(builder, place, AHEAD * outputs * VECTOR_BYTES, to_write=True)
            tile = transform(builder, matrix, square)
            for row, targets, sources in zip(tile, places, residuals, strict=True):
                for vector, target, source in zip(row, targets, sources, strict=True):
                    result = end(builder, ending, builder.fadd(vector, start), source, FULL_MASK)
                    store(builder, result, target)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 12), generate

    return intrinsic(write_tile)


def _weight_tile(matrix: Matrix) -> Any:
    """``weight_tile`` for a matrix G [side, 3]."""

    def weight_tile(typing_context, weights, tap, transformed, step):
        """weights [9 taps, LANES] ``tap`` apart -> transformed [side², LANES] ``step`` apart."""

        def generate(context, builder, signature, arguments):
            weights, tap, transformed, step = arguments
            target = pointer(builder, transformed)
            square = _square(builder, pointer(builder, weights), tap, TAPS)
            for vector in (vector for row in transform(builder, matrix, square) for vector in row):
                store(builder, vector, target)
                target = shift(builder, target, step)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 4), generate

    return intrinsic(weight_tile)


def _weight_sum_tile(matrix: Matrix) -> Any:
    """``weight_sum_tile`` for a matrix Gᵀ [3, side]."""

    def weight_sum_tile(typing_context, transformed, step, weights, tap, columns):
        """transformed [side², LANES] ``step`` apart -> weights [9 taps, columns] ``tap`` apart."""

        def generate(context, builder, signature, arguments):
            transformed, step, weights, tap, columns = arguments
            square = _square(builder, pointer(builder, transformed), step, matrix.shape[1])
            mask = leading_lanes(builder, columns)
            target = pointer(builder, weights)
            for vector in (vector for row in transform(builder, matrix, square) for vector in row):
                masked_store(builder, mask, vector, target)
                target = shift(builder, target, tap)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 5), generate

    return intrinsic(weight_sum_tile)


read_input_4 = _read_tile(TRANSFORMS[4].input)
read_input_2 = _read_tile(TRANSFORMS[2].input)
read_gradient_4 = _read_tile(TRANSFORMS[4].output.T)
read_gradient_2 = _read_tile(TRANSFORMS[2].output.T)
write_output_4 = _write_tile(TRANSFORMS[4].output)
write_output_2 = _write_tile(TRANSFORMS[2].output)
weight_tile_4 = _weight_tile(TRANSFORMS[4].weight)
weight_tile_2 = _weight_tile(TRANSFORMS[2].weight)
weight_sum_tile_4 = _weight_sum_tile(TRANSFORMS[4].weight.T)
weight_sum_tile_2 = _weight_sum_tile(TRANSFORMS[2].weight.T)


@intrinsic
def product_tile(typing_context, height, vectors, v, v_block, channels, u, m, m_vector):
    """m = v·u for ``height`` tiles (one of ``TILE_HEIGHTS``) and ``vectors`` vectors of columns.

    v [blocks of channels, tiles, LANES], ``v_block`` from one block to the next; u [channels, vectors, LANES];
    m [vectors, tiles, LANES], ``m_vector`` from one vector to the next.
    """

    def generate(context, builder, signature, arguments):
        height, vectors, v, v_block, channels, u, m, m_vector = arguments
        for rows in TILE_HEIGHTS:
            for width in range(1, PANEL_VECTORS + 1):
                same = builder.and_(
                    builder.icmp_signed("==", height, INT64(rows)), builder.icmp_signed("==", vectors, INT64(width))
                )
                with builder.if_then(same):
                    _multiply(builder, rows, width, v, v_block, channels, u, m, m_vector)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 8), generate


def _multiply(
    builder: ir.IRBuilder,
    rows: int,
    width: int,
    v: ir.Value,
    v_block: ir.Value,
    channels: ir.Value,
    u: ir.Value,
    m: ir.Value,
    m_vector: ir.Value,
) -> None:
    sums = [[cgutils.alloca_once(builder, VECTOR) for _ in range(width)] for _ in range(rows)]
    for total in (total for row in sums for total in row):
        builder.store(ZERO, total)
    blocks = builder.sdiv(builder.add(channels, INT64(LANES - 1)), INT64(LANES))
    with cgutils.for_range(builder, blocks) as block:
        first = builder.mul(block.index, INT64(LANES))
        source = shift(builder, pointer(builder, v), builder.mul(block.index, v_block))
        weights = shift(builder, pointer(builder, u), builder.mul(first, INT64(width * VECTOR_BYTES)))
        left = builder.sub(channels, first)
        lanes = builder.select(builder.icmp_signed("<", left, INT64(LANES)), left, INT64(LANES))

        def add(lane: ir.Value, offset: int, source: ir.Value = source, weights: ir.Value = weights) -> None:
            position = shift(builder, source, builder.mul(lane, INT64(FLOAT_BYTES)))
            row_weights = shift(builder, weights, builder.mul(lane, INT64(width * VECTOR_BYTES)))
            vectors = [(offset * width + vector) * VECTOR_BYTES for vector in range(width)]
            columns = [load(builder, row_weights, vector) for vector in vectors]
            for vector in vectors:
                prefetch(builder, row_weights, vector + WEIGHTS_AHEAD * width * VECTOR_BYTES, level=1)
            for number, row in enumerate(sums):
                value = broadcast(builder, position, number * VECTOR_BYTES + offset * FLOAT_BYTES)
                for column, total in zip(columns, row, strict=True):
                    builder.store(fused_multiply_add(builder, value, column, builder.load(total)), total)

        _for_each(builder, lanes, UNROLLED, add)
    for number, row in enumerate(sums):
        for vector, total in enumerate(row):
            target = shift(builder, pointer(builder, m), builder.mul(m_vector, INT64(vector)))
            store(builder, builder.load(total), target, number * VECTOR_BYTES)


def _for_each(builder: ir.IRBuilder, count: ir.Value, together: int, body: Callable[[ir.Value, int], None]) -> None:
    """``body(first, offset)`` for every number ``first + offset`` below ``count``, ``together`` of them in one turn."""
    whole = builder.sub(count, builder.srem(count, INT64(together)))
    with cgutils.for_range_slice(builder, INT64(0), whole, INT64(together)) as (first, _):
        for offset in range(together):
            body(first, offset)
    with cgutils.for_range_slice(builder, whole, count, INT64(1)) as (last, _):
        body(last, 0)


@intrinsic
def gradient_product(typing_context, vectors, v, d, d_vector, tiles, begins, du):
    """du += v·d for ``GRADIENT_ROWS`` channels and ``vectors`` vectors of columns, summed over tiles.

    v [tiles, LANES]; d [vectors, tiles, LANES], ``d_vector`` from one vector to the next; du [channels, vectors, LANES]
    starts from zero where ``begins``.
    """

    def generate(context, builder, signature, arguments):
        vectors, *others = arguments
        for width in range(1, PANEL_VECTORS + 1):
            with builder.if_then(builder.icmp_signed("==", vectors, INT64(width))):
                _accumulate(builder, width, *others)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), generate


def _accumulate(
    builder: ir.IRBuilder,
    width: int,
    v: ir.Value,
    d: ir.Value,
    d_vector: ir.Value,
    tiles: ir.Value,
    begins: ir.Value,
    du: ir.Value,
) -> None:
    target = pointer(builder, du)
    places = [(row, vector) for row in range(GRADIENT_ROWS) for vector in range(width)]
    sums = {place: cgutils.alloca_once(builder, VECTOR) for place in places}
    for place in places:
        builder.store(ZERO, sums[place])
    with builder.if_then(builder.icmp_signed("==", begins, INT64(0))):
        for row, vector in places:
            builder.store(load(builder, target, (row * width + vector) * VECTOR_BYTES), sums[row, vector])
    columns = [shift(builder, pointer(builder, d), builder.mul(d_vector, INT64(each))) for each in range(width)]

    with cgutils.for_range(builder, tiles) as tile:
        position = builder.mul(tile.index, INT64(VECTOR_BYTES))
        source = shift(builder, pointer(builder, v), position)
        given = [shift(builder, column, position) for column in columns]
        gradients = [load(builder, place) for place in given]
        for place in (*given, source):
            prefetch(builder, place, TILES_AHEAD * VECTOR_BYTES, level=1)
        for row in range(GRADIENT_ROWS):
            value = broadcast(builder, source, row * FLOAT_BYTES)
            for vector, gradient in enumerate(gradients):
                total = sums[row, vector]
                builder.store(fused_multiply_add(builder, value, gradient, builder.load(total)), total)
    for row, vector in places:
        store(builder, builder.load(sums[row, vector]), target, (row * width + vector) * VECTOR_BYTES)
