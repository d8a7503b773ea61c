"""The inner loop of pooled convolutions over images without padding, emitted as LLVM vector code.

``strip_tile``  y[place, column] = max over a window of 2x2 of: bias[column] + sum over taps, channels: x w

A strip is two rows of neighbouring positions, from which windows of 2x2 are made while their sums are in registers. Its
positions lie at constant distances from two pointers, so that a tap takes no table of positions: where a cell has few
channels, that is a third of what ``forward_tile`` does. Sums are taken in the same order: bits are the same.
"""

from __future__ import annotations

from typing import NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from netspec_numba.host import LANES, VECTOR_REGISTERS
from netspec_numba.kernels.microkernels import PANEL_VECTORS
from netspec_numba.kernels.vectors import (
    EMPTY_MASK,
    INT64,
    VECTOR,
    VECTOR_BYTES,
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
    shift,
)

MOST_PLACES = 6 if VECTOR_REGISTERS >= 32 else 3
"""Windows of a strip with one vector of columns: the sums of so many times four positions fill the registers."""

NO_RESIDUAL = INT64(0)

SOURCE, PLACE, PLACES = range(3)
"""Columns of a table of strips: where x is read through a tap at distance 0, where y is stored (offsets in floats), and
how many windows there are, up to ``MOST_PLACES`` (half as many with two vectors)."""


class StripArguments(NamedTuple):
    """Arguments of ``strip_tile``, all int64; arrays are byte addresses."""

    vectors: ir.Value
    """``PANEL_VECTORS``, or 1 in a narrow last panel."""
    places: ir.Value
    """Windows of the strip."""
    x: ir.Value
    """The first position of the strip, channel 0."""
    x_row: ir.Value
    """Bytes from one row of the strip to the next."""
    x_block: ir.Value
    """Bytes from one block of channels to the next."""
    channels: ir.Value
    distances: ir.Value
    """int64 [taps]: floats from what is read at distance 0."""
    taps: ir.Value
    weights: ir.Value
    """Rows of ``vectors``, in the order in which they are used: block of channels, tap, channel of the block."""
    bias: ir.Value
    bias_columns: ir.Value
    """Columns with a bias; the others start from zero and ``bias`` is not read there."""
    y: ir.Value
    """The first window, column 0."""
    y_columns: ir.Value
    """Columns that are stored."""
    y_block: ir.Value
    """Bytes from one vector of columns to the next."""
    limits: ir.Value
    """Of an ``Ending``."""


@intrinsic
def strip_tile(
    typing_context,
    vectors,
    places,
    x,
    x_row,
    x_block,
    channels,
    distances,
    taps,
    weights,
    bias,
    bias_columns,
    y,
    y_columns,
    y_block,
    limits,
):
    """Compute and store a strip of ``places`` windows and ``vectors`` vectors; see ``StripArguments``."""

    def generate(context, builder, signature, arguments):
        given = StripArguments(*arguments)
        for width in range(1, PANEL_VECTORS + 1):
            with builder.if_then(builder.icmp_signed("==", given.vectors, INT64(width))):
                for places in range(1, MOST_PLACES // width + 1):
                    with builder.if_then(builder.icmp_signed("==", given.places, INT64(places))):
                        _strip(builder, given, places, width)
        return context.get_dummy_value()

    return types.void(*[types.int64] * len(StripArguments._fields)), generate


def _strip(builder: ir.IRBuilder, given: StripArguments, places: int, width: int) -> None:
    """A strip of a known size: sums[row][position][vector], then the maxima."""
    sums = [[[cgutils.alloca_once(builder, VECTOR) for _ in range(width)] for _ in range(2 * places)] for _ in range(2)]
    bias = pointer(builder, given.bias)
    for vector in range(width):
        mask = leading_lanes(builder, given.bias_columns, skipped=vector * LANES)
        start = masked_load(builder, mask, bias, vector * VECTOR_BYTES)
        for position in (position for row in sums for position in row):
            builder.store(start, position[vector])
    _accumulate(builder, given, sums)
    y = pointer(builder, given.y)
    ending = Ending(NO_RESIDUAL, NO_RESIDUAL, given.limits)
    for vector in range(width):
        mask = leading_lanes(builder, given.y_columns, skipped=vector * LANES)
        block = shift(builder, y, builder.mul(given.y_block, INT64(vector)))
        for place in range(places):
            window = [builder.load(row[2 * place + column][vector]) for row in sums for column in range(2)]
            best = larger(builder, larger(builder, window[0], window[2]), larger(builder, window[1], window[3]))
            target = shift(builder, block, place * VECTOR_BYTES)
            masked_store(builder, mask, end(builder, ending, best, target, EMPTY_MASK), target)


def _accumulate(builder: ir.IRBuilder, given: StripArguments, sums: list[list[list[ir.Value]]]) -> None:
    """Add x*w over channel blocks, taps and the channels of a block, in this order."""
    width = len(sums[0][0])
    weights = cgutils.alloca_once_value(builder, pointer(builder, given.weights))
    blocks = builder.sdiv(builder.add(given.channels, INT64(LANES - 1)), INT64(LANES))
    with cgutils.for_range(builder, blocks) as block:
        left = builder.sub(given.channels, builder.mul(block.index, INT64(LANES)))
        full = builder.icmp_signed(">", left, INT64(LANES))
        live = builder.select(full, INT64(LANES), left)
        start = shift(builder, pointer(builder, given.x), builder.mul(block.index, given.x_block))
        with cgutils.for_range(builder, given.taps) as tap:
            step = shift(builder, pointer(builder, given.distances), builder.mul(tap.index, INT64(8)))
            upper = element(builder, start, builder.load(step, typ=INT64))
            lower = shift(builder, upper, given.x_row)
            with cgutils.for_range(builder, live) as lane:
                row_weights = builder.load(weights)
                columns = [load(builder, row_weights, vector * VECTOR_BYTES) for vector in range(width)]
                builder.store(shift(builder, row_weights, width * VECTOR_BYTES), weights)
                for row, positions in zip((upper, lower), sums, strict=True):
                    channel = element(builder, row, lane.index)
                    for number, position in enumerate(positions):
                        value = broadcast(builder, channel, number * VECTOR_BYTES)
                        for column, total in zip(columns, position, strict=True):
                            builder.store(fused_multiply_add(builder, value, column, builder.load(total)), total)
