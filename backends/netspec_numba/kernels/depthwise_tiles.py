"""The inner loops of depthwise convolutions, emitted as LLVM vector code: a lane is a channel, so nothing is broadcast.

``depthwise_tile``           y[place] = bias + sum over taps: x[place, tap] w[tap]
``depthwise_gradient_tile``  dw[tap] += sum over places: x[place, tap] dy[place]

All arguments are int64; arrays are byte addresses and steps count bytes.
"""

from __future__ import annotations

from typing import NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from netspec_numba.kernels.depthwise_tables import GROUPED_TAPS, TILE_PLACES
from netspec_numba.kernels.vectors import (
    INT64,
    VECTOR,
    VECTOR_BYTES,
    ZERO,
    Ending,
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

AHEAD = 2
"""Tiles ahead of the one at hand whose lines are asked for, so that they are there when the tile is stored."""

CHAINS = 4
"""Sums per tap of a gradient tile, each of every fourth place."""


class TileArguments(NamedTuple):
    """Arguments of ``depthwise_tile``. Cells are counted along the last axis."""

    places: ir.Value
    """1 to ``TILE_PLACES``."""
    inside: ir.Value
    """Whether every place reads a cell that is there through every tap; else ``zeros`` stand for the others."""
    zeros: ir.Value
    x: ir.Value
    """Cell 0 of the row that is read through the first tap."""
    x_cell: ir.Value
    """Bytes from one cell to the next."""
    cells: ir.Value
    """Cells in a row."""
    cell: ir.Value
    """The cell that the first place reads through the first tap; it may lie before or behind the row."""
    neighbour: ir.Value
    """Cells from what a place reads to what the next reads."""
    weights: ir.Value
    """The first tap's."""
    steps: ir.Value
    """int64 [taps, 3]: from the first tap to each, bytes of x, bytes of the weights, and cells."""
    taps: ir.Value
    bias: ir.Value
    bias_columns: ir.Value
    """Lanes with a bias; the others start from zero and ``bias`` is not read there."""
    y: ir.Value
    y_place: ir.Value
    y_columns: ir.Value
    """Lanes that are stored."""
    adds: ir.Value
    """This and the two that follow are an ``Ending``."""
    distance: ir.Value
    limits: ir.Value


@intrinsic
def depthwise_tile(
    typing_context,
    places,
    inside,
    zeros,
    x,
    x_cell,
    cells,
    cell,
    neighbour,
    weights,
    steps,
    taps,
    bias,
    bias_columns,
    y,
    y_place,
    y_columns,
    adds,
    distance,
    limits,
):
    """Compute and store a tile of ``places`` positions; see ``TileArguments``."""

    def generate(context, builder, signature, arguments):
        given = TileArguments(*arguments)
        whole = builder.icmp_signed("!=", given.inside, INT64(0))
        for places in range(1, TILE_PLACES + 1):
            with (
                builder.if_then(builder.icmp_signed("==", given.places, INT64(places))),
                builder.if_else(whole) as (inside, border),
            ):
                with inside:
                    _compute_places(builder, given, places, inside=True)
                with border:
                    _compute_places(builder, given, places, inside=False)
        return context.get_dummy_value()

    return types.void(*[types.int64] * len(TileArguments._fields)), generate


def _compute_places(builder: ir.IRBuilder, given: TileArguments, places: int, inside: bool) -> None:
    sums = [cgutils.alloca_once(builder, VECTOR) for _ in range(places)]
    bias = masked_load(builder, leading_lanes(builder, given.bias_columns), pointer(builder, given.bias))
    for total in sums:
        builder.store(bias, total)
    zeros, weights, steps = (pointer(builder, address) for address in (given.zeros, given.weights, given.steps))
    cells = [builder.add(given.cell, builder.mul(given.neighbour, INT64(place))) for place in range(places)]
    reads = [shift(builder, pointer(builder, given.x), builder.mul(cell, given.x_cell)) for cell in cells]
    targets = [shift(builder, pointer(builder, given.y), builder.mul(given.y_place, INT64(i))) for i in range(places)]
    ahead = builder.mul(given.y_place, INT64(AHEAD * places))
    for target in targets:
        prefetch(builder, target, ahead, to_write=True)
    with cgutils.for_range(builder, given.taps) as tap:
        step = shift(builder, steps, builder.mul(tap.index, INT64(8 * 3)))
        x_step, weight_step, cell_step = (builder.load(shift(builder, step, 8 * i), typ=INT64) for i in range(3))
        weight = load(builder, shift(builder, weights, weight_step))
        for cell, read, total in zip(cells, reads, sums, strict=True):
            source = shift(builder, read, x_step)
            if not inside:
                there = builder.icmp_unsigned("<", builder.add(cell, cell_step), given.cells)
                source = builder.select(there, source, zeros)
            builder.store(fused_multiply_add(builder, load(builder, source), weight, builder.load(total)), total)
    stored = leading_lanes(builder, given.y_columns)
    ending = Ending(given.adds, given.distance, given.limits)
    for target, total in zip(targets, sums, strict=True):
        residual = shift(builder, target, given.distance)
        masked_store(builder, stored, end(builder, ending, builder.load(total), residual, stored), target)


class GradientArguments(NamedTuple):
    """Arguments of ``depthwise_gradient_tile``."""

    taps: ir.Value
    """1 to ``GROUPED_TAPS``."""
    x: ir.Value
    """The cell that the first place reads through the first tap."""
    x_place: ir.Value
    x_tap: ir.Value
    dy: ir.Value
    dy_place: ir.Value
    dy_term: ir.Value
    """From what x meets of one term to the next term's, where it meets several."""
    places: ir.Value
    dw: ir.Value
    """Vectors [taps, terms], added to: the terms of a tap are neighbours."""
    dw_tap: ir.Value


@intrinsic
def depthwise_gradient_tile(typing_context, taps, x, x_place, x_tap, dy, dy_place, dy_term, places, dw, dw_tap):
    """Add to the weights' gradients of ``taps`` neighbouring taps; see ``GradientArguments``."""

    def generate(context, builder, signature, arguments):
        given = GradientArguments(*arguments)
        for taps in range(1, GROUPED_TAPS + 1):
            with builder.if_then(builder.icmp_signed("==", given.taps, INT64(taps))):
                accumulate_places(builder, given, taps, 1)
        return context.get_dummy_value()

    return types.void(*[types.int64] * len(GradientArguments._fields)), generate


def accumulate_places(builder: ir.IRBuilder, given: GradientArguments, taps: int, terms: int) -> None:
    """Every so many places one goes into the same sum; these are added up at the end, the rest after them.

    With more terms there are fewer sums of each: so many as are in flight at once hide the latency of adding.
    """
    count = CHAINS // terms
    chains = [[[cgutils.alloca_once(builder, VECTOR) for _ in range(count)] for _ in range(terms)] for _ in range(taps)]
    for chain in (total for row in chains for sums in row for total in sums):
        builder.store(ZERO, chain)
    cells = [shift(builder, pointer(builder, given.x), builder.mul(given.x_tap, INT64(tap))) for tap in range(taps)]
    met = [shift(builder, pointer(builder, given.dy), builder.mul(given.dy_term, INT64(i))) for i in range(terms)]

    def add(place: ir.Value, chain: int) -> None:
        away = builder.mul(place, given.dy_place)
        gradients = [load(builder, shift(builder, each, away)) for each in met]
        step = builder.mul(place, given.x_place)
        for cell, row in zip(cells, chains, strict=True):
            value = load(builder, shift(builder, cell, step))
            for gradient, totals in zip(gradients, row, strict=True):
                total = totals[chain]
                builder.store(fused_multiply_add(builder, value, gradient, builder.load(total)), total)

    whole = builder.sub(given.places, builder.srem(given.places, INT64(count)))
    with cgutils.for_range_slice(builder, INT64(0), whole, INT64(count)) as (first, _):
        for chain in range(count):
            add(builder.add(first, INT64(chain)), chain)
    with cgutils.for_range_slice(builder, whole, given.places, INT64(1)) as (place, _):
        add(place, 0)
    for tap, row in enumerate(chains):
        sums = shift(builder, pointer(builder, given.dw), builder.mul(given.dw_tap, INT64(tap)))
        for term, totals in enumerate(row):
            old = load(builder, sums, term * VECTOR_BYTES)
            store(builder, builder.fadd(old, _joined(builder, totals)), sums, term * VECTOR_BYTES)


def _joined(builder: ir.IRBuilder, totals: list[ir.Value]) -> ir.Value:
    """The sum of sums, two and two."""
    sums = [builder.load(total) for total in totals]
    while len(sums) > 1:
        sums = [builder.fadd(left, right) for left, right in zip(sums[::2], sums[1::2], strict=True)]
    return sums[0]
