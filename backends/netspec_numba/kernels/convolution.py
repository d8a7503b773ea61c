"""Convolution and its two gradients, for any number of axes, stride, padding, dilation and groups.

forward          y (N, P, K)            = bias (K) + sum over taps, input channels   x (N, P', C)  w (taps, C/groups, K)
data gradient    dx (N, P', C)          = sum over taps, output channels             dy (N, P, K)  w (taps, C/groups, K)
weight gradient  dw (taps, C/groups, K) = sum over samples, positions                x (N, P', C)  dy (N, P, K)

P' is the input position that output position P reads through a tap. The first two are one computation with
different index tables. Where each channel has one filter of its own, another kernel (:mod:`depthwise`) does the work.
Summation order depends on shapes alone, so results do not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_numba.contract import Array, Call, Calls, Launch, Operand, Prepared, Request, Types, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels import depthwise
from netspec_numba.kernels.costs import FETCH, NARROW, NARROW_TILE
from netspec_numba.kernels.drivers import (
    ENOUGH_TASKS,
    PANEL_WIDTH,
    STRIP_CHANNELS,
    accumulate_strips,
    most_runs,
    multiply_tiles,
)
from netspec_numba.kernels.finishing import ending
from netspec_numba.kernels.index_tables import (
    PLANE_BEGIN,
    PLANE_END,
    PLANE_RESULT,
    PLANE_SOURCE,
    PairTable,
    Planes,
    TileTable,
    data_gradient_planes,
    forward_planes,
    is_large,
    samples_filling_tiles,
    weight_gradient_pairs,
)
from netspec_numba.kernels.microkernels import GRADIENT_ROWS, TILE_ROWS
from netspec_numba.kernels.moments import cells_size, moments_apart, moments_wanted, rows_size
from netspec_numba.kernels.on_load import cut_tiles, multiply_on_load
from netspec_numba.kernels.packing import (
    END_CHANNEL,
    FIRST_CHANNEL,
    VECTORS,
    Int64s,
    WeightOrder,
    column_panels,
    forward_order,
    pack_weights,
    packed_panels,
    packed_size,
    pad_rows,
    transposed_order,
    unpacked_panels,
    widest_panel,
)
from netspec_numba.kernels.views import Source, View, input_view, output_view, source_of, stored_columns

LONGEST_ROW_IN_PLACE = 1024
"""Columns up to which weights are read in place: longer rows lie too far apart for caches and address translation."""

CHUNK_POSITIONS = 256
"""Output positions whose gradients, in one panel, stay in the first-level cache while all taps pass over them."""

LARGEST_TAP_GROUP = 12
"""Taps whose partial weight gradients, in one strip, stay in the first-level cache."""


def direct_cost(taps: int, channels: int, result: TensorType, batch: int) -> float:
    """Multiply-adds of vectors for ``result``, each number of which is a sum over taps and channels."""
    weights = taps * channels * -(-result.channels // LANES)
    return float(max(batch * result.positions * weights, FETCH * weights))


def taps_met(geometry: WindowGeometry, forward: bool) -> float:
    """Taps through which a position of the result meets something, on average and with what lies in the padding."""
    return geometry.taps if forward else geometry.taps * math.prod(geometry.output) / max(1, math.prod(geometry.input))


def product_cost(order: WeightOrder, met: float, result: TensorType, batch: int) -> float:
    """Multiply-adds of vectors for ``result``, the zeros between groups included, whose positions meet ``met`` taps."""
    if order.groups == 1 or order.group_channels == order.group_columns == 1:
        return direct_cost(order.taps, order.group_channels, result, batch)
    panels = packed_panels(order)
    channels, vectors = panels[:, END_CHANNEL] - panels[:, FIRST_CHANNEL], panels[:, VECTORS]
    narrow = vectors == 1
    each = np.where(narrow, NARROW * met * channels + NARROW_TILE, met * channels * vectors)
    return float(max(batch * result.positions * each.sum(), FETCH * order.taps * (channels * vectors).sum()))


def copied_input(source: Source, batch: int) -> int:
    """Floats of workspace for the copy of the input with padded rows."""
    return batch * source.padding.size if source.padding else 0


def input_launch(source: Source, x: Operand, request: Request) -> tuple[Array, Launch | None]:
    """The array that the kernels read x from, and what must run first to fill it."""
    padding = source.padding
    if padding is None:
        return x.array, None
    padded = request.scratch["input"]

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield pad_rows, (x.array, padded, n * padding.rows, padding.row, padding.padded_row, padding.before)

    return padded, launch


def _reads_weights_in_place(order: WeightOrder, y: TensorType) -> bool:
    """Whether the forward direction reads unpacked weights. A plain output never stores the columns past its last."""
    return y.block is None and order.groups == order.taps == 1 and y.channels <= LONGEST_ROW_IN_PLACE


def _forward_order(source: Source, y: TensorType, groups: int) -> WeightOrder:
    return forward_order(source.geometry.taps, source.view.channels, source.view.lanes, y.channels, groups)


def _transposed_order(geometry: WindowGeometry, dy: TensorType, dx: TensorType, groups: int) -> WeightOrder:
    return transposed_order(geometry.taps, dx.channels, dy.channels, dy.lanes, groups)


def forward_scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Workspace of ``conv``: padded input rows, rows that are normalised, and what moments are made of."""
    y = outputs[0]
    if _has_prologue(inputs):
        room = {"room": threads * cut_tiles(inputs[0], y, batch).room}
        return room | ({"cells": rows_size(y, batch)} if len(outputs) > 1 else {})
    if depthwise.is_depthwise(attrs.groups, inputs[0], y):
        return {"cells": rows_size(y, batch)} if len(outputs) > 1 else {}
    source = source_of(inputs[0], attrs.geometry(inputs[0]), attrs.groups)
    copied = {"input": copied_input(source, batch)}
    return copied | ({"cells": _cells_size(source, y, batch)} if len(outputs) > 1 else {})


