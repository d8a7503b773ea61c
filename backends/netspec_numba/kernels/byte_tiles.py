"""The inner loop of convolutions and dense layers of bytes, emitted as LLVM vector code.

``byte_tile``   sums[row, column] = bias[column] + sum over taps, channels: x[row, tap, channel] w[tap, channel, column]
                y[row, column] = round(factor[column] * sums + residual) + zero, clipped, as a byte; or factor * sums

A vector holds one int32 sum for each of ``LANES`` output channels, and four weights for each: one instruction of VNNI
(``vpdpbusd``) multiplies four neighbouring bytes of x, the same in all lanes, with them and adds the products to the
sums. Without VNNI products are widened to 32 bits and added, which gives the same integers. The tile is that of
:mod:`microkernels`, and so are the index tables, whose offsets here count bytes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from netspec_numba.host import DOT_PRODUCT, LANES
from netspec_numba.kernels.microkernels import PANEL_VECTORS, TILE_ROWS, Sums
from netspec_numba.kernels.vectors import (
    EMPTY_MASK,
    FLOAT_BYTES,
    INDICES,
    INT8,
    INT32,
    INT64,
    MASK,
    POINTER,
    VECTOR,
    VECTOR_BYTES,
    broadcast,
    constant,
    declare,
    leading_lanes,
    load_index,
    masked_load,
    masked_store,
    pointer,
    shift,
    spread,
)

GROUP = 4
"""Channels whose products one instruction adds."""
DEPTHS = {1: (4, 1), PANEL_VECTORS: (1,)}
"""By the vectors of a tile, how many groups are added at once, as many times as they fit: weights of several wait in
registers where sums leave room."""
BYTES = ir.VectorType(INT8, LANES)
PAIRS = ir.VectorType(ir.IntType(16), 2 * LANES)
PRODUCTS = ir.VectorType(INT32, 2 * LANES)

ROUNDER = 1.5 * 2**23
"""Added to a float32 below 2**22 in size it leaves the nearest whole number, the even one of two, in the low bits."""
ROUNDER_BITS = 0x4B400000


class ByteArguments(NamedTuple):
    """Arguments of ``byte_tile``, all int64; arrays are byte addresses, offsets count bytes."""

    vectors: ir.Value
    """``PANEL_VECTORS``, or 1 in a narrow last panel."""
    rows: ir.Value
    """1 where no row but the first is live, as in a dense layer of one sample; else ``TILE_ROWS``."""
    x: ir.Value
    x_limit: ir.Value
    """Offsets at or past this one (unsigned, so -1 too) are padding and read from ``zeros``."""
    zeros: ir.Value
    """As many bytes that stand for 0 as a tap reads."""
    sources: ir.Value
    """int32 [entries, TILE_ROWS]: offset of the position that a row reads through the entry's tap."""
    taps: ir.Value
    """int32 [entries]: tap of each entry."""
    entries: ir.Value
    groups: ir.Value
    """Groups of four channels that a tap reads; what lies behind the last channel meets weights of zero. 0 where every
    column reads its own channel, the first of which is at ``x``."""
    weights: ir.Value
    """int8 [taps, groups, vectors, LANES, 4]; with no groups [taps, vectors, LANES, 4], the first of four the weight,
    the others 0."""
    columns: ir.Value
    """Columns there are; those behind them are not stored, and ``bias`` and ``factor`` are not read there."""
    bias: ir.Value
    """int32, one for each column."""
    factor: ir.Value
    """float32, one for each column."""
    y: ir.Value
    y_limit: ir.Value
    """Rows whose offset is at or past this one (unsigned) are not stored."""
    destinations: ir.Value
    """int32 [TILE_ROWS]: element of y that a row is stored to."""
    distance: ir.Value
    """Bytes from where a byte is stored to its residual, which is laid out alike; 0 where there is none."""
    ending: ir.Value
    """float32 [5]: lowest and highest number before the zero is added, zero, zero and scale of the residual. Where the
    highest is not above the lowest, y is float32."""


