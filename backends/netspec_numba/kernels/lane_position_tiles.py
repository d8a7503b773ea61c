"""The inner loop of convolutions of one channel with few results per position, emitted as LLVM vector code.

``lane_position_tile``  y[position, column] = bias[column] + sum over taps: x[position + tap] w[tap, column]
``pooled_position_tile``  the same, and of each window of 2x2 the maximum

The lanes are neighbouring positions along the last axis, whose numbers lie side by side in an image of one channel;
each weight meets all of them. What was summed is turned at the end, so that the lanes are columns, as they are stored.
Of what is pooled, a quarter is turned and stored.
"""

from __future__ import annotations

from typing import NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from netspec_numba.host import LANES, VECTOR_REGISTERS
from netspec_numba.kernels.vectors import (
    EMPTY_MASK,
    FLOAT_BYTES,
    INT64,
    VECTOR,
    ZERO,
    Ending,
    broadcast,
    element,
    end,
    fused_multiply_add,
    larger,
    leading_lanes,
    load,
    masked_load,
    masked_store,
    pointer,
    select_lanes,
    shift,
    transposed,
)

MOST_COLUMNS = LANES // 2
"""Columns of the widest tile: with as many as there are lanes, channels are better kept in lanes."""

SPANS = max(1, (24 if VECTOR_REGISTERS >= 32 else 10) // MOST_COLUMNS)
"""Vectors of positions of a tile: their sums fill the registers."""

POOLED_SPANS = 2
"""Vectors of positions of a pooled tile, one below the other."""

SOURCE, PLACE, POSITIONS = range(3)
"""Columns of a table of spans: where x is read through a tap at distance 0, where y is stored (offsets in floats), and
how many positions there are, up to ``LANES``."""


class PositionArguments(NamedTuple):
    """Arguments of ``lane_position_tile``, all int64; arrays are byte addresses."""

    columns: ir.Value
    """1 to ``MOST_COLUMNS``."""
    x: ir.Value
    """An image with all its padding, and ``LANES`` readable numbers behind it."""
    spans: ir.Value
    """int64 [SPANS, 3], or [POOLED_SPANS, 3]: there the first says where and how many windows are stored."""
    distances: ir.Value
    """int64 [taps]: floats from what is read at distance 0."""
    taps: ir.Value
    weights: ir.Value
    """float32 [taps, columns]"""
    bias: ir.Value
    bias_columns: ir.Value
    """Columns with a bias; the others start from zero and ``bias`` is not read there."""
    y: ir.Value
    """Position 0, column 0 of the output."""
    y_position: ir.Value
    """Bytes from one position to the next."""
    y_columns: ir.Value
    """Columns that are stored."""
    adds: ir.Value
    """This and the two that follow are an ``Ending``."""
    distance: ir.Value
    limits: ir.Value


@intrinsic
def lane_position_tile(
    typing_context,
    columns,
    x,
    spans,
    distances,
    taps,
    weights,
    bias,
    bias_columns,
    y,
    y_position,
    y_columns,
    adds,
    distance,
    limits,
):
    """Compute and store ``SPANS`` vectors of positions and ``columns`` results of each; see ``PositionArguments``."""

    def generate(context, builder, signature, arguments):
        given = PositionArguments(*arguments)
        _store(builder, given, _sums(builder, given, SPANS))
        return context.get_dummy_value()

    return types.void(*[types.int64] * len(PositionArguments._fields)), generate


@intrinsic
def pooled_position_tile(
    typing_context,
    columns,
    x,
    spans,
    distances,
    taps,
    weights,
    bias,
    bias_columns,
    y,
    y_position,
    y_columns,
    adds,
    distance,
    limits,
):
    """Compute two vectors of positions, one below the other, and store the maxima of windows of 2x2.

    See ``PositionArguments``; no residual is added.
    """

    def generate(context, builder, signature, arguments):
        given = PositionArguments(*arguments)
        _store_maxima(builder, given, _sums(builder, given, POOLED_SPANS))
        return context.get_dummy_value()

    return types.void(*[types.int64] * len(PositionArguments._fields)), generate


def _sums(builder: ir.IRBuilder, given: PositionArguments, spans: int) -> list[list[ir.Value]]:
    """Stack slots with the sums of a tile, [span][column]; LLVM turns them into registers."""
    sums = [[cgutils.alloca_once(builder, VECTOR) for _ in range(MOST_COLUMNS)] for _ in range(spans)]
    for total in (total for row in sums for total in row):
        builder.store(ZERO, total)
    for columns in range(1, MOST_COLUMNS + 1):
        with builder.if_then(builder.icmp_signed("==", given.columns, INT64(columns))):
            _accumulate(builder, given, [row[:columns] for row in sums])
    return sums


def _span(builder: ir.IRBuilder, given: PositionArguments, number: int, column: int) -> ir.Value:
    place = shift(builder, pointer(builder, given.spans), 8 * (3 * number + column))
    return builder.load(place, typ=INT64)


def _accumulate(builder: ir.IRBuilder, given: PositionArguments, sums: list[list[ir.Value]]) -> None:
    columns = len(sums[0])
    x = pointer(builder, given.x)
    sources = [element(builder, x, _span(builder, given, number, SOURCE)) for number in range(len(sums))]
    with cgutils.for_range(builder, given.taps) as tap:
        step = shift(builder, pointer(builder, given.distances), builder.mul(tap.index, INT64(8)))
        distance = builder.load(step, typ=INT64)
        positions = [load(builder, element(builder, source, distance)) for source in sources]
        weights = builder.mul(tap.index, INT64(FLOAT_BYTES * columns))
        weights = shift(builder, pointer(builder, given.weights), weights)
        for column in range(columns):
            weight = broadcast(builder, weights, FLOAT_BYTES * column)
            for position, totals in zip(positions, sums, strict=True):
                total = totals[column]
                builder.store(fused_multiply_add(builder, position, weight, builder.load(total)), total)


def _store(builder: ir.IRBuilder, given: PositionArguments, sums: list[list[ir.Value]]) -> None:
    bias = masked_load(builder, leading_lanes(builder, given.bias_columns), pointer(builder, given.bias))
    stored = leading_lanes(builder, given.y_columns)
    ending = Ending(given.adds, given.distance, given.limits)
    for number, row in enumerate(sums):
        live = _span(builder, given, number, POSITIONS)
        place = element(builder, pointer(builder, given.y), _span(builder, given, number, PLACE))
        rows = transposed(builder, [builder.load(total) for total in row] + [ZERO] * (LANES - len(row)))
        for position, results in enumerate(rows):
            mask = builder.select(builder.icmp_signed("<", INT64(position), live), stored, EMPTY_MASK)
            target = shift(builder, place, builder.mul(given.y_position, INT64(position)))
            results = builder.fadd(results, bias)
            results = end(builder, ending, results, shift(builder, target, given.distance), mask)
            masked_store(builder, mask, results, target)


def _store_maxima(builder: ir.IRBuilder, given: PositionArguments, sums: list[list[ir.Value]]) -> None:
    """Of the sums of two spans, one below the other, the maxima of windows: in every other lane, then turned."""
    neighbours = [lane ^ 1 for lane in range(LANES)]
    bias = masked_load(builder, leading_lanes(builder, given.bias_columns), pointer(builder, given.bias))
    maxima = []
    for number, (upper, lower) in enumerate(zip(*sums, strict=True)):
        added = select_lanes(builder, bias, bias, [number] * LANES)
        above, below = (builder.fadd(builder.load(total), added) for total in (upper, lower))
        higher = larger(builder, above, below)
        maxima.append(larger(builder, higher, select_lanes(builder, higher, higher, neighbours)))
    stored = leading_lanes(builder, given.y_columns)
    windows = _span(builder, given, 0, POSITIONS)
    place = element(builder, pointer(builder, given.y), _span(builder, given, 0, PLACE))
    ending = Ending(given.adds, given.distance, given.limits)
    rows = transposed(builder, maxima + [ZERO] * (LANES - len(maxima)))
    for window, results in enumerate(rows[::2]):
        mask = builder.select(builder.icmp_signed("<", INT64(window), windows), stored, EMPTY_MASK)
        target = shift(builder, place, builder.mul(given.y_position, INT64(window)))
        masked_store(builder, mask, end(builder, ending, results, target, EMPTY_MASK), target)
