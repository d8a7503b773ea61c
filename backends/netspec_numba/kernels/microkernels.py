"""The two inner loops of every convolution and dense layer, emitted as LLVM vector code.

Both keep a tile of sums in vector registers and know nothing of windows, strides or padding: index tables say
which numbers meet. Only the size of the tile and the vector width are constants of the code, so that each
micro-kernel is compiled once and serves every shape.

``forward_tile``   y[row, column] = bias[column] + sum over taps, channels: x[row, tap, channel] w[tap, channel, column]
``gradient_tile``  dw[row, column] += sum over pairs: x[pair, row] dy[pair, column]

The rows of a forward tile are positions, those of a gradient tile input channels; the columns of both are
output channels, ``LANES`` to a vector. Each step broadcasts one x per row and multiplies it with the column
vectors, so that the sums of a tile are independent of each other and of every other lane.
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
    INT32,
    INT64,
    VECTOR,
    VECTOR_BYTES,
    Ending,
    broadcast,
    element,
    end,
    fused_multiply_add,
    leading_lanes,
    load,
    load_index,
    load_pair,
    masked_load,
    masked_store,
    pointer,
    prefetch,
    shift,
    store,
)

PANEL_VECTORS = 2
"""Vectors of output channels that a tile computes at once."""

TILE_ROWS = 14 if VECTOR_REGISTERS >= 32 else 6
"""Positions of a forward tile: its sums, one row of weights and one broadcast fill the registers."""

GRADIENT_ROWS = 8 if VECTOR_REGISTERS >= 32 else 4
"""Input channels of a gradient tile: with two vectors, enough sums in flight to hide the latency of adding."""

WEIGHTS_AHEAD = 32
"""Rows of weights ahead of the one at hand that are asked for: with few positions they are what is waited for."""

Sums = list[list[ir.Value]]


class ForwardArguments(NamedTuple):
    """Arguments of ``forward_tile``, all int64; arrays are byte addresses, offsets count floats."""

    vectors: ir.Value
    """``PANEL_VECTORS``, or 1 in a narrow last panel."""
    x: ir.Value
    """Position 0, channel 0 of the input."""
    x_limit: ir.Value
    """Offsets at or past this one (unsigned, so -1 too) are padding and read from ``zeros``."""
    zeros: ir.Value
    """``lanes`` zeros."""
    sources: ir.Value
    """int32 [entries, TILE_ROWS]: offset of the position that a row reads through the entry's tap."""
    taps: ir.Value
    """int32 [entries]: tap of each entry."""
    entries: ir.Value
    first_channel: ir.Value
    end_channel: ir.Value
    lanes: ir.Value
    """Channels in one block of x."""
    x_block: ir.Value
    """Bytes from one channel block of x to the next."""
    weights: ir.Value
    """Rows of columns, in the order in which they are used: block of channels, tap, channel of the block."""
    window_taps: ir.Value
    """Taps that a block has weights for, with or without an entry."""
    weight_row: ir.Value
    """Bytes from one row of weights to the next."""
    bias: ir.Value
    bias_columns: ir.Value
    """Columns with a bias; the others start from zero and ``bias`` is not read there."""
    y: ir.Value
    """Position 0, column 0 of the output."""
    y_limit: ir.Value
    """Rows whose offset is at or past this one (unsigned) are not stored."""
    destinations: ir.Value
    """int32 [TILE_ROWS]: offset of the position that a row is stored to."""
    y_columns: ir.Value
    """Columns that are stored."""
    y_block: ir.Value
    """Bytes from one vector of columns to the next."""
    adds: ir.Value
    """This and the two that follow are an ``Ending``."""
    distance: ir.Value
    limits: ir.Value


class GradientArguments(NamedTuple):
    """Arguments of ``gradient_tile``, all int64; arrays are byte addresses, offsets count floats."""

    rows: ir.Value
    """Rows wanted: of more than ``GRADIENT_ROWS`` the first so many are computed, of fewer an even number."""
    vectors: ir.Value
    """``PANEL_VECTORS``, or 1 in a narrow last panel."""
    x: ir.Value
    """Position 0, first row of the input."""
    dy: ir.Value
    """Position 0, column 0 of the gradient of the output."""
    pairs: ir.Value
    """int32 [count, 2]: offsets of an input position and of the output position that reads it."""
    count: ir.Value
    dy_block: ir.Value
    """Bytes from one vector of columns of dy to the next."""
    dw: ir.Value
    """float32 [rows, vectors*LANES], added to."""
    ahead: ir.Value
    """Bytes ahead of each position at which memory is asked for, or 0."""


