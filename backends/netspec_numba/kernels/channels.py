"""Joining and cutting tensors, sums per channel and over samples, and an affine map per channel."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec_numba.contract import NOTHING, Array, Call, Calls, Launch, Operand, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.copying import copy_along_axis, copy_channels
from netspec_numba.kernels.finishing import NO_RESIDUAL, UNCHANGED
from netspec_numba.kernels.lanes import as_double, as_single, load_lanes, spread, store_first
from netspec_numba.kernels.loops import (
    Walk,
    padded,
    parallel,
    parts,
    per_lane,
    same_layout,
    serial,
    walk,
)
from netspec_numba.kernels.moves import copy_floats
from netspec_numba.kernels.scaling import scale_shift
from netspec_numba.kernels.sums import sum_channels

WIDE = 4 * LANES
"""Channels from which a plain row is long enough to vectorise well."""


@kernel("concat", slices=True)
def concat(request: Request) -> Launch:
    """k inputs -> y, end to end along the axis; those that lie there already stay where they are."""
    (y,) = request.outputs
    axis = request.attrs.axis_index(len(y.type.spatial))
    copies, offset = [], 0
    for x in request.inputs:
        count = x.type.shape[axis]
        if not y.type.batched:
            copies.append(_copy_statistics(x, y, offset, axis))
        elif not _lies_in(x, y, offset):
            copies.append(_copy(x, 0, y, offset, count, axis, request.batch))
        offset += count

    @Calls
    def launch(n: int) -> Iterator[Call]:
        for copy in copies:
            yield copy, (n,)

    return launch


@kernel("concat.dx", slices=True)
def concat_dx(request: Request) -> Launch:
    """dy -> dx, the slice of dy that begins at ``attrs.offset`` and is as long as dx; dx may be that part of dy."""
    (dy,), (dx,) = request.inputs, request.outputs
    axis, offset = request.attrs.axis_index(len(dy.type.spatial)), int(request.attrs.offset)
    if _lies_in(dx, dy, offset):
        return NOTHING  # the numbers are there already
    return _copy(dy, offset, dx, 0, dx.type.shape[axis], axis, request.batch)


def _lies_in(part: Operand, whole: Operand, channel: int) -> bool:
    """Whether the storage of ``part`` is that of the channels of ``whole`` from ``channel`` on."""
    begin = whole.array.ctypes.data + channel * whole.type.positions * whole.array.itemsize
    return part.type.pitch is not None and part.array.ctypes.data == begin


def _copy(
    source: Operand, from_place: int, target: Operand, to_place: int, count: int, axis: int, batch: int
) -> Launch:
    channels = len(source.type.shape) - 1
    blocked = source.type.block == target.type.block == LANES
    if axis == channels and blocked and from_place % LANES == to_place % LANES == 0:
        return _copy_blocks(source, from_place, target, to_place, count, batch)
    if axis == channels:
        return copy_channels(source, from_place, target, to_place, count, batch)
    if source.type.block != target.type.block:
        raise ValueError(f"{source.type} and {target.type} differ in layout")
    return copy_along_axis(source, from_place, target, to_place, count, axis, batch)


def _copy_statistics(source: Operand, target: Operand, place: int, axis: int) -> Launch:
    """Copy all of what is not batched, and small, to where it begins along the axis."""
    inner = math.prod(source.type.shape[axis + 1 :])
    rows, width, row = math.prod(source.type.shape[:axis]), source.type.shape[axis] * inner, target.type.shape[axis]
    arguments = rows, width, row * inner, place * inner, source.array, target.array

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield copy_statistics, arguments

    return launch


@serial
def copy_statistics(rows: int, width: int, row: int, first: int, x: Array, y: Array) -> None:
    """x (rows, width) to where it begins in y, the rows of which are ``row`` long."""
    for each in range(rows):
        copy_floats(y.ctypes.data + 4 * (each * row + first), x.ctypes.data + 4 * each * width, width)


def _copy_blocks(
    source: Operand, from_channel: int, target: Operand, to_channel: int, count: int, batch: int
) -> Launch:
    """Whole blocks lie end to end, so they are copied as places along one axis; a broken one channel by channel."""
    whole = count // LANES
    last = count % LANES
    copies = []
    if whole:
        planes = (_as_planes(source), from_channel // LANES, _as_planes(target), to_channel // LANES)
        copies.append(copy_along_axis(*planes, whole, 0, batch))
    if last:
        done = whole * LANES
        copies.append(copy_channels(source, from_channel + done, target, to_channel + done, last, batch))

    @Calls
    def launch(n: int) -> Iterator[Call]:
        for copy in copies:
            yield copy, (n,)

    return launch


def _as_planes(operand: Operand) -> Operand:
    """Blocked storage seen as a plain tensor of (blocks, numbers in a block)."""
    shape = (operand.type.blocks, operand.type.positions * LANES)
    return Operand(replace(operand.type, shape=shape, block=None), operand.array)


def _scratch(
    attrs: Any, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], batch: int, threads: int
) -> Mapping[str, int]:
    """A float64 sum for each lane of each part."""
    over = walk(inputs[0])
    return {"sums": 2 * parts(over, batch) * padded(over)}


@kernel("channel_sum", scratch=_scratch, slices=True)
def channel_sum(request: Request) -> Launch:
    """dy -> (C,), the sum over live samples and positions."""
    (dy,), (total,) = request.inputs, request.outputs
    over, sums = walk(dy.type), request.scratch["sums"].view(np.float64)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield sum_channels, (n, parts(over, n), over, dy.array, sums, total.array)

    return launch


@kernel("sample_sum")
def sample_sum(request: Request) -> Launch:
    """dy -> the sum over live samples, plain."""
    (dy,), (total,) = request.inputs, request.outputs
    over = walk(dy.type)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield sum_samples, (n, over, dy.array, total.array)

    return launch


@kernel("affine")
def affine(request: Request) -> Launch:
    """x (uint8 or float32) -> y = x * scale + shift, float32, each one number or one per channel."""
    (x,), (y,) = request.inputs, request.outputs
    same_layout(x.type, y.type)
    kind, repeats = _widened(x.type)
    over = walk(kind)
    rows = [per_lane(0.0, over)]
    for values in (request.attrs.scale, request.attrs.shift):
        each = np.broadcast_to(np.array(values, np.float32), (x.type.channels,))
        rows.append(per_lane(np.tile(each, repeats), over))
    coefficients = np.concatenate(rows)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield scale_shift, (n, parts(over, n), over, x.array, y.array, coefficients, NO_RESIDUAL, UNCHANGED)

    return launch


def _widened(tensor: TensorType) -> tuple[TensorType, int]:
    """A plain image of few channels seen as fewer positions of more channels, and how many it takes for one.

    Rows of one or three numbers would leave the vector units idle.
    """
    if tensor.block is not None or tensor.channels >= WIDE or tensor.positions == 1:
        return tensor, 1
    positions = tensor.positions
    enough = -(-WIDE // tensor.channels)
    repeats = next((each for each in range(enough, positions) if positions % each == 0), positions)
    return replace(tensor, shape=(positions // repeats, tensor.channels * repeats)), repeats


@parallel
def sum_samples(n: int, over: Walk, x: Array, total: Array) -> None:
    """total (positions, channels) of x, the samples in order."""
    blocks, channels = over.blocks, over.channels
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(over.positions * blocks):
        position, block = task // blocks, task % blocks
        row = block * block_stride + position * row_stride
        joined = spread(0.0)
        for sample in range(n):
            joined = joined + as_double(load_lanes(x, sample * sample_stride + row))
        store_first(total, position * channels + block * LANES, as_single(joined), channels - block * LANES)
