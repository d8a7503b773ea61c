"""Layers of bytes that multiply no weights: to bytes and back, sums, channels side by side, pooling, moves.

Activations are plain, (N, *axes, C). What is done number by number goes over a tensor as if it were flat.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import prange

from netspec.core.axis_map import AxisMap
from netspec.core.declare import declaration_of
from netspec.core.types import Quantized, TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Operand, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.byte_rows import LONG, copy_bytes, fill_bytes, largest_rows
from netspec_numba.kernels.copying import copy_rows
from netspec_numba.kernels.lanes import as_bits, as_single, choose, load_lanes, spread, store_bytes, store_first
from netspec_numba.kernels.loops import Walk, device, load, parallel, parts, per_lane, span, splits, store, walk
from netspec_numba.kernels.movement import position_table
from netspec_numba.kernels.pooling import average_divisor
from netspec_numba.kernels.windows import Gather, forward_gather

ROUNDER = np.float32(1.5 * 2**23)
"""Added to a float32 below 2**22 in size it leaves the nearest whole number, the even one of two, in the low bits."""
ROUNDER_BITS = np.int32(ROUNDER.view(np.int32))
PART = 16384
"""Bytes that a task takes of a flat tensor."""


def held(tensor: TensorType) -> Quantized:
    """What the bytes of a tensor stand for; raises ValueError where they stand for nothing."""
    if tensor.quantized is None:
        raise ValueError(f"{tensor} holds no bytes that stand for numbers")
    return tensor.quantized


def relative(y: Quantized, low: int, high: int) -> tuple[np.float32, np.float32]:
    """The limits of bytes as they are before the zero is added."""
    return np.float32(low - y.zero), np.float32(high - y.zero)


@device
def rounded(value: Any, low: np.float32, high: np.float32, zero: np.int32) -> Any:
    """float32 lanes in units of the output's scale as int32 lanes that fit a byte; NaN becomes the lowest."""
    value = choose(value > spread(low), value, spread(low))
    value = choose(value > spread(high), spread(high), value)
    return as_bits(value + spread(ROUNDER)) - spread(ROUNDER_BITS) + spread(zero)


@kernel("quantize")
def quantize(request: Request) -> Launch:
    """x (uint8 or float32, any layout) -> bytes."""
    (x,), (y,) = request.inputs, request.outputs
    seen = _flat(x.type)
    over, repeats = walk(seen), seen.channels // x.type.channels
    factor, summand = (
        per_lane(np.tile(np.broadcast_to(np.float32(np.array(each) / request.attrs.y.scale), x.type.channels), repeats),
                 over)
        for each in (request.attrs.factor, request.attrs.summand)
    )  # fmt: skip
    held_by = held(y.type)
    ending = (*relative(held_by, 0, 255), np.int32(held_by.zero))

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield to_bytes, (n, parts(over, n), over, x.array, y.array, factor, summand, *ending)

    return launch


def _flat(tensor: TensorType) -> TensorType:
    """A plain tensor as one position of all its numbers, so that no vector is partly filled but the last."""
    return tensor if tensor.block else TensorType((tensor.elements,), tensor.dtype)


@parallel
def to_bytes(
    n: int,
    count: int,
    over: Walk,
    x: Array,
    y: Array,
    factor: Array,
    summand: Array,
    low: np.float32,
    high: np.float32,
    zero: np.int32,
) -> None:
    """x as ``over`` says -> y (n, positions, channels); factor, summand (channels,)."""
    for part in prange(count):
        first_sample, end_sample, first, end = span(over, n, part)
        for sample in range(first_sample, end_sample):
            for block in range(over.blocks):
                channel = block * LANES
                by, plus = load_lanes(factor, channel), load_lanes(summand, channel)
                for position in range(first, end):
                    at = sample * over.sample_stride + block * over.block_stride + position * over.row_stride
                    value = as_single(load_lanes(x, at)) * by + plus
                    to = (sample * over.positions + position) * over.channels + channel
                    store_bytes(y, to, rounded(value, low, high, zero), over.channels - channel)