@intrinsic
def forward_tile(
    typing_context,
    vectors,
    x,
    x_limit,
    zeros,
    sources,
    taps,
    entries,
    first_channel,
    end_channel,
    lanes,
    x_block,
    weights,
    window_taps,
    weight_row,
    bias,
    bias_columns,
    y,
    y_limit,
    destinations,
    y_columns,
    y_block,
    adds,
    distance,
    limits,
):
    """Compute and store a tile of ``TILE_ROWS`` positions and ``vectors`` vectors; see ``ForwardArguments``."""

    def generate(context, builder, signature, arguments):
        given = ForwardArguments(*arguments)
        with builder.if_else(builder.icmp_signed("==", given.vectors, INT64(PANEL_VECTORS))) as (wide, narrow):
            for branch, width in ((wide, PANEL_VECTORS), (narrow, 1)):
                with branch:
                    _store_live_rows(builder, given, summed(builder, given, width))
        return context.get_dummy_value()

    return types.void(*[types.int64] * len(ForwardArguments._fields)), generate


@intrinsic
def gradient_tile(typing_context, rows, vectors, x, dy, pairs, count, dy_block, dw, ahead):
    """Add to a tile of ``rows`` rows, rounded up to an even number, times ``vectors``; see ``GradientArguments``."""

    def generate(context, builder, signature, arguments):
        given = GradientArguments(*arguments)
        for height in range(GRADIENT_ROWS, 0, -2):
            wanted = builder.icmp_signed(">", given.rows, INT64(height - 2))
            if height < GRADIENT_ROWS:
                wanted = builder.and_(wanted, builder.icmp_signed("<=", given.rows, INT64(height)))
            for width in (PANEL_VECTORS, 1):
                same_width = builder.icmp_signed("==", given.vectors, INT64(width))
                with builder.if_then(builder.and_(wanted, same_width)):
                    _accumulate_pairs(builder, given, height, width)
        return context.get_dummy_value()

    return types.void(*[types.int64] * len(GradientArguments._fields)), generate


def summed(builder: ir.IRBuilder, given: ForwardArguments, vectors: int) -> Sums:
    """Stack slots with the sums of a forward tile, [row][vector]."""
    sums = _allocate_sums(builder, TILE_ROWS, vectors)
    _start_from_bias(builder, given, sums)
    _prefetch_destinations(builder, given, sums)
    _accumulate_window(builder, given, sums)
    return sums


def _allocate_sums(builder: ir.IRBuilder, rows: int, vectors: int) -> Sums:
    """Stack slots for the sums; LLVM turns them into registers since their addresses go nowhere."""
    return [[cgutils.alloca_once(builder, VECTOR) for _ in range(vectors)] for _ in range(rows)]


def _start_from_bias(builder: ir.IRBuilder, given: ForwardArguments, sums: Sums) -> None:
    bias = pointer(builder, given.bias)
    for vector in range(len(sums[0])):
        mask = leading_lanes(builder, given.bias_columns, skipped=vector * LANES)
        start = masked_load(builder, mask, bias, vector * VECTOR_BYTES)
        for row in sums:
            builder.store(start, row[vector])


def _accumulate_window(builder: ir.IRBuilder, given: ForwardArguments, sums: Sums) -> None:
    """Add x*w over channel blocks, taps and the channels of a block, in this order.

    The blocks are outermost, since then the taps of a window find the same few cache lines of x.
    """
    first_block = builder.sdiv(given.first_channel, given.lanes)
    end_block = builder.add(builder.sdiv(builder.sub(given.end_channel, INT64(1)), given.lanes), INT64(1))
    with cgutils.for_range(builder, end_block, start=first_block) as block:
        block_start = builder.mul(block.index, given.lanes)
        first_lane = _maximum(builder, builder.sub(given.first_channel, block_start), INT64(0))
        end_lane = _minimum(builder, builder.sub(given.end_channel, block_start), given.lanes)
        x = shift(builder, pointer(builder, given.x), builder.mul(block.index, given.x_block))
        channels = builder.sub(end_lane, first_lane)
        done = builder.sub(builder.add(block_start, first_lane), given.first_channel)
        first_row = builder.sub(builder.mul(done, given.window_taps), first_lane)
        with cgutils.for_range(builder, given.entries) as entry:
            tap = load_index(builder, element(builder, pointer(builder, given.taps), entry.index), 0)
            row = builder.add(first_row, builder.mul(builder.sext(tap, INT64), channels))
            tap_weights = shift(builder, pointer(builder, given.weights), builder.mul(row, given.weight_row))
            positions = _positions_of_rows(builder, given, x, entry.index, len(sums))
            _prefetch_next_tile(builder, given, positions)
            _accumulate_channels(builder, given, sums, positions, tap_weights, first_lane, end_lane)


def _positions_of_rows(
    builder: ir.IRBuilder, given: ForwardArguments, x: ir.Value, entry: ir.Value, rows: int
) -> list[ir.Value]:
    """For each row, the pointer to the position it reads through the entry's tap, or to zeros."""
    sources = pointer(builder, given.sources)
    sources = shift(builder, sources, builder.mul(entry, INT64(4 * rows)))
    limit = builder.trunc(given.x_limit, INT32)
    zeros = pointer(builder, given.zeros)
    positions = []
    for row in range(rows):
        offset = load_index(builder, sources, 4 * row)
        inside = builder.icmp_unsigned("<", offset, limit)
        positions.append(builder.select(inside, element(builder, x, offset), zeros))
    return positions


