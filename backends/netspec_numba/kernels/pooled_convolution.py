"""Convolutions whose maxima alone are stored: what they are chosen from stays in registers, or in the first cache.

y (N, O, K) = max over the positions P of window O of: bias (K) + sum over taps, channels  x (N, P', C) w (taps, C, K)

Two ways to the same bits, those of a direct convolution and a pooling behind it. Where windows are 2x2, as most are,
and no tap meets padding, two rows at a time are computed, strip by strip. Any other geometry goes through index tables,
its positions in the order of their windows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numba import njit, prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Prepared, Request, Types, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.convolution import copied_input, direct_cost, input_launch, one_after_another
from netspec_numba.kernels.depthwise import is_depthwise
from netspec_numba.kernels.drivers import CACHED_INPUT, ENOUGH_TASKS, ceil_divide, panel_and_part
from netspec_numba.kernels.finishing import ending
from netspec_numba.kernels.index_tables import positions_read, samples_filling_tiles, window_tiles
from netspec_numba.kernels.microkernels import TILE_ROWS
from netspec_numba.kernels.packing import (
    END_CHANNEL,
    FIRST_CHANNEL,
    FIRST_COLUMN,
    OFFSET,
    ROW,
    VECTORS,
    Int64s,
    WeightOrder,
    forward_order,
    pack_weights,
    packed_panels,
    packed_size,
)
from netspec_numba.kernels.pooled_tiles import pooled_tile
from netspec_numba.kernels.strip_tiles import MOST_PLACES, PLACE, PLACES, SOURCE, strip_tile
from netspec_numba.kernels.views import output_view, source_of, stored_columns
from netspec_numba.kernels.windows import are_squares, forward_gather, lies_inside


def _goes_in_strips(attrs: Any, x: TensorType, y: TensorType) -> bool:
    geometry = attrs.geometry(x)
    plain_reading = attrs.groups == 1 and geometry.stride[-1] == 1 and lies_inside(geometry)
    return x.block == y.block == LANES and plain_reading and are_squares(attrs.windows(x))


def _order(attrs: Any, x: TensorType, y: TensorType) -> WeightOrder:
    source = source_of(x, attrs.geometry(x), attrs.groups)
    return forward_order(source.geometry.taps, source.view.channels, source.view.lanes, y.channels, attrs.groups)


def scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Workspace of ``conv.pooled``: padded input rows."""
    return {"input": copied_input(source_of(inputs[0], attrs.geometry(inputs[0]), attrs.groups), batch)}