@intrinsic
def byte_tile(
    typing_context,
    vectors,
    rows,
    x,
    x_limit,
    zeros,
    sources,
    taps,
    entries,
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
    """Compute and store a tile of ``TILE_ROWS`` positions and ``vectors`` vectors; see ``ByteArguments``."""

    def generate(context, builder, signature, arguments):
        given = ByteArguments(*arguments)
        wide = builder.icmp_signed("==", given.vectors, INT64(PANEL_VECTORS))
        lone = builder.icmp_signed("==", given.rows, INT64(1))
        for is_lone, count in ((lone, 1), (builder.not_(lone), TILE_ROWS)):
            for is_wide, width in ((wide, PANEL_VECTORS), (builder.not_(wide), 1)):
                with builder.if_then(builder.and_(is_lone, is_wide)):
                    _compute(builder, given, [[_sum(builder) for _ in range(width)] for _ in range(count)])
        return context.get_dummy_value()

    return types.void(*[types.int64] * len(ByteArguments._fields)), generate


def _sum(builder: ir.IRBuilder) -> ir.Value:
    return cgutils.alloca_once(builder, INDICES)


def _compute(builder: ir.IRBuilder, given: ByteArguments, sums: Sums) -> None:
    start_from_bias(builder, given, sums)
    alone = builder.icmp_signed("==", given.groups, INT64(0))
    with builder.if_else(alone) as (apart, together):
        with apart:
            _accumulate_apart(builder, given, sums)
        with together:
            _accumulate(builder, given, sums)
    store_rows(builder, given, sums)


def add_products(builder: ir.IRBuilder, total: ir.Value, x: ir.Value, weights: ir.Value) -> ir.Value:
    """Lanes ``total`` plus the four products of bytes of ``x``, unsigned, and ``weights``, signed, in each lane."""
    if DOT_PRODUCT == "vnni":
        name = f"llvm.x86.avx512.vpdpbusd.{32 * LANES}"
        return builder.call(declare(builder, name, ir.FunctionType(INDICES, [INDICES] * 3)), [total, x, weights])
    eight = ir.Constant(PAIRS, [8] * 2 * LANES)
    x, weights = builder.bitcast(x, PAIRS), builder.bitcast(weights, PAIRS)
    low = ir.Constant(PAIRS, [255] * 2 * LANES)
    for of_x, of_weights in (
        (builder.and_(x, low), builder.ashr(builder.shl(weights, eight), eight)),
        (builder.lshr(x, eight), builder.ashr(weights, eight)),
    ):
        products = builder.mul(builder.zext(of_x, PRODUCTS), builder.sext(of_weights, PRODUCTS))
        for first in (0, 1):  # of the two bytes of x and of the weights that this half of a lane has
            lanes = ir.Constant(INDICES, list(range(first, 2 * LANES, 2)))
            total = builder.add(total, builder.shuffle_vector(products, products, lanes))
    return total


def start_from_bias(builder: ir.IRBuilder, given: Any, sums: Sums) -> None:
    """Let all sums of a column begin with its bias; ``given`` has what ``ByteArguments`` has of columns."""
    for vector in range(len(sums[0])):
        mask = leading_lanes(builder, given.columns, skipped=vector * LANES)
        start = masked_load(builder, mask, pointer(builder, given.bias), vector * VECTOR_BYTES)
        for row in sums:
            builder.store(builder.bitcast(start, INDICES), row[vector])


def _accumulate(builder: ir.IRBuilder, given: ByteArguments, sums: Sums) -> None:
    """Add x*w over taps and groups of channels."""
    width = len(sums[0])
    with cgutils.for_range(builder, given.entries) as entry:
        positions = _positions(builder, given, entry.index, len(sums))
        weights = _weights(builder, given, entry.index, builder.mul(given.groups, INT64(width * VECTOR_BYTES)))
        done = INT64(0)
        for depth in DEPTHS[width]:
            turns = builder.sdiv(builder.sub(given.groups, done), INT64(depth))
            with cgutils.for_range(builder, turns) as turn:
                group = builder.add(done, builder.mul(turn.index, INT64(depth)))
                _add_groups(builder, depth, group, weights, positions, sums)
            done = builder.add(done, builder.mul(turns, INT64(depth)))


def _accumulate_apart(builder: ir.IRBuilder, given: ByteArguments, sums: Sums) -> None:
    """Add x*w over taps, column by column: a byte of x is the first of four that its lane multiplies."""
    width = len(sums[0])
    with cgutils.for_range(builder, given.entries) as entry:
        positions = _positions(builder, given, entry.index, len(sums))
        weights = _weights(builder, given, entry.index, INT64(width * VECTOR_BYTES))
        columns = _vectors_at(builder, weights, width)
        for position, row in zip(positions, sums, strict=True):
            for vector, (column, total) in enumerate(zip(columns, row, strict=True)):
                bytes_ = builder.load(shift(builder, position, vector * LANES), typ=BYTES, align=1)
                value = builder.zext(bytes_, INDICES)
                builder.store(add_products(builder, builder.load(total), value, column), total)


def _weights(builder: ir.IRBuilder, given: ByteArguments, entry: ir.Value, tap_bytes: ir.Value) -> ir.Value:
    """Where the weights of an entry's tap begin."""
    place = shift(builder, pointer(builder, given.taps), builder.mul(entry, INT64(4)))
    tap = builder.sext(load_index(builder, place, 0), INT64)
    return shift(builder, pointer(builder, given.weights), builder.mul(tap, tap_bytes))


def _vectors_at(builder: ir.IRBuilder, base: ir.Value, count: int) -> list[ir.Value]:
    return [builder.load(shift(builder, base, place * VECTOR_BYTES), typ=INDICES, align=1) for place in range(count)]


def _add_groups(
    builder: ir.IRBuilder, depth: int, group: ir.Value, weights: ir.Value, positions: list[ir.Value], sums: Sums
) -> None:
    """Add the products of ``depth`` groups of channels from ``group`` on, row by row: an address serves them all."""
    width = len(sums[0])
    base = shift(builder, weights, builder.mul(group, INT64(width * VECTOR_BYTES)))
    columns = _vectors_at(builder, base, depth * width)
    offset = builder.mul(group, INT64(GROUP))
    for position, row in zip(positions, sums, strict=True):
        start = shift(builder, position, offset)
        for step in range(depth):
            four = builder.load(shift(builder, start, step * GROUP), typ=INT32, align=1)
            value = spread(builder, four, INDICES)
            for column, total in zip(columns[step * width :], row, strict=False):
                builder.store(add_products(builder, builder.load(total), value, column), total)


def _positions(builder: ir.IRBuilder, given: ByteArguments, entry: ir.Value, rows: int) -> list[ir.Value]:
    """For each row, the pointer to the position it reads through the entry's tap, or to zeros."""
    sources = shift(builder, pointer(builder, given.sources), builder.mul(entry, INT64(4 * TILE_ROWS)))
    limit, zeros = builder.trunc(given.x_limit, INT32), pointer(builder, given.zeros)
    x = pointer(builder, given.x)
    found = []
    for row in range(rows):
        offset = load_index(builder, sources, 4 * row)
        inside = builder.icmp_unsigned("<", offset, limit)
        found.append(builder.select(inside, shift(builder, x, builder.sext(offset, INT64)), zeros))
    return found


def store_rows(builder: ir.IRBuilder, given: Any, sums: Sums) -> None:
    """Finish and store the sums; ``given`` has what ``ByteArguments`` has of columns and of y."""
    ending = pointer(builder, given.ending)
    low, high = (broadcast(builder, ending, FLOAT_BYTES * place) for place in range(2))
    as_bytes = builder.fcmp_ordered(
        ">", builder.extract_element(high, INT32(0)), builder.extract_element(low, INT32(0))
    )
    masks = [leading_lanes(builder, given.columns, skipped=vector * LANES) for vector in range(len(sums[0]))]
    factors = [
        masked_load(builder, mask, pointer(builder, given.factor), vector * VECTOR_BYTES)
        for vector, mask in enumerate(masks)
    ]
    limit, y = builder.trunc(given.y_limit, INT32), pointer(builder, given.y)
    with builder.if_else(as_bytes) as (bytes, floats):
        for branch, size in ((bytes, 1), (floats, FLOAT_BYTES)):
            with branch:
                for number, row in enumerate(sums):
                    offset = load_index(builder, pointer(builder, given.destinations), 4 * number)
                    live = builder.icmp_unsigned("<", offset, limit)
                    place = shift(builder, y, builder.mul(builder.sext(offset, INT64), INT64(size)))
                    for vector, total in enumerate(row):
                        mask = builder.select(live, masks[vector], EMPTY_MASK)
                        value = builder.fmul(builder.sitofp(builder.load(total), VECTOR), factors[vector])
                        target = shift(builder, place, vector * LANES * size)
                        if size == 1:
                            value = _add_residual(builder, given, value, target, mask)
                            masked_store_bytes(builder, mask, _rounded(builder, ending, low, high, value), target)
                        else:
                            masked_store(builder, mask, value, target)


def _add_residual(builder: ir.IRBuilder, given: Any, value: ir.Value, target: ir.Value, mask: ir.Value) -> ir.Value:
    """``value`` plus the residual in units of the output's scale; its bytes are read only where there is one."""
    adds = builder.icmp_signed("!=", given.distance, INT64(0))
    result = cgutils.alloca_once_value(builder, value)
    with builder.if_then(adds):
        residual = masked_load_bytes(builder, mask, shift(builder, target, given.distance))
        zero, scale = (broadcast(builder, pointer(builder, given.ending), FLOAT_BYTES * place) for place in (3, 4))
        real = builder.fsub(builder.uitofp(residual, VECTOR), zero)  # both are whole and small, the difference is exact
        builder.store(builder.fadd(value, builder.fmul(real, scale)), result)
    return builder.load(result)


def _rounded(builder: ir.IRBuilder, ending: ir.Value, low: ir.Value, high: ir.Value, value: ir.Value) -> ir.Value:
    """Floats clipped, rounded to the nearest whole number, and the zero added: int32 lanes that fit a byte."""
    value = builder.select(builder.fcmp_ordered(">", value, low), value, low)
    value = builder.select(builder.fcmp_ordered(">", value, high), high, value)
    bits = builder.bitcast(builder.fadd(value, constant(ROUNDER)), INDICES)
    zero = builder.fptosi(broadcast(builder, ending, FLOAT_BYTES * 2), INDICES)
    return builder.add(builder.sub(bits, ir.Constant(INDICES, [ROUNDER_BITS] * LANES)), zero)


def masked_load_bytes(builder: ir.IRBuilder, mask: ir.Value, base: ir.Value) -> ir.Value:
    """The bytes at ``base``, with zero in the lanes outside ``mask``, which are not read."""
    signature = ir.FunctionType(BYTES, [POINTER, INT32, MASK, BYTES])
    function = declare(builder, f"llvm.masked.load.v{LANES}i8.p0", signature)
    return builder.call(function, [base, INT32(1), mask, ir.Constant(BYTES, [0] * LANES)])


def masked_store_bytes(builder: ir.IRBuilder, mask: ir.Value, numbers: ir.Value, base: ir.Value) -> None:
    """Write the low bytes of the int32 lanes inside ``mask`` to ``base``; the others leave memory untouched."""
    signature = ir.FunctionType(ir.VoidType(), [BYTES, POINTER, INT32, MASK])
    function = declare(builder, f"llvm.masked.store.v{LANES}i8.p0", signature)
    builder.call(function, [builder.trunc(numbers, BYTES), base, INT32(1), mask])