def _prefetch_next_tile(builder: ir.IRBuilder, given: ForwardArguments, positions: list[ir.Value]) -> None:
    """Fetch what the next tile reads of this block, where the window has one tap.

    With more taps every line is read several times and the processor keeps up; with one, it would have to guess where
    the next block of channels begins.
    """
    with builder.if_then(builder.icmp_signed("==", given.window_taps, INT64(1))):
        ahead = builder.mul(given.lanes, INT64(FLOAT_BYTES * len(positions)))
        for position in positions:
            prefetch(builder, position, ahead)


def _prefetch_destinations(builder: ir.IRBuilder, given: ForwardArguments, sums: Sums) -> None:
    """Ask for the lines that the tile is stored to, while it is computed."""
    y, destinations = pointer(builder, given.y), pointer(builder, given.destinations)
    for number, row in enumerate(sums):
        place = element(builder, y, load_index(builder, destinations, 4 * number))
        for vector in range(len(row)):
            prefetch(builder, place, builder.mul(given.y_block, INT64(vector)), to_write=True)


def _accumulate_channels(
    builder: ir.IRBuilder,
    given: ForwardArguments,
    sums: Sums,
    positions: list[ir.Value],
    weights: ir.Value,
    first_lane: ir.Value,
    end_lane: ir.Value,
) -> None:
    """Add x*w over the lanes of one block seen through one tap."""

    with cgutils.for_range(builder, end_lane, start=first_lane) as lane:
        row_weights = shift(builder, weights, builder.mul(lane.index, given.weight_row))
        columns = [load(builder, row_weights, vector * VECTOR_BYTES) for vector in range(len(sums[0]))]
        if len(columns) == PANEL_VECTORS:  # with one vector, loads are what the loop waits for
            later = shift(builder, row_weights, builder.mul(given.weight_row, INT64(WEIGHTS_AHEAD)))
            for vector in range(PANEL_VECTORS):
                prefetch(builder, later, vector * VECTOR_BYTES, level=1)
        for position, row in zip(positions, sums, strict=True):
            value = broadcast(builder, element(builder, position, lane.index))
            for column, total in zip(columns, row, strict=True):
                builder.store(fused_multiply_add(builder, value, column, builder.load(total)), total)


def _store_live_rows(builder: ir.IRBuilder, given: ForwardArguments, sums: Sums) -> None:
    y = pointer(builder, given.y)
    destinations = pointer(builder, given.destinations)
    limit = builder.trunc(given.y_limit, INT32)
    columns = [leading_lanes(builder, given.y_columns, skipped=vector * LANES) for vector in range(len(sums[0]))]
    ending = Ending(given.adds, given.distance, given.limits)
    for number, row in enumerate(sums):
        offset = load_index(builder, destinations, 4 * number)
        live = builder.icmp_unsigned("<", offset, limit)
        place = element(builder, y, offset)
        for vector, total in enumerate(row):
            mask = builder.select(live, columns[vector], EMPTY_MASK)
            block = shift(builder, place, builder.mul(given.y_block, INT64(vector)))
            residual = shift(builder, block, given.distance)
            masked_store(builder, mask, end(builder, ending, builder.load(total), residual, mask), block)


def _accumulate_pairs(builder: ir.IRBuilder, given: GradientArguments, rows: int, vectors: int) -> None:
    """Load the tile of dw, add x*dy over all pairs, store it."""
    x, dy, pairs, dw = (pointer(builder, address) for address in (given.x, given.dy, given.pairs, given.dw))
    sums = _allocate_sums(builder, rows, vectors)
    cells = [
        (sums[row][vector], (row * vectors + vector) * VECTOR_BYTES) for row in range(rows) for vector in range(vectors)
    ]
    for total, offset in cells:
        builder.store(load(builder, dw, offset), total)
    with cgutils.for_range(builder, given.count) as pair:
        # One load brings both offsets: where there is one vector of columns, loads are what the loop waits for.
        offsets = load_pair(builder, shift(builder, pairs, builder.mul(pair.index, INT64(8))))
        x_position, dy_position = element(builder, x, offsets[0]), element(builder, dy, offsets[1])
        blocks = [shift(builder, dy_position, builder.mul(given.dy_block, INT64(vector))) for vector in range(vectors)]
        columns = [load(builder, block) for block in blocks]
        with builder.if_then(builder.icmp_signed("!=", given.ahead, INT64(0))):
            for place in (x_position, *blocks):
                prefetch(builder, place, given.ahead, level=1)
        for number, row in enumerate(sums):
            value = broadcast(builder, x_position, number * FLOAT_BYTES)
            for column, total in zip(columns, row, strict=True):
                builder.store(fused_multiply_add(builder, value, column, builder.load(total)), total)
    for total, offset in cells:
        store(builder, builder.load(total), dw, offset)


def _maximum(builder: ir.IRBuilder, left: ir.Value, right: ir.Value) -> ir.Value:
    return builder.select(builder.icmp_signed(">", left, right), left, right)


def _minimum(builder: ir.IRBuilder, left: ir.Value, right: ir.Value) -> ir.Value:
    return builder.select(builder.icmp_signed("<", left, right), left, right)
