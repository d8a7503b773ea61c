"""Convolutions and dense layers of bytes, and their weights.

x, y     bytes (N, *axes, C), plain: four neighbouring channels are one broadcast, whatever the number of channels
weight   int8 (*window, C, K), packed [panel][tap][group of 4 channels][vector][lane][4]

How x is read, and what becomes a column, :mod:`byte_reading` says. Sums are exact: the result does not depend on order,
threads or vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit, prange

from netspec.core.types import LARGEST_WEIGHT, Quantized
from netspec_numba.contract import Array, Call, Calls, Launch, Operand, Prepared, Request, Types, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.byte_layers import copy_padded_rows, held, relative
from netspec_numba.kernels.byte_reading import CHANNEL, END, FIRST_COLUMN, OFFSET, VECTORS, Reading, reading_of
from netspec_numba.kernels.byte_slides import slide_bytes, slide_of, window_offsets
from netspec_numba.kernels.byte_tiles import GROUP, byte_tile
from netspec_numba.kernels.drivers import CACHED_INPUT, ENOUGH_TASKS, ceil_divide
from netspec_numba.kernels.index_tables import forward_tiles, samples_filling_tiles
from netspec_numba.kernels.loops import parallel, serial
from netspec_numba.kernels.microkernels import PANEL_VECTORS, TILE_ROWS
from netspec_numba.kernels.views import Source, output_view

FLOAT_BYTES = 4


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Padded input rows."""
    reading = reading_of(attrs.layer, inputs[0], outputs[0])
    if reading.slides:
        slide = slide_of(reading, inputs[0], outputs[0], batch)
        return {"input": -(-batch * slide.pieces * slide.task // FLOAT_BYTES)}
    padding = reading.source.padding
    return {"input": -(-batch * padding.size // FLOAT_BYTES) + LANES} if padding else {}


def _prepared(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Packed weights, and biases and factors for every column."""
    reading = reading_of(attrs.layer, inputs[0], outputs[0])
    weights = int(reading.panels()[-1, OFFSET]) // FLOAT_BYTES
    return {"weights": weights, "bias": reading.columns, "factor": reading.columns}


@kernel("conv.int8", scratch=_scratch, prepared=_prepared)
def convolution(request: Request) -> Launch:
    """y = factor * (bias + x*w) + residual, as bytes or as float32."""
    x, weight, bias, factor, *residual = request.inputs
    (y,) = request.outputs
    reading, zero = reading_of(request.attrs.layer, x.type, y.type), held(x.type).zero
    panels, outputs = reading.panels(), y.type.channels
    repeats = reading.columns // outputs
    packed = request.scratch["weights"].view(np.int8)
    biases, factors = request.scratch["bias"].view(np.int32), request.scratch["factor"]
    sizes = reading.source.geometry.taps, reading.channels, reading.groups, outputs, reading.part, reading.step
    added = residual[0].array if residual else y.array
    operands = packed, panels, biases, factors, y.array, added, _ending(request, residual)

    @Calls
    def prepare(n: int) -> Iterator[Call]:
        if reading.apart:
            yield pack_channels, (weight.array, packed, panels, sizes[0], outputs)
        else:
            yield pack_bytes, (weight.array, packed, panels, *sizes)
        for columns, each in ((biases, bias), (factors, factor)):
            yield np.copyto, (columns.reshape(repeats, outputs), each.array[:outputs])

    launch = _sliding if reading.slides else _tiled
    return Prepared(prepare, launch(request, reading, zero, operands))


Operands = tuple[Array, Array, Array, Array, Array, Array, Array]
"""Packed weights, panels, biases, factors, y, the residual or y again, the ending."""


def _sliding(request: Request, reading: Reading, zero: int, operands: Operands) -> Launch:
    """A window that slides over images, channel by channel."""
    x = request.inputs[0]
    slide = slide_of(reading, x.type, request.outputs[0].type, request.batch)
    copied, offsets = request.scratch["input"].view(np.uint8), window_offsets(slide)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield slide_bytes, (n, slide, np.uint8(zero), x.array, copied, offsets, *operands)

    return launch


def _tiled(request: Request, reading: Reading, zero: int, operands: Operands) -> Launch:
    """Tiles of positions, wherever these lie."""
    x, (y,), source = request.inputs[0], request.outputs, reading.source
    samples = samples_filling_tiles(y.type.positions * y.type.channels // reading.columns, TILE_ROWS, request.batch)
    result = replace(output_view(y.type), position=reading.columns)
    table = forward_tiles(source.geometry, source.view, result, TILE_ROWS, samples, every_tap=zero != 0)
    read, fill = _input(request, source, x, zero)
    zeros = np.full(max(reading.groups * GROUP, PANEL_VECTORS * LANES), zero, np.uint8)
    live_rows = int((table.destinations >= 0).sum(axis=1).max(initial=0))
    tables = live_rows, table.samples, table.starts, table.taps, table.sources.ravel(), table.destinations.ravel()
    distances = source.view.sample, result.sample, reading.groups

    @Calls
    def launch(n: int) -> Iterator[Call]:
        if fill is not None:
            yield fill, (n,)
        yield multiply_bytes, (n, read, zeros, *distances, *operands, *tables)

    return launch


def _input(request: Request, source: Source, x: Operand, zero: int) -> tuple[Array, Launch | None]:
    """The array that is read, and what must run first to fill it."""
    padding = source.padding
    if padding is None:
        return x.array, None
    copied = request.scratch["input"].view(np.uint8)
    sizes = padding.row, padding.padded_row, padding.before

    @Calls
    def fill(n: int) -> Iterator[Call]:
        yield copy_padded_rows, (n * padding.rows, *sizes, zero, x.array, copied)

    return copied, fill


def _ending(request: Request, residual: list[Operand]) -> Array:
    """What ``ByteArguments`` calls the ending."""
    attrs = request.attrs
    y: Quantized | None = attrs.y
    if y is None:
        return np.zeros(5, np.float32)
    low, high = relative(y, attrs.low, attrs.high)
    added = held(residual[0].type) if residual else Quantized(0.0)
    return np.array([low, high, y.zero, added.zero, added.scale / y.scale], np.float32)


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def multiply_bytes(
    n,
    x,
    zeros,
    x_sample,
    y_sample,
    groups,
    weights,
    panels,
    bias,
    factor,
    y,
    residual,
    ending,
    live_rows,
    samples,
    starts,
    taps,
    sources,
    destinations,
):
    """y = the ending of bias + x*w for the first ``n`` samples: every tile of a table, times every panel of weights.

    The table covers ``samples`` samples, with at most ``live_rows`` in a tile. A task is a run of tiles, small enough
    for its input to stay in a cache while all panels pass over it.
    """
    distance = residual.ctypes.data - y.ctypes.data
    tiles = len(starts) - 1
    rows = 1 if live_rows == 1 else TILE_ROWS
    covers = ceil_divide(n, samples)
    runs = max(ceil_divide(samples * x_sample, CACHED_INPUT), ceil_divide(ENOUGH_TASKS, max(covers, 1)))
    runs = min(runs, tiles)
    for index in prange(covers * runs):
        task = np.int64(index)  # prange counts in uint64, which mixes with int64 to float64
        cover, run = task // runs, task % runs
        live = min(samples, n - cover * samples)
        for number in range(len(panels) - 1):
            column = panels[number, FIRST_COLUMN]
            for tile in range(run * tiles // runs, (run + 1) * tiles // runs):
                if destinations[tile * TILE_ROWS] >= live * y_sample:
                    continue
                byte_tile(
                    panels[number, VECTORS],
                    rows,
                    x.ctypes.data + cover * samples * x_sample + panels[number, CHANNEL],
                    live * x_sample,
                    zeros.ctypes.data,
                    sources.ctypes.data + 4 * TILE_ROWS * starts[tile],
                    taps.ctypes.data + 4 * starts[tile],
                    starts[tile + 1] - starts[tile],
                    groups,
                    weights.ctypes.data + panels[number, OFFSET],
                    panels[number, END] - column,
                    bias.ctypes.data + 4 * column,
                    factor.ctypes.data + 4 * column,
                    y.ctypes.data + y.itemsize * (cover * samples * y_sample + column),
                    live * y_sample,
                    destinations.ctypes.data + 4 * TILE_ROWS * tile,
                    distance,
                    ending.ctypes.data,
                )


@parallel
def pack_bytes(
    weight: Array,
    packed: Array,
    panels: Array,
    taps: int,
    channels: int,
    groups: int,
    outputs: int,
    part: int,
    step: int,
) -> None:
    """weight (taps, channels, outputs) -> packed [panel][tap][group][column of the panel][4], zeros around it.

    The channels of each further ``part`` columns begin ``step`` later.
    """
    for task in prange((len(panels) - 1) * taps):
        number, tap = task // taps, task % taps
        first, width = panels[number, FIRST_COLUMN], panels[number, VECTORS] * LANES
        start = panels[number, OFFSET] + tap * groups * width * GROUP
        for place in range(groups * width * GROUP):
            group, rest = place // (width * GROUP), place % (width * GROUP)
            column = first + rest // GROUP
            channel = panels[number, CHANNEL] + group * GROUP + rest % GROUP - column // part * step
            inside = column < panels[number, END] and 0 <= channel < channels
            at = (tap * channels + channel) * outputs + column % outputs
            packed[start + place] = weight[at] if inside else np.int8(0)


@serial
def pack_channels(weight: Array, packed: Array, panels: Array, taps: int, columns: int) -> None:
    """weight (taps, 1, columns) -> packed [panel][tap][column of the panel][4], of which the first is the weight."""
    for number in range(len(panels) - 1):
        first, width = panels[number, FIRST_COLUMN], panels[number, VECTORS] * LANES
        for tap in range(taps):
            start = panels[number, OFFSET] + tap * width * GROUP
            packed[start : start + width * GROUP] = 0
            for column in range(min(width, columns - first)):
                packed[start + column * GROUP] = weight[tap * columns + first + column]


@kernel("quantize.weights")
def quantize_weights(request: Request) -> Launch:
    """weight (..., K), bias (K) -> int8 (..., K), int32 (K), float32 (K)"""
    weight, *bias = (operand.array for operand in request.inputs)
    outputs = tuple(operand.array for operand in request.outputs)
    columns, attrs = request.inputs[0].type.channels, request.attrs
    numbers = bias[0] if bias else np.zeros(columns, np.float32)
    scale = 1.0 if attrs.y is None else float(attrs.y.scale)
    rows = request.inputs[0].type.elements // columns

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield round_weights, (rows, columns, attrs.x.scale, attrs.x.zero, scale, weight, numbers, *outputs)

    return launch


@serial
def round_weights(
    rows: int,
    columns: int,
    x_scale: float,
    x_zero: int,
    y_scale: float,
    weight: Array,
    bias: Array,
    made: Array,
    sums: Array,
    factor: Array,
) -> None:
    """weight, made (rows, columns); bias, sums, factor (columns,). In float64."""
    largest = np.zeros(columns, np.float64)
    for place in range(rows * columns):
        largest[place % columns] = max(largest[place % columns], abs(np.float64(weight[place])))
    scale = np.empty(columns, np.float64)
    total = np.zeros(columns, np.int64)
    for column in range(columns):
        scale[column] = (largest[column] if largest[column] > 0 else 1.0) / LARGEST_WEIGHT
    for place in range(rows * columns):
        rounded = np.int64(np.rint(np.float64(weight[place]) / scale[place % columns]))
        made[place] = rounded
        total[place % columns] += rounded
    for column in range(columns):
        unit = x_scale * scale[column]
        start = np.rint(np.float64(bias[column]) / unit) - np.float64(x_zero) * total[column]
        sums[column] = np.int32(min(max(start, -2147483648.0), 2147483647.0))
        factor[column] = np.float32(unit / y_scale)
