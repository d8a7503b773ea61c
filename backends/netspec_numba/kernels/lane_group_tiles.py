"""The inner loops of convolutions with narrow groups, emitted as LLVM vector code: a lane is a channel of the source.

``group_tile``           sums[place, term] = sum over taps: x[place, tap] w[tap, term]
``arranged_tile``        y[place] = bias + sum over steps: lanes of two vectors at that place
``group_gradient_tile``  dw[tap, term] += sum over places: x[place, tap] dy[term, place]

All arguments are int64; arrays are byte addresses and steps count bytes.
"""

from __future__ import annotations

from typing import NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from netspec_numba.host import LANES, VECTOR_REGISTERS
from netspec_numba.kernels.depthwise_tables import GROUPED_TAPS
from netspec_numba.kernels.depthwise_tiles import AHEAD, GradientArguments, accumulate_places
from netspec_numba.kernels.vectors import (
    EMPTY_MASK,
    INDICES,
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
    select_two,
    shift,
    store,
)

GROUP_PLACES = 6 if VECTOR_REGISTERS >= 32 else 3
"""Most positions of a tile: with four terms its sums, their weights and one x fill the registers."""

HEIGHTS = (GROUP_PLACES, (GROUP_PLACES + 1) // 2)
"""Heights that there is code for; a tile is rounded up to one."""

TERMS = (4, 2, 1)
"""Numbers of terms that there is code for."""


class GroupArguments(NamedTuple):
    """Arguments of ``group_tile``. Cells are counted along the last axis."""

    terms: ir.Value
    """One of ``TERMS``."""
    places: ir.Value
    """1 to ``GROUP_PLACES``; sums of the places behind, up to one of ``HEIGHTS``, are stored too, and mean nothing."""
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
    """The first tap's, of the first term."""
    weight_term: ir.Value
    """Bytes from one term to the next."""
    steps: ir.Value
    """int64 [taps, 3]: from the first tap to each, bytes of x, bytes of the weights, and cells."""
    taps: ir.Value
    sums: ir.Value
    """Vectors, written: the terms of a place are neighbours."""
    sums_place: ir.Value


@intrinsic
def group_tile(
    typing_context,
    terms,
    places,
    inside,
    zeros,
    x,
    x_cell,
    cells,
    cell,
    neighbour,
    weights,
    weight_term,
    steps,
    taps,
    sums,
    sums_place,
):
    """Compute and store the sums of a tile; see ``GroupArguments``."""

    def generate(context, builder, signature, arguments):
        given = GroupArguments(*arguments)
        inside = builder.icmp_signed("!=", given.inside, INT64(0))
        high = builder.icmp_signed(">", given.places, INT64(HEIGHTS[1]))
        for terms in TERMS:
            with (
                builder.if_then(builder.icmp_signed("==", given.terms, INT64(terms))),
                builder.if_else(high) as branches,
            ):
                for height, branch in zip(HEIGHTS, branches, strict=True):
                    with branch:
                        full = builder.icmp_signed("==", given.places, INT64(height))
                        with builder.if_else(builder.and_(inside, full)) as (whole, border):
                            with whole:
                                _sum_terms(builder, given, height, terms, inside=True)
                            with border:
                                _sum_terms(builder, given, height, terms, inside=False)
        return context.get_dummy_value()

    return types.void(*[types.int64] * len(GroupArguments._fields)), generate


def _sum_terms(builder: ir.IRBuilder, given: GroupArguments, places: int, terms: int, inside: bool) -> None:
    sums = [[cgutils.alloca_once(builder, VECTOR) for _ in range(terms)] for _ in range(places)]
    for total in (each for row in sums for each in row):
        builder.store(ZERO, total)
    zeros, weights, steps = (pointer(builder, address) for address in (given.zeros, given.weights, given.steps))
    cells = [builder.add(given.cell, builder.mul(given.neighbour, INT64(place))) for place in range(places)]
    reads = [shift(builder, pointer(builder, given.x), builder.mul(cell, given.x_cell)) for cell in cells]
    distances = [builder.mul(given.weight_term, INT64(term)) for term in range(terms)]
    with cgutils.for_range(builder, given.taps) as tap:
        step = shift(builder, steps, builder.mul(tap.index, INT64(8 * 3)))
        x_step, weight_step, cell_step = (builder.load(shift(builder, step, 8 * i), typ=INT64) for i in range(3))
        first = shift(builder, weights, weight_step)
        factors = [load(builder, shift(builder, first, distance)) for distance in distances]
        for cell, read, row in zip(cells, reads, sums, strict=True):
            source = shift(builder, read, x_step)
            if not inside:
                there = builder.icmp_unsigned("<", builder.add(cell, cell_step), given.cells)
                source = builder.select(there, source, zeros)
            value = load(builder, source)
            for factor, total in zip(factors, row, strict=True):
                builder.store(fused_multiply_add(builder, value, factor, builder.load(total)), total)
    for place, row in enumerate(sums):
        target = shift(builder, pointer(builder, given.sums), builder.mul(given.sums_place, INT64(place)))
        for term, total in enumerate(row):
            store(builder, builder.load(total), target, term * VECTOR_BYTES)


class ArrangedArguments(NamedTuple):
    """Arguments of ``arranged_tile``; ``vectors`` and ``lanes`` are those of an ``Arrangement``."""

    places: ir.Value
    """1 to ``GROUP_PLACES``."""
    source: ir.Value
    """Vector 0 of the first place."""
    source_place: ir.Value
    source_vector: ir.Value
    last_vector: ir.Value
    """In place of vectors behind this one, which are not there and not wanted, it is read."""
    vectors: ir.Value
    """int64 [steps, 2]"""
    lanes: ir.Value
    """int32 [steps, LANES]"""
    steps: ir.Value
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
def arranged_tile(
    typing_context,
    places,
    source,
    source_place,
    source_vector,
    last_vector,
    vectors,
    lanes,
    steps,
    bias,
    bias_columns,
    y,
    y_place,
    y_columns,
    adds,
    distance,
    limits,
):
    """Compute and store a vector of every place of a tile; see ``ArrangedArguments``."""

    def generate(context, builder, signature, arguments):
        given = ArrangedArguments(*arguments)
        high = builder.icmp_signed(">", given.places, INT64(HEIGHTS[1]))
        with builder.if_else(high) as branches:
            for height, branch in zip(HEIGHTS, branches, strict=True):
                with branch:
                    _arrange(builder, given, height)
        return context.get_dummy_value()

    return types.void(*[types.int64] * len(ArrangedArguments._fields)), generate


def _arrange(builder: ir.IRBuilder, given: ArrangedArguments, height: int) -> None:
    """The places of a tile that are not there read what the last does, and are not stored."""
    last = builder.sub(given.places, INT64(1))
    places = [_smaller(builder, INT64(place), last) for place in range(height)]
    sources = [
        shift(builder, pointer(builder, given.source), builder.mul(given.source_place, place)) for place in places
    ]
    targets = [shift(builder, pointer(builder, given.y), builder.mul(given.y_place, place)) for place in places]
    for target in targets:
        prefetch(builder, target, builder.mul(given.y_place, INT64(AHEAD * height)), to_write=True)
    sums = [cgutils.alloca_once(builder, VECTOR) for _ in range(height)]
    bias = masked_load(builder, leading_lanes(builder, given.bias_columns), pointer(builder, given.bias))
    for total in sums:
        builder.store(bias, total)
    vectors, lanes = pointer(builder, given.vectors), pointer(builder, given.lanes)
    with cgutils.for_range(builder, given.steps) as step:
        pair = shift(builder, vectors, builder.mul(step.index, INT64(16)))
        numbers = [builder.load(shift(builder, pair, 8 * i), typ=INT64) for i in range(2)]
        both = [builder.mul(_smaller(builder, number, given.last_vector), given.source_vector) for number in numbers]
        place_of_lanes = shift(builder, lanes, builder.mul(step.index, INT64(4 * LANES)))
        chosen = builder.load(place_of_lanes, typ=INDICES, align=4)
        for source, total in zip(sources, sums, strict=True):
            left, right = (shift(builder, source, distance) for distance in both)
            builder.store(builder.fadd(builder.load(total), select_two(builder, left, right, chosen)), total)
    stored = leading_lanes(builder, given.y_columns)
    ending = Ending(given.adds, given.distance, given.limits)
    for place, (target, total) in enumerate(zip(targets, sums, strict=True)):
        there = builder.icmp_signed("<=", INT64(place), last)
        mask = builder.select(there, stored, EMPTY_MASK)
        residual = shift(builder, target, given.distance)
        masked_store(builder, mask, end(builder, ending, builder.load(total), residual, mask), target)


def _smaller(builder: ir.IRBuilder, left: ir.Value, right: ir.Value) -> ir.Value:
    return builder.select(builder.icmp_signed("<", left, right), left, right)


@intrinsic
def group_gradient_tile(typing_context, terms, taps, x, x_place, x_tap, dy, dy_place, dy_term, places, dw, dw_tap):
    """Add to the weights' gradients of ``taps`` neighbouring taps and ``terms`` terms; see ``GradientArguments``."""

    def generate(context, builder, signature, arguments):
        wanted, *others = arguments
        given = GradientArguments(*others)
        for terms in TERMS:
            for taps in range(1, GROUPED_TAPS + 1):
                same_terms = builder.icmp_signed("==", wanted, INT64(terms))
                same_taps = builder.icmp_signed("==", given.taps, INT64(taps))
                with builder.if_then(builder.and_(same_terms, same_taps)):
                    accumulate_places(builder, given, taps, terms)
        return context.get_dummy_value()

    return types.void(*[types.int64] * (1 + len(GradientArguments._fields))), generate
