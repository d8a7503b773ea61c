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

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, prod
from typing import Any

import numpy as np

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_numba.contract import Array, Launch, Operand, Prepared, Request, Types, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.costs import FETCH, GATHERED, PERMUTED
from netspec_numba.kernels.depthwise_tables import (
    Heights,
    Reading,
    backward_reading,
    forward_reading,
    gradient_segments,
    tap_steps,
)
from netspec_numba.kernels.drivers import ENOUGH_TASKS
from netspec_numba.kernels.finishing import ending
from netspec_numba.kernels.lane_group_drivers import accumulate_groups, order_weights, slide_groups
from netspec_numba.kernels.lane_group_tables import Unit
from netspec_numba.kernels.lane_group_tiles import GROUP_PLACES
from netspec_numba.kernels.loops import splits
from netspec_numba.kernels.moments import moments_apart, rows_size
from netspec_numba.kernels.packing import WeightOrder, forward_order, transposed_order
from netspec_numba.kernels.views import output_view, stored_columns

HEIGHTS = Heights(GROUP_PLACES, even=False)

MOST_SUMS = 64
"""Vectors of sums of one unit and position: those of a tile then stay in the first-level cache."""


def _unit(order: WeightOrder) -> Unit:
    return Unit(order.group_channels, order.group_columns)


def _is_narrow(order: WeightOrder, source: TensorType, geometry: WindowGeometry) -> bool:
    """Whether there are narrow groups, and an axis to slide over."""
    widest = max(order.group_channels, order.group_columns)
    narrow = order.groups > 1 and 1 < widest and _unit(order).sums <= MOST_SUMS
    return narrow and bool(geometry.size) and prod(geometry.output) > 0 and source.block in (None, LANES)


