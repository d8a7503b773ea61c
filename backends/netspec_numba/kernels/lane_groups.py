"""Convolutions with narrow groups, several filters per channel among them: the lanes are channels of what is read.

forward          y (N, P, K)            = bias (K) + sum over taps, channels of the group   x (N, P', C)  w
data gradient    dx (N, P', C)          = sum over taps, outputs of the group               dy (N, P, K)  w
weight gradient  dw (taps, C/groups, K) = sum over samples, positions                       x (N, P', C)  dy (N, P, K)

The direct kernels, whose lanes are results, multiply a vector of them with the channels of all their groups, and mostly
by zeros. Here each lane multiplies its own channel with the weights of every result of its group, a *term* each; which
lanes make which result is sorted out once for each position (:mod:`lane_group_tables`). The weight gradient sorts what
x meets, once for all taps. Where windows read is told by the tables of depthwise convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf, prod
from typing import Any

import numpy as np

from netspec.core.window import WindowGeometry
from netspec_numba.contract import (
    Array,
    Builder,
    Call,
    Calls,
    Cost,
    Launch,
    Operand,
    Prepared,
    Request,
    ScratchSizes,
    Types,
    kernel,
)
from netspec_numba.host import LANES
from netspec_numba.kernels.convolution import taps_met
from netspec_numba.kernels.costs import FETCH, GATHERED, NARROW, PERMUTED, SORTED, SUMMED
from netspec_numba.kernels.depthwise_tables import (
    Heights,
    Reading,
    backward_reading,
    forward_reading,
    gradient_segments,
    tap_steps,
)
from netspec_numba.kernels.drivers import ENOUGH_TASKS
from netspec_numba.kernels.finishing import UNLIMITED, ending
from netspec_numba.kernels.lane_group_drivers import accumulate_groups, order_weights, slide_groups
from netspec_numba.kernels.lane_group_tables import Unit
from netspec_numba.kernels.lane_group_tiles import GROUP_PLACES, TERMS
from netspec_numba.kernels.loops import splits
from netspec_numba.kernels.moments import moments_apart, rows_size
from netspec_numba.kernels.packing import WeightOrder, forward_order, transposed_order
from netspec_numba.kernels.views import output_view, stored_columns

HEIGHTS = Heights(GROUP_PLACES, even=False)

MOST_SUMS = 64
"""Vectors of sums of one unit and position: those of a tile then stay in the first-level cache."""


@dataclass(frozen=True, slots=True)
class Grouped:
    """A convolution as these kernels see it: from a source, whose channels the lanes hold, to results."""

    order: WeightOrder
    geometry: WindowGeometry
    forward: bool = True
    """Whether a result is a place of the window, and not a cell under it."""

    @property
    def unit(self) -> Unit:
        """The groups that are computed together."""
        return Unit(self.order.group_channels, self.order.group_columns)

    @property
    def blocks(self) -> int:
        """Blocks of channels of the source."""
        return -(-self.order.groups * self.order.group_channels // LANES)

    @property
    def is_narrow(self) -> bool:
        """Whether there are narrow groups, and an axis to slide over."""
        several = self.order.groups > 1 and max(self.order.group_channels, self.order.group_columns) > 1
        return several and self.unit.sums <= MOST_SUMS and bool(self.geometry.size)

    @property
    def met(self) -> float:
        """Taps through which a result meets the source, on average and with what lies in the padding."""
        return taps_met(self.geometry, self.forward)

    @property
    def reading(self) -> Reading:
        """What every position of the result reads."""
        read = forward_reading if self.forward else backward_reading
        return read(self.geometry, HEIGHTS)


Case = Callable[[Any, Types, Types], Grouped]
"""What an op with these attributes, inputs and outputs computes."""


def _convolution(attrs: Any, inputs: Types, outputs: Types) -> Grouped:
    x, y = inputs[0], outputs[0]
    geometry = attrs.geometry(x)
    return Grouped(forward_order(geometry.taps, x.channels, LANES, y.channels, attrs.groups), geometry)


def _convolution_dx(attrs: Any, inputs: Types, outputs: Types) -> Grouped:
    dy, dx = inputs[0], outputs[0]
    geometry = attrs.geometry(dx)
    order = transposed_order(geometry.taps, dx.channels, dy.channels, LANES, attrs.groups)
    return Grouped(order, geometry, forward=False)


def _convolution_dw(attrs: Any, inputs: Types, outputs: Types) -> Grouped:
    return _convolution(attrs, inputs[:1], inputs[1:])


def _transposed(attrs: Any, inputs: Types, outputs: Types) -> Grouped:
    x, y = inputs[0], outputs[0]
    geometry = attrs.reverse(x)
    order = forward_order(geometry.taps, x.channels, LANES, y.channels, attrs.groups)
    return Grouped(order, geometry, forward=False)


def _transposed_dx(attrs: Any, inputs: Types, outputs: Types) -> Grouped:
    dy, dx = inputs[0], outputs[0]
    geometry = attrs.conv.reverse(dx)
    return Grouped(transposed_order(geometry.taps, dx.channels, dy.channels, LANES, attrs.conv.groups), geometry)


def _transposed_dw(attrs: Any, inputs: Types, outputs: Types) -> Grouped:
    x, dy = inputs
    return _transposed_dx(attrs, (dy,), (x,))


def _slide_cost(case: Case) -> Cost:
    """Multiply-adds of every block of the source with its terms, and sorting them out."""

    def cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
        given = case(attrs, inputs, outputs)
        if not given.is_narrow:
            return inf
        unit = given.unit
        sums = NARROW * given.met * unit.sums
        calls = unit.results // TERMS[0] + (unit.results % TERMS[0]).bit_count()
        sorting = SUMMED * unit.sources * calls + SORTED * unit.targets + PERMUTED * len(unit.collecting().lanes)
        weights = given.order.taps * given.blocks * unit.results
        return max(batch * outputs[0].positions * (sums + sorting) * given.blocks / unit.sources, FETCH * weights)

    return cost


def _slide_scratch(case: Case) -> ScratchSizes:
    """The sums of one tile, for every thread; and what moments are made of."""

    def sizes(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
        sums = threads * GROUP_PLACES * case(attrs, inputs, outputs).unit.sums * LANES
        return {"sums": sums} | ({"cells": rows_size(outputs[0], batch)} if len(outputs) > 1 else {})

    return sizes


def _slide_prepared(case: Case) -> ScratchSizes:
    """Weights in the order of their lanes."""

    def sizes(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
        given = case(attrs, inputs, outputs)
        return {"weights": given.blocks * given.order.taps * given.unit.results * LANES}

    return sizes


def _slide(case: Case) -> Builder:
    """A builder of results from a source and weights, and a bias if there is a third input."""

    def build(request: Request) -> Prepared:
        x, weight, *bias = request.inputs
        types = tuple(each.type for each in request.inputs), tuple(each.type for each in request.outputs)
        given = case(request.attrs, *types)
        return _slide_launch(request, given, x, weight.array, bias[0].array if bias else None)

    return build


def _slide_launch(request: Request, case: Grouped, x: Operand, weight: Array, bias: Array | None) -> Prepared:
    y, unit, reading, packed = request.outputs[0], case.unit, case.reading, request.scratch["weights"]
    given, made, table = output_view(x.type), output_view(y.type), unit.collecting()
    units, results = -(-case.order.groups // unit.groups), -(-y.type.channels // LANES)
    zeros = np.zeros(LANES, np.float32)
    taps = tap_steps(reading, 4 * given.position, 4 * LANES * unit.results)
    sizes = (request.threads, units, splits(request.batch, units, len(reading.rows)))
    operands = (x.array, given.sample, given.block, given.position, case.blocks, packed, case.order.taps, zeros)
    biases = (zeros, 0) if bias is None else (bias, y.type.channels)
    made_at = (y.array, made.sample, made.block, made.position, stored_columns(y.type), results)
    tables = (reading.rows, reading.tiles, taps.spans, taps.steps.ravel())
    lengths = (reading.place_step, reading.neighbour_step, reading.row_length, reading.source_length)
    arranging = (unit.sources, unit.targets, unit.results, table.spans, table.vectors.ravel(), table.lanes.ravel())
    arguments = (*sizes, *operands, *biases, *made_at, *tables, *lengths, *arranging, request.scratch["sums"])
    finish, apart = ending(request), moments_apart(request)
    packing = (case.blocks, *case.order.numbers)

    @Calls
    def prepare(n: int) -> Iterator[Call]:
        yield order_weights, (weight, packed, *packing)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield slide_groups, (n, *arguments, *finish)
        if apart is not None:
            yield apart, (n,)

    return Prepared(prepare, launch)


@dataclass(frozen=True, slots=True)
class _Division:
    """How a weight gradient is cut: blocks of channels, and parts of the rows of all samples."""

    parts: int
    part: int
    """Floats of the sums of one block and part."""


def _divide(case: Grouped, batch: int) -> _Division:
    rows = prod(case.geometry.output[:-1])
    parts = max(1, min(batch * rows, -(-ENOUGH_TASKS // case.blocks)))
    return _Division(parts, case.geometry.taps * case.unit.results * LANES)


def _gradient_cost(case: Case) -> Cost:
    """Multiply-adds, and sorting what each block meets."""

    def cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
        given = case(attrs, inputs, outputs)
        if not given.is_narrow:
            return inf
        unit = given.unit
        sums = GATHERED * given.geometry.taps * unit.sums
        sorting = SORTED * unit.sums + PERMUTED * len(unit.spreading().lanes)
        return batch * prod(given.geometry.output) * (sums + sorting) * given.blocks / unit.sources

    return cost


def _gradient_scratch(case: Case) -> ScratchSizes:
    """Partial sums, and for every thread what a row of a block meets."""

    def sizes(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
        given = case(attrs, inputs, outputs)
        division = _divide(given, batch)
        met = threads * given.unit.results * given.geometry.output[-1] * LANES
        return {"partial": given.blocks * division.parts * division.part, "met": met}

    return sizes


def _gradient(case: Case, transposed: bool) -> Builder:
    """A builder of dw from x and dy; the window slides over x, or over dy where it is ``transposed``."""

    def build(request: Request) -> Launch:
        slid, met = reversed(request.inputs) if transposed else request.inputs
        types = tuple(each.type for each in request.inputs), tuple(each.type for each in request.outputs)
        return _gradient_launch(request, case(request.attrs, *types), slid, met)

    return build


def _gradient_launch(request: Request, case: Grouped, slid: Operand, met: Operand) -> Launch:
    unit, reading, division = case.unit, case.reading, _divide(case, request.batch)
    given, gradient, table = output_view(slid.type), output_view(met.type), unit.spreading()
    sizes = (request.threads, case.blocks, division.parts)
    operands = (slid.array, given.sample, given.block, given.position)
    others = (met.array, gradient.sample, gradient.block, gradient.position, -(-met.type.channels // LANES))
    sums = (request.outputs[0].array, request.scratch["partial"], division.part, request.scratch["met"])
    steps = np.array([*reading.cell_steps, *reading.tap_steps], np.int64)
    tables = (reading.rows, gradient_segments(case.geometry), steps, reading.neighbour_step, reading.row_length)
    arranging = (unit.sources, unit.targets, unit.results, table.spans, table.vectors.ravel(), table.lanes.ravel())
    arguments = (*sizes, *operands, *others, *sums, *tables, *arranging, UNLIMITED, *case.order.numbers)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield accumulate_groups, (n, *arguments)

    return launch


for _op, _case in {
    "conv": _convolution,
    "conv.dx": _convolution_dx,
    "conv_transpose": _transposed,
    "conv_transpose.dx": _transposed_dx,
}.items():
    kernel(
        _op,
        scratch=_slide_scratch(_case),
        prepared=_slide_prepared(_case),
        cost=_slide_cost(_case),
        algorithm="lane-groups",
        epilogue=True,
        moments=True,
        slices=True,
    )(_slide(_case))

for _op, _case, _turned in (("conv.dw", _convolution_dw, False), ("conv_transpose.dw", _transposed_dw, True)):
    kernel(_op, scratch=_gradient_scratch(_case), cost=_gradient_cost(_case), algorithm="lane-groups", slices=True)(
        _gradient(_case, _turned)
    )
