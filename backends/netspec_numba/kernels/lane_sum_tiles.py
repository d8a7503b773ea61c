"""The inner loop of convolutions with few results per position, emitted as LLVM vector code.

``lane_sum_tile``  y[row, column] = bias[column] + sum over taps, blocks, lanes: x[row, tap, block, lane] w[tap, ...]

Where results are fewer than half the lanes of a vector, the lanes are better spent on what is summed: a vector holds
``LANES`` channels of x, it meets the weights of each column, and the lanes are added up once, at the end.
"""

from __future__ import annotations

from typing import NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from netspec_numba.host import LANES, VECTOR_REGISTERS
from netspec_numba.kernels.vectors import (
    EMPTY_MASK,
    INT32,
    INT64,
    VECTOR,
    VECTOR_BYTES,
    ZERO,
    Ending,
    element,
    end,
    fused_multiply_add,
    leading_lanes,
    load,
    load_index,
    masked_load,
    masked_store,
    pointer,
    select_lanes,
    shift,
)

SUM_ROWS = 4 if VECTOR_REGISTERS >= 32 else 2
"""Positions of a tile."""

MOST_COLUMNS = min(LANES, 6 if VECTOR_REGISTERS >= 32 else 4)
"""Columns of the widest tile: with its rows, one vector of each and one of weights, they fill the registers."""


class SumArguments(NamedTuple):
    """Arguments of ``lane_sum_tile``, all int64; arrays are byte addresses, offsets count floats."""

    columns: ir.Value
    """1 to ``MOST_COLUMNS``."""
    x: ir.Value
    """Position 0 of the first block of channels."""
    x_limit: ir.Value
    """Offsets at or past this one (unsigned, so -1 too) are padding and read from ``zeros``."""
    zeros: ir.Value
    """``LANES`` zeros."""
    sources: ir.Value
    """int32 [entries, SUM_ROWS]: offset of the position that a row reads through the entry's tap."""
    taps: ir.Value
    """int32 [entries]: tap of each entry."""
    entries: ir.Value
    blocks: ir.Value
    x_block: ir.Value
    """Bytes from one block of channels to the next."""
    weights: ir.Value
    """float32 [blocks, taps, columns, LANES]"""
    window_taps: ir.Value
    """Taps that a block has weights for, with or without an entry."""
    bias: ir.Value
    bias_columns: ir.Value
    """Columns with a bias; the others start from zero and ``bias`` is not read there."""
    y: ir.Value
    """Position 0, column 0 of the output."""
    y_limit: ir.Value
    """Rows whose offset is at or past this one (unsigned) are not stored."""
    destinations: ir.Value
    """int32 [SUM_ROWS]: offset of the position that a row is stored to."""
    stored: ir.Value
    """Lanes that are stored; those past the columns become zeros before the ending."""
    adds: ir.Value
    """This and the two that follow are an ``Ending``."""
    distance: ir.Value
    limits: ir.Value


@intrinsic
def lane_sum_tile(
    typing_context,
    columns,
    x,
    x_limit,
    zeros,
    sources,
    taps,
    entries,
    blocks,
    x_block,
    weights,
    window_taps,
    bias,
    bias_columns,
    y,
    y_limit,
    destinations,
    stored,
    adds,
    distance,
    limits,
):
    """Compute and store a tile of ``SUM_ROWS`` positions and ``columns`` results; see ``SumArguments``."""

    def generate(context, builder, signature, arguments):
        given = SumArguments(*arguments)
        sums = [[cgutils.alloca_once(builder, VECTOR) for _ in range(MOST_COLUMNS)] for _ in range(SUM_ROWS)]
        for total in (total for row in sums for total in row):
            builder.store(ZERO, total)
        for columns in range(1, MOST_COLUMNS + 1):
            with builder.if_then(builder.icmp_signed("==", given.columns, INT64(columns))):
                _accumulate(builder, given, [row[:columns] for row in sums])
        _store_rows(builder, given, sums)
        return context.get_dummy_value()

    return types.void(*[types.int64] * len(SumArguments._fields)), generate


def _accumulate(builder: ir.IRBuilder, given: SumArguments, sums: list[list[ir.Value]]) -> None:
    """Multiply over the entries and the blocks of channels, in this order."""
    columns = len(sums[0])
    weight_block = builder.mul(given.window_taps, INT64(columns * VECTOR_BYTES))
    zeros, limit = pointer(builder, given.zeros), builder.trunc(given.x_limit, INT32)
    with cgutils.for_range(builder, given.entries) as entry:
        tap = load_index(builder, element(builder, pointer(builder, given.taps), entry.index), 0)
        tap_weights = builder.mul(builder.sext(tap, INT64), INT64(columns * VECTOR_BYTES))
        tap_weights = shift(builder, pointer(builder, given.weights), tap_weights)
        offsets = shift(builder, pointer(builder, given.sources), builder.mul(entry.index, INT64(4 * len(sums))))
        sources = [load_index(builder, offsets, 4 * row) for row in range(len(sums))]
        inside = [builder.icmp_unsigned("<", source, limit) for source in sources]
        with cgutils.for_range(builder, given.blocks) as block:
            x = shift(builder, pointer(builder, given.x), builder.mul(block.index, given.x_block))
            weights = shift(builder, tap_weights, builder.mul(block.index, weight_block))
            places = [element(builder, x, source) for source in sources]
            rows = [load(builder, builder.select(i, p, zeros)) for i, p in zip(inside, places, strict=True)]
            for column in range(columns):
                weight = load(builder, weights, column * VECTOR_BYTES)
                for row, totals in zip(rows, sums, strict=True):
                    total = totals[column]
                    builder.store(fused_multiply_add(builder, row, weight, builder.load(total)), total)


def _store_rows(builder: ir.IRBuilder, given: SumArguments, sums: list[list[ir.Value]]) -> None:
    bias = masked_load(builder, leading_lanes(builder, given.bias_columns), pointer(builder, given.bias))
    real = leading_lanes(builder, given.columns)
    stored = leading_lanes(builder, given.stored)
    y, destinations = pointer(builder, given.y), pointer(builder, given.destinations)
    limit = builder.trunc(given.y_limit, INT32)
    ending = Ending(given.adds, given.distance, given.limits)
    for number, row in enumerate(sums):
        offset = load_index(builder, destinations, 4 * number)
        live = builder.icmp_unsigned("<", offset, limit)
        mask = builder.select(live, stored, EMPTY_MASK)
        place = element(builder, y, offset)
        total = _sums_of_lanes(builder, [builder.load(each) for each in row])
        total = builder.select(real, builder.fadd(total, bias), ZERO)
        masked_store(builder, mask, end(builder, ending, total, shift(builder, place, given.distance), mask), place)


def _sums_of_lanes(builder: ir.IRBuilder, vectors: list[ir.Value]) -> ir.Value:
    """The sum of all lanes of the first vector in the first lane, and so on; the other lanes hold anything.

    Two vectors become one with a group of lanes for each, to which both halves of their lanes were added; two of these
    become one with four groups; and so on, until a group is a single lane.
    """
    group = LANES
    while group > 1:
        pairs = [(each, vectors[at + 1] if at + 1 < len(vectors) else each) for at, each in enumerate(vectors)][::2]
        half = group // 2
        starts = range(0, 2 * LANES, group)  # of the groups in both vectors, one behind the other
        low = [start + lane for start in starts for lane in range(half)]
        high = [lane + half for lane in low]
        vectors = [
            builder.fadd(select_lanes(builder, *pair, low), select_lanes(builder, *pair, high)) for pair in pairs
        ]
        group = half
    return vectors[0]