@kernel("dequantize")
def dequantize(request: Request) -> Launch:
    """bytes -> float32, plain or blocked."""
    (x,), (y,) = request.inputs, request.outputs
    over, given = walk(_flat(y.type)), held(x.type)
    scale, zero = np.float32(given.scale), np.int32(given.zero)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield to_floats, (n, parts(over, n), over, x.array, y.array, scale, zero)

    return launch


@parallel
def to_floats(n: int, count: int, over: Walk, x: Array, y: Array, scale: np.float32, zero: np.int32) -> None:
    """x (n, positions, channels) -> y as ``over`` says."""
    for part in prange(count):
        first_sample, end_sample, first, end = span(over, n, part)
        for sample in range(first_sample, end_sample):
            for block in range(over.blocks):
                channel = block * LANES
                for position in range(first, end):
                    numbers = load_lanes(x, (sample * over.positions + position) * over.channels + channel)
                    at = sample * over.sample_stride + block * over.block_stride + position * over.row_stride
                    value = as_single(numbers - spread(zero)) * spread(scale)
                    store_first(y, at, value, over.writable - channel)


@kernel("add.int8")
def add(request: Request) -> Launch:
    """Two tensors of bytes -> their sum."""
    (a, b), (y,) = request.inputs, request.outputs
    given, other, made = held(a.type), held(b.type), held(y.type)
    scales = (np.float32(given.scale / made.scale), np.float32(other.scale / made.scale))
    zeros = np.int32(given.zero), np.int32(other.zero), np.int32(made.zero)
    limits, stored = relative(made, request.attrs.low, request.attrs.high), y.type.stored

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield add_bytes, (n * stored, a.array, b.array, y.array, *scales, *zeros, *limits)

    return launch


