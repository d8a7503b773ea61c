"""The inner loops of depthwise convolutions, emitted as LLVM vector code: a lane is a channel, so nothing is broadcast.

``depthwise_tile``           y[place] = bias + sum over taps: x[place, tap] w[tap]
``depthwise_gradient_tile``  dw[tap] += sum over places: x[place, tap] dy[place]

All arguments are int64; arrays are byte addresses and steps count bytes.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from netspec_numba.kernels.depthwise_tables import GROUPED_TAPS, TILE_PLACES
from netspec_numba.kernels.vectors import (
    FLOAT_BYTES,
    INT64,
    VECTOR,
    VECTOR_BYTES,
    ZERO,
    broadcast,
    clip,
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
"""Tiles ahead of the one at hand whose lines are asked for, so that they are there when they are read or stored."""

ROW_TAPS = 3
"""Taps of a window's row that are unrolled, where neighbouring places read neighbouring cells and so share them."""

NEW_ROWS = 2
"""Most rows of cells, and cells from one place to the next, that a tile asks for."""

SHARING = 4
"""Fewest places of a tile that share cells, or are not looked at one by one where all of them read what is there: the
code for smaller tiles would take long to compile, and only results of fewer columns have them."""

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
    row_taps: ir.Value
    """Taps along the last axis; as many neighbours in ``steps`` are a row of the window."""
    tap_cells: ir.Value
    """Cells from what a place reads through a tap of a row to what it reads through the next."""
    new_rows: ir.Value
    """Rows of cells that the row of results before did not read, and that are asked for; 0 to ask for none."""
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
    row_taps,
    tap_cells,
    new_rows,
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
        _ask(builder, given)
        for places in range(1, TILE_PLACES + 1):
            with builder.if_then(builder.icmp_signed("==", given.places, INT64(places))):
                _compute_places(builder, given, places)
        return context.get_dummy_value()

    return types.void(*[types.int64] * len(TileArguments._fields)), generate


def _compute_places(builder: ir.IRBuilder, given: TileArguments, places: int) -> None:
    sums = [cgutils.alloca_once(builder, VECTOR) for _ in range(places)]
    bias = masked_load(builder, leading_lanes(builder, given.bias_columns), pointer(builder, given.bias))
    for total in sums:
        builder.store(bias, total)
    targets = [shift(builder, pointer(builder, given.y), builder.mul(given.y_place, INT64(i))) for i in range(places)]
    ahead = builder.mul(_size(builder, given.y_place), INT64(AHEAD * places))
    for target in targets:
        prefetch(builder, target, ahead, to_write=True)
    if places < SHARING:
        _add_taps(builder, given, sums, inside=False)
    else:
        _add_products(builder, given, sums)
    _finish(builder, given, sums, targets)


def _add_products(builder: ir.IRBuilder, given: TileArguments, sums: list[ir.Value]) -> None:
    """By window rows where places share cells, else by taps; each cell is looked at only where not all are there."""
    whole = builder.icmp_signed("!=", given.inside, INT64(0))
    shares = builder.and_(
        builder.icmp_signed("==", given.row_taps, INT64(ROW_TAPS)),
        builder.icmp_signed("==", given.neighbour, given.tap_cells),
    )
    for add, chosen in ((_add_rows, shares), (_add_taps, builder.not_(shares))):
        for inside, there in ((True, whole), (False, builder.not_(whole))):
            with builder.if_then(builder.and_(chosen, there)):
                add(builder, given, sums, inside)


