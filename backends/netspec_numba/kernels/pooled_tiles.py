"""The inner loop of pooled convolutions of any geometry, emitted as LLVM vector code.

``pooled_tile``  y[place, column] = max over the rows of a place of: bias[column] + sum over taps, channels: x w

The rows are those of a forward tile, in the order of the windows that they are pooled by: neighbouring rows with one
destination belong to one window. Its maximum is in a register while they pass, and goes on in memory in the next tile.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from netspec_numba.host import LANES
from netspec_numba.kernels.microkernels import PANEL_VECTORS, ForwardArguments, Sums, summed
from netspec_numba.kernels.vectors import (
    EMPTY_MASK,
    INT32,
    INT64,
    Ending,
    element,
    end,
    larger,
    leading_lanes,
    load_index,
    masked_load,
    masked_store,
    pointer,
    shift,
)

NO_RESIDUAL = INT64(0)


@intrinsic
def pooled_tile(
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
    continues,
    limits,
):
    """Compute a tile of ``TILE_ROWS`` positions and ``vectors`` vectors, and store the maxima of its windows.

    See ``ForwardArguments``; no residual is added. ``continues`` is 1 if the first row belongs to the window of the row
    before the tile, else 0.
    """

    def generate(context, builder, signature, arguments):
        *window, continues, limits = arguments
        given = ForwardArguments._make((*window, NO_RESIDUAL, NO_RESIDUAL, limits))
        with builder.if_else(builder.icmp_signed("==", given.vectors, INT64(PANEL_VECTORS))) as (wide, narrow):
            for branch, width in ((wide, PANEL_VECTORS), (narrow, 1)):
                with branch:
                    _store_maxima(builder, given, continues, summed(builder, given, width))
        return context.get_dummy_value()

    return types.void(*[types.int64] * (len(ForwardArguments._fields) - 1)), generate


def _store_maxima(builder: ir.IRBuilder, tile: ForwardArguments, continues: ir.Value, sums: Sums) -> None:
    """Store, at each row, the maximum of its window so far; the last of a window stays."""
    y, destinations = pointer(builder, tile.y), pointer(builder, tile.destinations)
    limit = builder.trunc(tile.y_limit, INT32)
    ending = Ending(tile.adds, tile.distance, tile.limits)
    offsets = [load_index(builder, destinations, 4 * row) for row in range(len(sums))]
    for vector in range(len(sums[0])):
        columns = leading_lanes(builder, tile.y_columns, skipped=vector * LANES)
        block = shift(builder, y, builder.mul(tile.y_block, INT64(vector)))
        goes_on = builder.icmp_signed("!=", continues, INT64(0))
        live = builder.icmp_unsigned("<", offsets[0], limit)
        here = builder.select(builder.and_(goes_on, live), columns, EMPTY_MASK)
        best = masked_load(builder, here, element(builder, block, offsets[0]))
        for number, (row, offset) in enumerate(zip(sums, offsets, strict=True)):
            if number:
                goes_on = builder.icmp_signed("==", offset, offsets[number - 1])
                live = builder.icmp_unsigned("<", offset, limit)
            value = builder.load(row[vector])
            best = larger(builder, builder.select(goes_on, best, value), value)
            place = element(builder, block, offset)
            mask = builder.select(live, columns, EMPTY_MASK)
            masked_store(builder, mask, end(builder, ending, best, place, EMPTY_MASK), place)