def prepared(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Workspace of ``conv.pooled`` for packed weights."""
    return {"weights": packed_size(_order(attrs, inputs[0], outputs[0]))}


def cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    """Cost of ``conv.pooled``: that of the convolution, which depthwise ones do otherwise."""
    x = inputs[0]
    if is_depthwise(attrs.groups, x, outputs[0]):
        return math.inf
    return direct_cost(attrs.geometry(x).taps, x.channels // attrs.groups, attrs.conv.infer(x), batch)


@kernel("conv.pooled", scratch=scratch, prepared=prepared, cost=cost, slices=True)
def convolution_pooled(request: Request) -> Prepared:
    """y = maxima of the convolution of x with weight, plus bias if there is a third input."""
    x, weight, *_ = request.inputs
    order, packed = _order(request.attrs, x.type, request.outputs[0].type), request.scratch["weights"]
    packing = packed_panels(order), *order.numbers

    @Calls
    def prepare(n: int) -> Iterator[Call]:
        yield pack_weights, (weight.array, packed, *packing)

    in_strips = _goes_in_strips(request.attrs, x.type, request.outputs[0].type)
    return Prepared(prepare, _strips(request, order) if in_strips else _tiles(request, order))


def _bias(request: Request, order: WeightOrder) -> tuple[Array, int]:
    """The bias, or nothing, and how many columns have one."""
    bias = request.inputs[2:]
    return (bias[0].array, order.columns) if bias else (np.zeros(1, np.float32), 0)


def _strips(request: Request, order: WeightOrder) -> Launch:
    """A launch that goes along pairs of rows."""
    x, y = request.inputs[0], request.outputs[0]
    panels, made = packed_panels(order), output_view(y.type)
    read = positions_read(request.attrs.geometry(x.type)) * LANES
    seen = forward_gather(request.attrs.windows(x.type)).source.reshape(-1, 4)
    strips = _strip_table(read[0, seen[:, 0]], y.type, MOST_PLACES // int(panels[:, VECTORS].max()))
    row = int(read[0, seen[0, 2]] - read[0, seen[0, 0]])
    distances = np.ascontiguousarray(read[:, 0] - read[0, 0])
    operands = (x.array, x.type.sample_stride, row, x.type.positions * LANES, x.type.channels)
    weights = (distances, request.scratch["weights"], panels, *_bias(request, order))
    results = (y.array, made.sample, made.block, stored_columns(y.type), ending(request)[-1])
    pieces = max(1, min(len(strips), -(-ENOUGH_TASKS // request.batch)))

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield convolve_strips, (n, pieces, strips, *operands, *weights, *results)

    return launch


def _strip_table(sources: Int64s, y: TensorType, most: int) -> Int64s:
    """The table of strips: the rows of y, each in as few runs of places as there can be, of about the same length."""
    width = y.spatial[-1]
    ends = np.linspace(0, width, -(-width // most) + 1).astype(np.int64)
    places = (np.arange(y.positions // width)[:, None] * width + ends[:-1]).ravel()
    counts = np.tile(np.diff(ends), len(places) // (len(ends) - 1))
    return np.stack([sources[places], places * output_view(y).position, counts], axis=1)


def _tiles(request: Request, order: WeightOrder) -> Launch:
    """A launch that goes through an index table, in the order of windows."""
    x, y = request.inputs[0], request.outputs[0]
    source, made = source_of(x.type, request.attrs.geometry(x.type), request.attrs.groups), output_view(y.type)
    read, fill = input_launch(source, x, request)
    gather = forward_gather(request.attrs.windows(x.type))
    seen, places = gather.source.astype(np.int64), np.repeat(np.arange(gather.rows), np.diff(gather.start))
    samples = samples_filling_tiles(len(seen), TILE_ROWS, request.batch)
    table = window_tiles(source.geometry, seen, places, source.view, made, TILE_ROWS, samples)
    zeros = np.zeros(max(source.view.lanes, LANES), np.float32)
    operands = (read, source.view.sample, source.view.block, source.view.lanes, zeros, request.scratch["weights"])
    results = (y.array, made.sample, made.block, stored_columns(y.type), ending(request)[-1])
    tables = (table.samples, table.starts, table.taps, table.sources.ravel(), table.destinations.ravel())
    begins = np.flatnonzero(np.concatenate([[True], table.destinations[1:, 0] != table.destinations[:-1, -1]]))
    panels = packed_panels(order)

    arguments = (*operands, *_bias(request, order), *results, *tables, begins, panels, order.taps)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield multiply_windows, (n, *arguments)

    return one_after_another(fill, launch) if fill is not None else launch


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def convolve_strips(
    n,
    pieces,
    strips,
    x,
    x_sample,
    x_row,
    x_block,
    channels,
    distances,
    weights,
    panels,
    bias,
    bias_columns,
    y,
    y_sample,
    y_block,
    y_columns,
    limits,
):
    """y = maxima of bias + x*w, clipped, for the first ``n`` samples: every strip of a table, times every panel.

    A task is a piece of a sample and one panel. Tasks are ordered so that the smaller of weights and input is read
    again and again.
    """
    parts = n * pieces
    by_panel = n * x_sample * len(panels) < len(weights) * parts
    for number in prange(parts * len(panels)):
        task = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        chosen, part = panel_and_part(task, parts, len(panels), by_panel)
        panel, sample, piece = panels[chosen], part // pieces, part % pieces
        column = panel[FIRST_COLUMN]
        for place in range(piece * len(strips) // pieces, (piece + 1) * len(strips) // pieces):
            strip = strips[place]
            strip_tile(
                panel[VECTORS],
                strip[PLACES],
                x.ctypes.data + 4 * (sample * x_sample + strip[SOURCE]),
                4 * x_row,
                4 * x_block,
                channels,
                distances.ctypes.data,
                len(distances),
                weights.ctypes.data + 4 * panel[OFFSET],
                bias.ctypes.data + 4 * column,
                bias_columns - column,
                y.ctypes.data + 4 * (sample * y_sample + strip[PLACE] + column // LANES * y_block),
                y_columns - column,
                4 * y_block,
                limits.ctypes.data,
            )


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def multiply_windows(
    n,
    x,
    x_sample,
    x_block,
    lanes,
    zeros,
    weights,
    bias,
    bias_columns,
    y,
    y_sample,
    y_block,
    y_columns,
    limits,
    samples,
    starts,
    taps,
    sources,
    destinations,
    begins,
    panels,
    window_taps,
):
    """y = maxima of bias + x*w, clipped, for the first ``n`` samples: every tile of a table, times every panel.

    The table covers ``samples`` samples. A task is a run of tiles and one panel, and has whole windows: it begins at
    one of the tiles ``begins``. Tasks are ordered as those of :func:`convolve_strips`.
    """
    tiles = len(starts) - 1
    covers = ceil_divide(n, samples)
    runs = max(ceil_divide(samples * x_sample, CACHED_INPUT), ceil_divide(ENOUGH_TASKS, max(covers * len(panels), 1)))
    runs = min(runs, len(begins))
    parts = covers * runs
    by_panel = n * x_sample * len(panels) < len(weights) * parts
    for number in prange(parts * len(panels)):
        task = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        chosen, part = panel_and_part(task, parts, len(panels), by_panel)
        panel, cover, run = panels[chosen], part // runs, part % runs
        column = panel[FIRST_COLUMN]
        live = min(samples, n - cover * samples)
        end = begins[(run + 1) * len(begins) // runs] if run + 1 < runs else tiles
        for tile in range(begins[run * len(begins) // runs], end):
            first = tile * TILE_ROWS
            if destinations[first] >= live * y_sample:
                continue
            pooled_tile(
                panel[VECTORS],
                x.ctypes.data + 4 * cover * samples * x_sample,
                live * x_sample,
                zeros.ctypes.data,
                sources.ctypes.data + 4 * TILE_ROWS * starts[tile],
                taps.ctypes.data + 4 * starts[tile],
                starts[tile + 1] - starts[tile],
                panel[FIRST_CHANNEL],
                panel[END_CHANNEL],
                lanes,
                4 * x_block,
                weights.ctypes.data + 4 * panel[OFFSET],
                window_taps,
                4 * panel[ROW],
                bias.ctypes.data + 4 * column,
                bias_columns - column,
                y.ctypes.data + 4 * (cover * samples * y_sample + column // LANES * y_block),
                live * y_sample,
                destinations.ctypes.data + 4 * first,
                y_columns - column,
                4 * y_block,
                tile > 0 and destinations[first] == destinations[first - 1],
                limits.ctypes.data,
            )