def _ask(builder: ir.IRBuilder, given: TileArguments) -> None:
    """Prefetch what a later tile reads and no row of results before has read: no loops, which LLVM would unroll."""
    zero, apart = INT64(0), _size(builder, given.neighbour)
    count = builder.mul(given.places, apart)
    turned = builder.icmp_signed("<", given.neighbour, zero)
    low = builder.add(given.cell, builder.select(turned, builder.sub(INT64(1), count), zero))
    cell = builder.add(low, builder.mul(count, INT64(AHEAD)))
    end = shift(builder, pointer(builder, given.steps), builder.mul(given.taps, INT64(8 * 3)))
    step = builder.load(shift(builder, end, -8 * 3), typ=INT64)
    x = builder.add(given.x, builder.select(builder.icmp_signed(">", step, zero), step, zero))
    for row, between in itertools.product(range(NEW_ROWS), repeat=2):
        new = builder.icmp_signed(">", given.new_rows, INT64(row))
        with builder.if_then(builder.and_(new, builder.icmp_signed(">", apart, INT64(between)))):
            first = builder.sub(builder.add(cell, INT64(between)), builder.mul(INT64(row), given.cells))
            line = pointer(builder, builder.add(x, builder.mul(first, given.x_cell)))
            for _ in range(TILE_PLACES):
                prefetch(builder, line)
                line = shift(builder, line, builder.mul(apart, given.x_cell))


def _size(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """The value without its sign."""
    return builder.select(builder.icmp_signed("<", value, INT64(0)), builder.neg(value), value)


def _add_rows(builder: ir.IRBuilder, given: TileArguments, sums: list[ir.Value], inside: bool) -> None:
    """Window row by window row: a cell is read once for all places that it meets in a row, whose taps are unrolled."""
    zeros, weights, steps = (pointer(builder, address) for address in (given.zeros, given.weights, given.steps))
    apart = builder.mul(given.tap_cells, given.x_cell)
    begin = shift(builder, pointer(builder, given.x), builder.mul(given.cell, given.x_cell))
    with cgutils.for_range_slice(builder, INT64(0), given.taps, INT64(ROW_TAPS)) as (tap, _):
        step = shift(builder, steps, builder.mul(tap, INT64(8 * 3)))
        x_step, cell_step = (builder.load(shift(builder, step, 8 * i), typ=INT64) for i in (0, 2))
        weight_steps = [builder.load(shift(builder, step, 8 * (3 * i + 1)), typ=INT64) for i in range(ROW_TAPS)]
        row = [load(builder, shift(builder, weights, weight_step)) for weight_step in weight_steps]
        totals = [builder.load(total) for total in sums]
        read, cell, values = shift(builder, begin, x_step), builder.add(given.cell, cell_step), []
        for _ in range(len(sums) + ROW_TAPS - 1):
            there = builder.icmp_unsigned("<", cell, given.cells)
            values.append(load(builder, read if inside else builder.select(there, read, zeros)))
            read, cell = shift(builder, read, apart), builder.add(cell, given.tap_cells)
        for number, weight in enumerate(row):
            for place, total in enumerate(totals):
                totals[place] = fused_multiply_add(builder, values[place + number], weight, total)
        for total, address in zip(totals, sums, strict=True):
            builder.store(total, address)


def _add_taps(builder: ir.IRBuilder, given: TileArguments, sums: list[ir.Value], inside: bool) -> None:
    """Tap by tap, however they and the places are spaced."""
    zeros, weights, steps = (pointer(builder, address) for address in (given.zeros, given.weights, given.steps))
    cells = [builder.add(given.cell, builder.mul(given.neighbour, INT64(place))) for place in range(len(sums))]
    reads = [shift(builder, pointer(builder, given.x), builder.mul(cell, given.x_cell)) for cell in cells]
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


def _finish(builder: ir.IRBuilder, given: TileArguments, sums: list[ir.Value], targets: list[ir.Value]) -> None:
    """End the sums and store them. Reading a residual that is not there through an empty mask would take time too."""
    stored = leading_lanes(builder, given.y_columns)
    with builder.if_then(builder.icmp_signed("!=", given.adds, INT64(0))):
        for target, total in zip(targets, sums, strict=True):
            residual = masked_load(builder, stored, shift(builder, target, given.distance))
            builder.store(builder.fadd(builder.load(total), residual), total)
    limits = pointer(builder, given.limits)
    low, high = broadcast(builder, limits), broadcast(builder, limits, FLOAT_BYTES)
    for target, total in zip(targets, sums, strict=True):
        masked_store(builder, stored, clip(builder, builder.load(total), low, high), target)


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