def slide_cost(
    order: WeightOrder, source: TensorType, result: TensorType, geometry: WindowGeometry, batch: int
) -> float:
    """Cost of the results: multiply-adds of every block of the source with its terms, and sorting them out."""
    if not _is_narrow(order, source, geometry):
        return inf
    unit = _unit(order)
    blocks = -(-order.groups * order.group_channels // LANES)
    sums = geometry.taps * blocks * unit.results
    sorting = PERMUTED * len(unit.collecting().lanes) * blocks / unit.sources
    return max(batch * result.positions * (sums + sorting), FETCH * sums)


def gradient_cost(order: WeightOrder, slid: TensorType, met: TensorType, geometry: WindowGeometry, batch: int) -> float:
    """Cost of a weight gradient: multiply-adds, and sorting what each block meets."""
    if not _is_narrow(order, slid, geometry):
        return inf
    unit = _unit(order)
    blocks = -(-slid.channels // LANES)
    sorting = PERMUTED * len(unit.spreading().lanes) * blocks / unit.sources
    return batch * met.positions * (GATHERED * geometry.taps * blocks * unit.results + sorting)


def slide_scratch(order: WeightOrder, threads: int) -> Mapping[str, int]:
    """Workspace of :func:`slide`: the sums of one tile, for every thread."""
    return {"sums": threads * GROUP_PLACES * _unit(order).sums * LANES}


def slide_prepared(order: WeightOrder) -> Mapping[str, int]:
    """Workspace of :func:`slide` for weights in the order of their lanes."""
    blocks = -(-order.groups * order.group_channels // LANES)
    return {"weights": blocks * order.taps * order.group_columns * LANES}


def slide(
    request: Request, x: Operand, weight: Operand, bias: Array | None, order: WeightOrder, reading: Reading
) -> Prepared:
    """The output from x as it is read, group by group; what its moments are gathered from is stored then."""
    y, unit, packed = request.outputs[0], _unit(order), request.scratch["weights"]
    given, made = output_view(x.type), output_view(y.type)
    blocks, results = -(-x.type.channels // LANES), -(-y.type.channels // LANES)
    units = -(-order.groups // unit.groups)
    zeros, table = np.zeros(LANES, np.float32), unit.collecting()
    taps = tap_steps(reading, 4 * given.position, 4 * LANES * unit.results)
    sizes = (request.threads, units, splits(request.batch, units, len(reading.rows)))
    operands = (x.array, given.sample, given.block, given.position, blocks, packed, order.taps, zeros)
    biases = (zeros, 0) if bias is None else (bias, y.type.channels)
    made_at = (y.array, made.sample, made.block, made.position, stored_columns(y.type), results)
    tables = (reading.rows, reading.tiles, taps.spans, taps.steps.ravel())
    lengths = (reading.place_step, reading.neighbour_step, reading.row_length, reading.source_length)
    arranging = (unit.sources, unit.targets, unit.results, table.spans, table.vectors.ravel(), table.lanes.ravel())
    arguments = (*sizes, *operands, *biases, *made_at, *tables, *lengths, *arranging, request.scratch["sums"])
    finish, apart = ending(request), moments_apart(request)
    packing = (blocks, *order.numbers)

    def prepare() -> None:
        order_weights(weight.array, packed, *packing)

    def launch(n: int) -> None:
        slide_groups(n, *arguments, *finish)
        if apart is not None:
            apart(n)

    return Prepared(prepare, launch)


@dataclass(frozen=True, slots=True)
class _Division:
    """How a weight gradient is cut: blocks of channels, and parts of the rows of all samples."""

    blocks: int
    parts: int
    part: int
    """Floats of the sums of one block and part."""


def _divide(order: WeightOrder, channels: int, geometry: WindowGeometry, batch: int) -> _Division:
    blocks = -(-channels // LANES)
    rows = int(np.prod(geometry.output[:-1], dtype=np.int64))
    parts = min(batch * rows, -(-ENOUGH_TASKS // blocks))
    return _Division(blocks, parts, geometry.taps * order.group_columns * LANES)


def gradient_scratch(
    order: WeightOrder, slid: TensorType, geometry: WindowGeometry, batch: int, threads: int
) -> Mapping[str, int]:
    """Workspaces of :func:`weight_gradient`: partial sums, and for every thread what a row of a block meets."""
    division = _divide(order, slid.channels, geometry, batch)
    met = threads * order.group_columns * geometry.output[-1] * LANES
    return {"partial": division.blocks * division.parts * division.part, "met": met}


def weight_gradient(
    request: Request, slid: Operand, met: Operand, order: WeightOrder, geometry: WindowGeometry
) -> Launch:
    """dw from what the window slides over, and what has a number for each of its places."""
    (dw,) = request.outputs
    reading, segments, unit = forward_reading(geometry, HEIGHTS), gradient_segments(geometry), _unit(order)
    given, gradient = output_view(slid.type), output_view(met.type)
    division, table = _divide(order, slid.type.channels, geometry, request.batch), unit.spreading()
    sizes = (request.threads, division.blocks, division.parts)
    operands = (slid.array, given.sample, given.block, given.position)
    others = (met.array, gradient.sample, gradient.block, gradient.position, -(-met.type.channels // LANES))
    sums = (request.scratch["partial"], division.part, request.scratch["met"])
    steps = np.array([*reading.cell_steps, *reading.tap_steps], np.int64)
    tables = (reading.rows, segments, steps, reading.neighbour_step, reading.row_length)
    arranging = (unit.sources, unit.targets, unit.results, table.spans, table.vectors.ravel(), table.lanes.ravel())
    limits = np.array([-np.inf, np.inf], np.float32)
    arguments = (*sizes, *operands, *others, dw.array, *sums, *tables, *arranging, limits, *order.numbers)

    def launch(n: int) -> None:
        accumulate_groups(n, *arguments)

    return launch


def _forward_order(attrs: Any, x: TensorType, y: TensorType) -> WeightOrder:
    return forward_order(attrs.geometry(x).taps, x.channels, LANES, y.channels, attrs.groups)


def _transposed_order(attrs: Any, dy: TensorType, dx: TensorType) -> WeightOrder:
    return transposed_order(attrs.geometry(dx).taps, dx.channels, dy.channels, LANES, attrs.groups)


def _forward_scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    cells = {"cells": rows_size(outputs[0], batch)} if len(outputs) > 1 else {}
    return {**slide_scratch(_forward_order(attrs, inputs[0], outputs[0]), threads), **cells}


def _forward_prepared(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    return slide_prepared(_forward_order(attrs, inputs[0], outputs[0]))


def _forward_cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    x, y = inputs[0], outputs[0]
    return slide_cost(_forward_order(attrs, x, y), x, y, attrs.geometry(x), batch)


@kernel(
    "conv",
    scratch=_forward_scratch,
    prepared=_forward_prepared,
    cost=_forward_cost,
    algorithm="lane-groups",
    epilogue=True,
    moments=True,
    slices=True,
)
def convolution(request: Request) -> Prepared:
    """y = convolution of x with weight, plus bias if there is a third input."""
    x, weight, *bias = request.inputs
    order = _forward_order(request.attrs, x.type, request.outputs[0].type)
    reading = forward_reading(request.attrs.geometry(x.type), HEIGHTS)
    return slide(request, x, weight, bias[0].array if bias else None, order, reading)


def _backward_scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    return slide_scratch(_transposed_order(attrs, inputs[0], outputs[0]), threads)


def _backward_prepared(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    return slide_prepared(_transposed_order(attrs, inputs[0], outputs[0]))


def _backward_cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    dy, dx = inputs[0], outputs[0]
    return slide_cost(_transposed_order(attrs, dy, dx), dy, dx, attrs.geometry(dx), batch)


@kernel(
    "conv.dx",
    scratch=_backward_scratch,
    prepared=_backward_prepared,
    cost=_backward_cost,
    algorithm="lane-groups",
    slices=True,
)
def data_gradient(request: Request) -> Prepared:
    """dx = convolution of dy with the transposed weight, every position through the taps that read it."""
    (dy, weight), (dx,) = request.inputs, request.outputs
    order = _transposed_order(request.attrs, dy.type, dx.type)
    reading = backward_reading(request.attrs.geometry(dx.type), HEIGHTS)
    return slide(request, dy, weight, None, order, reading)


def _gradient_scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    x, dy = inputs
    return gradient_scratch(_forward_order(attrs, x, dy), x, attrs.geometry(x), batch, threads)


def _gradient_cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    x, dy = inputs
    return gradient_cost(_forward_order(attrs, x, dy), x, dy, attrs.geometry(x), batch)


@kernel("conv.dw", scratch=_gradient_scratch, cost=_gradient_cost, algorithm="lane-groups", slices=True)
def convolution_weight_gradient(request: Request) -> Launch:
    """dw = sum over samples and positions of x times dy, in the logical order of weights."""
    x, dy = request.inputs
    order = _forward_order(request.attrs, x.type, dy.type)
    return weight_gradient(request, x, dy, order, request.attrs.geometry(x.type))