def _cells_size(source: Source, y: TensorType, batch: int) -> int:
    """Floats of workspace for what moments of y are made of."""
    if y.block != LANES:
        return rows_size(y, batch)
    large = is_large(source.geometry, source.geometry.output)
    samples = 1 if large else samples_filling_tiles(y.positions, TILE_ROWS, batch)
    return cells_size(most_runs(batch, samples, y.spatial[0] if large else 1, source.view.sample), y)


def forward_prepared(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Workspace of ``conv`` for packed weights, and for how x is normalised."""
    if depthwise.is_depthwise(attrs.groups, inputs[0], outputs[0]):
        return {}
    order = _forward_order(source_of(inputs[0], attrs.geometry(inputs[0]), attrs.groups), outputs[0], attrs.groups)
    if _has_prologue(inputs):
        return {"weights": packed_size(order), "coefficients": 3 * inputs[0].blocks * LANES}
    return {} if _reads_weights_in_place(order, outputs[0]) else {"weights": packed_size(order)}


def _has_prologue(inputs: Types) -> bool:
    """Whether more is read than x, weights and perhaps a bias: a prologue takes two or more."""
    return len(inputs) > 3


def forward_cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    """Cost of ``conv``."""
    x, y, taps = inputs[0], outputs[0], attrs.geometry(inputs[0]).taps
    return product_cost(forward_order(taps, x.channels, x.lanes, y.channels, attrs.groups), taps, y, batch)


@kernel(
    "conv",
    scratch=forward_scratch,
    prepared=forward_prepared,
    cost=forward_cost,
    epilogue=True,
    moments=True,
    slices=True,
    prologue=True,
)
def convolution(request: Request) -> Launch:
    """y = convolution of x with weight, plus bias if there is a third input."""
    x, weight, *bias = request.inputs
    y = request.outputs[0]
    groups, numbers = request.attrs.groups, bias[0].array if bias else None
    if depthwise.is_depthwise(groups, x.type, y.type):
        slide = depthwise.slide(request, x, weight, numbers, request.attrs.geometry(x.type), forward=True)
        return one_after_another(slide, moments_apart(request))
    source = source_of(x.type, request.attrs.geometry(x.type), groups)
    if request.prologue is not None:
        order = _forward_order(source, y.type, groups)
        loading = multiply_on_load(request, request.prologue, source.geometry, order, numbers)
        return replace(loading, launch=one_after_another(loading.launch, moments_apart(request)))
    read, prepare = input_launch(source, x, request)
    table = forward_planes(source.geometry, source.view, output_view(y.type), TILE_ROWS, request.batch)
    order = _forward_order(source, y.type, groups)
    packed = None if _reads_weights_in_place(order, y.type) else request.scratch["weights"]
    multiply = Product(source.view, read, y, table, order, weight.array, packed, numbers, request).launch()
    return multiply if prepare is None else replace(multiply, launch=one_after_another(prepare, multiply.launch))


def one_after_another(first: Launch, second: Launch | None) -> Launch:
    """Both launches as one; the first where there is no second."""
    if second is None:
        return first

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield first, (n,)
        yield second, (n,)

    return launch


def data_gradient_prepared(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Workspace of ``conv.dx``: packed weights."""
    (dy, _), (dx,) = inputs, outputs
    if depthwise.is_depthwise(attrs.groups, dx, dy):
        return {}
    return {"weights": packed_size(_transposed_order(attrs.geometry(dx), dy, dx, attrs.groups))}


def data_gradient_cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    """Cost of ``conv.dx``."""
    (dy, _), (dx,), geometry = inputs, outputs, attrs.geometry(outputs[0])
    return product_cost(_transposed_order(geometry, dy, dx, attrs.groups), taps_met(geometry, False), dx, batch)


@kernel("conv.dx", prepared=data_gradient_prepared, cost=data_gradient_cost, slices=True)
def data_gradient(request: Request) -> Launch:
    """dx = convolution of dy with the transposed weight, every position through the taps that read it."""
    dy, weight = request.inputs
    (dx,) = request.outputs
    geometry = request.attrs.geometry(dx.type)
    if depthwise.is_depthwise(request.attrs.groups, dx.type, dy.type):
        return depthwise.slide(request, dy, weight, None, geometry, forward=False)
    view = input_view(dy.type)
    table = data_gradient_planes(geometry, view, output_view(dx.type), TILE_ROWS, request.batch)
    order = _transposed_order(geometry, dy.type, dx.type, request.attrs.groups)
    packed = request.scratch["weights"]
    return Product(view, dy.array, dx, table, order, weight.array, packed, None, request).launch()


@dataclass(frozen=True, slots=True)
class Product:
    """Positions times weights: what the forward direction and the data gradient have in common, transposed or not."""

    view: View
    x: Array
    y: Operand
    table: Planes[TileTable]
    order: WeightOrder
    weight: Array
    packed: Array | None
    """Where the weights are packed; None to read them in place."""
    bias: Array | None
    request: Request
    """Says what becomes of y."""

    def launch(self) -> Prepared:
        """Pack the weights; multiply every tile with every panel."""
        view, order, weight, packed = self.view, self.order, self.weight, self.packed
        table, planes = self.table.table, self.table.planes
        result = output_view(self.y.type)
        zeros = np.zeros(max(view.lanes, LANES), np.float32)
        panels = unpacked_panels(order) if packed is None else packed_panels(order)
        operands = (self.x, view.sample, view.block, view.lanes, zeros, weight if packed is None else packed)
        bias = (zeros, 0) if self.bias is None else (self.bias, order.columns)
        output = (self.y.array, result.sample, result.block, stored_columns(self.y.type))
        tables = (table.samples, table.starts, table.taps, table.sources.ravel(), table.destinations.ravel())
        # In plain storage a vector of channels runs on into the next position: moments take a pass of their own.
        apart = None if self.y.type.block == LANES else moments_apart(self.request)
        wanted, *cells = moments_wanted(self.request)
        gathering = (self.y.type.channels, wanted if apart is None else 0, *cells)
        arguments = (*operands, *bias, *output, *tables, planes, panels, order.taps, *ending(self.request), *gathering)
        packing = (panels, *order.numbers)

        @Calls
        def prepare(n: int) -> Iterator[Call]:
            if packed is not None:
                yield pack_weights, (weight, packed, *packing)

        @Calls
        def launch(n: int) -> Iterator[Call]:
            yield multiply_tiles, (n, *arguments)

        return Prepared(prepare, one_after_another(launch, apart))


@dataclass(frozen=True, slots=True)
class _Division:
    """How a weight gradient is cut into tasks: strips of channels, groups of taps, parts of the batch."""

    panels: Int64s
    strips: int
    strip_lanes: int
    """Input channels a strip has room for, a multiple of what a gradient tile computes."""
    tap_groups: int
    batch_parts: int
    part: int
    """Floats of one task's sums."""

    def partial(self, threads: int) -> int:
        """Floats of all partial sums: one part a thread if they are written at once, else one a task."""
        return self.part * (threads if self.batch_parts == 1 else self.batch_parts * self.tap_groups * self.strips)


def _divide(view: View, taps: int, dy: TensorType, groups: int, batch: int) -> _Division:
    """Cut the batch before the taps, since taps that one task computes read x and dy together."""
    panels, strips, most_rows = _strips(view, dy.channels, groups)
    tap_groups = -(-taps // LARGEST_TAP_GROUP)
    batch_parts = min(batch, -(-ENOUGH_TASKS // (strips * tap_groups)))
    tap_groups = min(taps, max(tap_groups, -(-ENOUGH_TASKS // (strips * batch_parts))))
    strip_lanes = -(-most_rows // GRADIENT_ROWS) * GRADIENT_ROWS
    part = -(-taps // tap_groups) * strip_lanes * int(panels[:, PANEL_WIDTH].max()) * LANES
    return _Division(panels, strips, strip_lanes, tap_groups, batch_parts, part)


def _strips(view: View, columns: int, groups: int) -> tuple[Int64s, int, int]:
    """Panel table of a weight gradient, the number of strips, and as many channels as one may have."""
    group_channels, group_columns = view.channels // groups, columns // groups
    found = np.array(column_panels(columns, widest_panel(groups, group_columns)), np.int64)
    column, vectors = found.T
    first = column // group_columns * group_channels
    last = np.minimum(column + vectors * LANES, columns) - 1
    end = (last // group_columns + 1) * group_channels
    pieces = -(-view.lanes // STRIP_CHANNELS)
    begins, ends = (at // view.lanes * pieces + at % view.lanes // STRIP_CHANNELS for at in (first, end - 1))
    numbers = np.concatenate([[0], np.cumsum(ends - begins + 1)])
    panels = np.stack([numbers[:-1], column, vectors, first, end], axis=1)
    return panels, int(numbers[-1]), int(min(STRIP_CHANNELS, view.lanes, (end - first).max()))


def weight_gradient_scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Workspace of ``conv.dw``: padded input rows and partial sums."""
    x, dy = inputs
    geometry = attrs.geometry(x)
    if depthwise.is_depthwise(attrs.groups, x, dy):
        return {"partial": depthwise.partial_sums(geometry, x.channels, batch)}
    source = source_of(x, geometry, attrs.groups)
    partial = partial_sums(source.view, source.geometry.taps, dy, attrs.groups, batch, threads)
    return {"input": copied_input(source, batch), "partial": partial}


def weight_gradient_cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    """Cost of ``conv.dw``."""
    x, dy = inputs
    return forward_cost(attrs, (x,), (dy,), batch, kept)


@kernel("conv.dw", scratch=weight_gradient_scratch, cost=weight_gradient_cost, slices=True)
def weight_gradient(request: Request) -> Launch:
    """dw = sum over samples and positions of x times dy, in the logical order of weights."""
    x, dy = request.inputs
    geometry = request.attrs.geometry(x.type)
    if depthwise.is_depthwise(request.attrs.groups, x.type, dy.type):
        return depthwise.weight_gradient(request, x, dy, geometry)
    source = source_of(x.type, geometry, request.attrs.groups)
    read, prepare = input_launch(source, x, request)
    meetings = Meetings(source.view, output_view(dy.type), source.geometry, request.attrs.groups)
    accumulate = meetings.launch(request, read)
    return accumulate if prepare is None else one_after_another(prepare, accumulate)


def partial_sums(view: View, taps: int, dy: TensorType, groups: int, batch: int, threads: int) -> int:
    """Floats of workspace for the partial sums of a weight gradient."""
    return _divide(view, taps, dy, groups, batch).partial(threads)


@dataclass(frozen=True, slots=True)
class Meetings:
    """Where x and dy meet: what the weight gradients have in common, transposed or not."""

    view: View
    gradient: View
    geometry: WindowGeometry
    groups: int
    transposed: bool = False
    """Whether dy, and not x, is what the window slides over."""

    def _pairs(self, samples: int) -> Planes[PairTable]:
        if not self.transposed:
            return weight_gradient_pairs(self.geometry, self.view, self.gradient, CHUNK_POSITIONS, samples)
        found = weight_gradient_pairs(self.geometry, self.gradient, self.view, CHUNK_POSITIONS, samples)
        table = replace(found.table, pairs=np.ascontiguousarray(found.table.pairs[:, ::-1]))
        return Planes(
            table, np.ascontiguousarray(found.planes[:, [PLANE_RESULT, PLANE_SOURCE, PLANE_BEGIN, PLANE_END]])
        )

    def launch(self, request: Request, read: Array) -> Launch:
        """dw = sum over the meetings of x, which is read from ``read``, and dy."""
        _, dy = request.inputs
        (dw,) = request.outputs
        view, gradient, groups, batch = self.view, self.gradient, self.groups, request.batch
        division = _divide(view, self.geometry.taps, dy.type, groups, batch)
        places = math.prod(self.geometry.output)
        samples = max(1, min(-(-batch // division.batch_parts), CHUNK_POSITIONS // places))
        found = self._pairs(samples)
        table = found.table
        operands = (read, view.sample, view.block, dy.array, gradient.sample, gradient.block, dw.array)
        sums = (request.scratch["partial"], division.part, division.strip_lanes)
        tables = (table.samples, table.starts.ravel(), table.per_sample.ravel(), table.pairs.ravel())
        counts = (division.strips, view.lanes, self.geometry.taps, division.tap_groups, division.batch_parts)
        channels = (groups, view.channels // groups, dy.type.channels // groups)
        cutting = (found.planes, division.panels)
        arguments = (request.threads, *operands, *sums, *tables, *cutting, *counts, *channels)

        @Calls
        def launch(n: int) -> Iterator[Call]:
            yield accumulate_strips, (n, *arguments)

        return launch