@parallel
def add_bytes(
    total: int,
    a: Array,
    b: Array,
    y: Array,
    a_scale: np.float32,
    b_scale: np.float32,
    a_zero: np.int32,
    b_zero: np.int32,
    zero: np.int32,
    low: np.float32,
    high: np.float32,
) -> None:
    """All (total,)."""
    for part in prange((total + PART - 1) // PART):
        end = min(total, (part + 1) * PART)
        for at in range(part * PART, end, LANES):
            left = as_single(load_lanes(a, at) - spread(a_zero)) * spread(a_scale)
            right = as_single(load_lanes(b, at) - spread(b_zero)) * spread(b_scale)
            store_bytes(y, at, rounded(left + right, low, high, zero), end - at)


@kernel("rescale")
def rescale(request: Request) -> Launch:
    """Bytes -> bytes of another scale."""
    (x,), (y,) = request.inputs, request.outputs
    limits = request.attrs.low, request.attrs.high
    return _rescaled(x, y, 0, limits)


@kernel("concat.int8")
def concat(request: Request) -> Launch:
    """Tensors of bytes -> one, the channels of all beside each other."""
    (y,) = request.outputs
    launches, offset = [], 0
    for x in request.inputs:
        launches.append(_rescaled(x, y, offset, (0, 255)))
        offset += x.type.channels

    @Calls
    def launch(n: int) -> Iterator[Call]:
        for each in launches:
            yield each, (n,)

    return launch


def _rescaled(x: Operand, y: Operand, offset: int, limits: tuple[int, int]) -> Launch:
    """Bring the channels of x into those of y from ``offset`` on."""
    given, made = held(x.type), held(y.type)
    whole = x.type.channels == y.type.channels
    sizes = (x.type.elements, x.type.elements) if whole else (x.type.channels, y.type.channels)
    rows = 1 if whole else x.type.positions
    numbers = np.float32(given.scale / made.scale), np.int32(given.zero), np.int32(made.zero)
    ending = relative(made, *limits)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield rescale_rows, (n * rows, *sizes, offset, x.array, y.array, *numbers, *ending)

    return launch


@parallel
def rescale_rows(
    rows: int,
    width: int,
    y_width: int,
    offset: int,
    x: Array,
    y: Array,
    scale: np.float32,
    x_zero: np.int32,
    zero: np.int32,
    low: np.float32,
    high: np.float32,
) -> None:
    """x (rows, width) -> y (rows, y_width), from ``offset`` on in each row."""
    chunk = max(1, PART // width)
    for part in prange((rows + chunk - 1) // chunk):
        for row in range(part * chunk, min(rows, (part + 1) * chunk)):
            for at in range(0, width, LANES):
                value = as_single(load_lanes(x, row * width + at) - spread(x_zero)) * spread(scale)
                store_bytes(y, row * y_width + offset + at, rounded(value, low, high, zero), width - at)


@kernel("max_pool.int8")
def max_pool(request: Request) -> Launch:
    """x -> the largest byte under each window, or in each bin."""
    (x,), (y,) = request.inputs, request.outputs
    pool = request.attrs.pool
    gather = forward_gather(pool.bins(x.type) if hasattr(pool, "bins") else pool.geometry(x.type))
    sizes = x.type.channels, x.type.positions, y.type.positions, splits(request.batch, 1, y.type.positions)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield largest_bytes, (n, *sizes, gather.start, gather.source, x.array, y.array)

    return launch


@parallel
def largest_bytes(
    n: int, channels: int, inputs: int, outputs: int, pieces: int, start: Array, source: Array, x: Array, y: Array
) -> None:
    """x (n, inputs, channels) -> y (n, outputs, channels); the tables are a ``Gather``'s."""
    for task in prange(n * pieces):
        sample, piece = task // pieces, task % pieces
        last = (piece + 1) * outputs // pieces
        for position in range(piece * outputs // pieces, last):
            to = (sample * outputs + position) * channels
            entries = start[position], start[position + 1]
            largest_rows(y, to, x, sample * inputs * channels, source, *entries, channels, (last - position) * channels)


@kernel("mean.int8")
def mean(request: Request) -> Launch:
    """x -> the mean of the bytes under each window, or of all."""
    (x,), (y,) = request.inputs, request.outputs
    gather, divisor = _averaged(request.attrs.pool, x.type)
    given, made = held(x.type), held(y.type)
    factor = np.float32(given.scale / (made.scale * divisor))
    cells = (np.diff(gather.start) * given.zero).astype(np.int32)
    sizes = x.type.channels, x.type.positions, gather.rows, splits(request.batch, 1, gather.rows)
    ending = (*relative(made, 0, 255), np.int32(made.zero))

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield mean_bytes, (n, *sizes, gather.start, gather.source, cells, factor, x.array, y.array, *ending)

    return launch


def _averaged(pool: Any, x: TensorType) -> tuple[Gather, Array]:
    """Which positions go into each mean, and by what their sum is divided."""
    if declaration_of(pool).name == "avg_pool":
        geometry = pool.geometry(x)
        return forward_gather(geometry), average_divisor(pool, geometry, x).astype(np.float64)
    every = np.arange(x.positions, dtype=np.int32)
    ones = np.ones(x.positions, np.float32)
    return Gather(np.array([0, x.positions], np.int32), every, every, ones), np.array([x.positions], np.float64)


@parallel
def mean_bytes(
    n: int,
    channels: int,
    inputs: int,
    outputs: int,
    pieces: int,
    start: Array,
    source: Array,
    zeros: Array,
    factor: Array,
    x: Array,
    y: Array,
    low: np.float32,
    high: np.float32,
    zero: np.int32,
) -> None:
    """x (n, inputs, channels) -> y (n, outputs, channels); the tables are a ``Gather``'s, one factor and one sum of the
    zeros for each output."""
    for task in prange(n * pieces):
        sample, piece = task // pieces, task % pieces
        for position in range(piece * outputs // pieces, (piece + 1) * outputs // pieces):
            for at in range(0, channels, LANES):
                total = spread(np.int32(-zeros[position]))
                for entry in range(start[position], start[position + 1]):
                    total = total + load_lanes(x, (sample * inputs + source[entry]) * channels + at)
                value = as_single(total) * spread(np.float32(factor[position]))
                made = rounded(value, low, high, zero)
                store_bytes(y, (sample * outputs + position) * channels + at, made, channels - at)


@kernel("move.int8")
def move(request: Request) -> Launch:
    """x -> y, each byte of y from where the op's maps say; the zero where nothing comes in."""
    (x,), (y,) = request.inputs, request.outputs
    *spatial, channels = request.attrs.move.axis_maps(x.type)
    zero, runs = held(x.type).zero, _runs(channels, x.type.channels)
    if all(axis is None for axis in spatial):
        alone = len(runs) == 1 and runs[0][0] == 0
        return _among_other_channels(x, y, runs[0][1], zero) if alone else _picked_channels(x, y, runs, zero)
    segments = [
        (int(source) * x.type.channels + from_channel, position * y.type.channels + to_channel, width)
        for position, source in _places(position_table(spatial, x.type))
        for from_channel, to_channel, width in runs
    ]
    moved = copy_rows(x, y, 1, segments, request.batch)
    stored = y.type.stored
    if sum(width for _, _, width in segments) == y.type.elements:
        return moved

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield y.array[: n * stored].fill, (zero,)
        yield moved, (n,)

    return launch


def _among_other_channels(x: Operand, y: Operand, before: int, zero: int) -> Launch:
    """The channels of x, as many as fit, from ``before`` on; the zero around them."""
    rows, width, y_width = x.type.positions, x.type.channels, y.type.channels

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield copy_padded_rows, (n * rows, width, y_width, before, zero, x.array, y.array)

    return launch


def _picked_channels(x: Operand, y: Operand, runs: list[tuple[int, int, int]], zero: int) -> Launch:
    """The channels of x in another order; the zero where none comes in."""
    sizes, places = (x.type.channels, y.type.channels), np.full(y.type.channels, -1, np.int64)
    for begin, to, width in runs:
        places[to : to + width] = np.arange(begin, begin + width)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield pick_bytes, (n * x.type.positions, *sizes, places, zero, x.array, y.array)

    return launch


def _places(cells: Gather) -> list[tuple[int, int]]:
    """Output positions that something comes in at, each with where it comes from."""
    rows = np.repeat(np.arange(cells.rows), np.diff(cells.start))
    return list(zip(rows.tolist(), cells.source.tolist(), strict=True))


def _runs(channels: AxisMap | None, count: int) -> list[tuple[int, int, int]]:
    """Runs of neighbouring channels (first in x, first in y, width)."""
    if channels is None:
        return [(0, 0, count)]
    found: list[tuple[int, int, int]] = []
    for to, row in enumerate(channels.rows):
        if not row:
            continue
        source = row[0][0]
        first, begun, width = found[-1] if found else (-2, -2, 0)
        if source == first + width and to == begun + width:
            found[-1] = (first, begun, width + 1)
        else:
            found.append((source, to, 1))
    return found


@parallel
def pick_bytes(rows: int, width: int, y_width: int, places: Array, zero: int, x: Array, y: Array) -> None:
    """x (rows, width) -> y (rows, y_width), from where ``places`` (y_width,) says; the zero where that is -1."""
    chunk = max(1, PART // y_width)
    for part in prange((rows + chunk - 1) // chunk):
        for row in range(part * chunk, min(rows, (part + 1) * chunk)):
            for to in range(y_width):
                place = load(places, to)
                store(y, row * y_width + to, load(x, row * width + place) if place >= 0 else np.uint8(zero))


@parallel
def copy_padded_rows(rows: int, width: int, y_width: int, before: int, zero: int, x: Array, y: Array) -> None:
    """x (rows, width) -> y (rows, y_width): ``before`` zeros in front, and others behind."""
    chunk = max(1, PART // y_width)
    kept, blank = min(width, y_width - before), np.uint8(zero)
    behind = y_width - before - kept
    whole = y_width < LONG  # then one fill is less than two
    for part in prange((rows + chunk - 1) // chunk):
        for row in range(part * chunk, min(rows, (part + 1) * chunk)):
            begin = row * y_width
            if whole:
                fill_bytes(y, begin, y_width, blank)
            else:
                fill_bytes(y, begin, before, blank)
                fill_bytes(y, begin + before + kept, behind, blank)
            copy_bytes(y, begin + before, x, row * width, kept)
