"""Products of tensors stretched over one another, their gradients, and a factor and a summand per channel.

A tensor is stretched by the way it is addressed: a table says which of its positions each position of the whole
meets, and one with a single channel has that in every lane.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Operand, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.copying import copy_channels
from netspec_numba.kernels.finishing import NO_RESIDUAL, UNCHANGED
from netspec_numba.kernels.lanes import (
    as_double,
    as_single,
    choose,
    lane_numbers,
    load_lanes,
    spread,
    store_first,
    sum_of_lanes,
)
from netspec_numba.kernels.loops import (
    Walk,
    check_layout,
    device,
    load,
    padded,
    parallel,
    parts,
    same_layout,
    serial,
    splits,
    store,
    walk,
)
from netspec_numba.kernels.scaling import scale_shift

Types = tuple[TensorType, ...]


class Stretch(NamedTuple):
    """Distances, in numbers, by which a tensor is addressed under the whole; ``narrow`` is 1 for a single channel."""

    sample: int
    block: int
    narrow: int


def stretch(tensor: TensorType, whole: TensorType) -> tuple[Stretch, Array]:
    """How ``tensor`` lies under ``whole``: distances, and where the row of each position begins."""
    check_layout(tensor, whole)
    block = LANES if tensor.block is None else tensor.positions * LANES
    narrow = tensor.channels < whole.channels
    sides = tensor.spatial or (1,) * len(whole.spatial)
    own = np.arange(tensor.positions).reshape(sides) * tensor.lanes
    rows = np.broadcast_to(own, whole.spatial).reshape(-1).astype(np.int64)
    return Stretch(tensor.stored if tensor.batched else 0, 0 if narrow else block, int(narrow)), rows


@kernel("multiply")
def multiply(request: Request) -> Launch:
    """Tensors of shapes that stretch to that of y -> y, their product."""
    (y,) = request.outputs
    return _multiply(request.inputs, y, request.batch)


def _multiply(factors: tuple[Operand, ...], y: Operand, batch: int) -> Launch:
    """The product of two, then that times each of the others; a single one is copied."""
    first, *others = factors
    if not others:
        return copy_channels(first, 0, y, 0, y.type.channels, batch)
    passes = [_multiply_two(first, others[0], y, batch), *(_multiply_two(y, other, y, batch) for other in others[1:])]

    @Calls
    def launch(n: int) -> Iterator[Call]:
        for each in passes:
            yield each, (n,)

    return launch


def _multiply_two(a: Operand, b: Operand, y: Operand, batch: int) -> Launch:
    (a_place, a_rows), (b_place, b_rows) = stretch(a.type, y.type), stretch(b.type, y.type)
    y_place, y_rows = stretch(y.type, y.type)
    blocks, writable = _blocks(y.type)
    pieces = splits(batch, blocks, y.type.positions)
    sizes = y.type.positions, blocks, pieces, writable

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield multiply_rows, (n, *sizes, a_place, b_place, y_place, a_rows, b_rows, y_rows, a.array, b.array, y.array)

    return launch


def _blocks(tensor: TensorType) -> tuple[int, int]:
    """Vectors of channels, and how many channels may be written in all: those of padding lanes too."""
    blocks = -(-tensor.channels // LANES)
    return blocks, tensor.channels if tensor.block is None else blocks * LANES


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Room for the product of all but the last factor, where there are more than two."""
    summed = inputs[0].shape != outputs[0].shape
    return {"product": inputs[0].stored * batch} if summed and len(inputs) > 2 else {}


@kernel("multiply.dx", scratch=_scratch)
def multiply_dx(request: Request) -> Launch:
    """(dy, the other factors) -> dx, their product summed over the axes along which x was stretched."""
    (dy, *others), (dx,) = request.inputs, request.outputs
    if dx.type.shape == dy.type.shape:
        return _multiply(request.inputs, dx, request.batch)
    if len(others) == 1:
        return _multiply_and_sum(dy, others[0], dx, dy.type, request.batch)
    product = Operand(dy.type, request.scratch["product"])
    multiplied = _multiply((dy, *others[:-1]), product, request.batch)
    summed = _multiply_and_sum(product, others[-1], dx, dy.type, request.batch)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield multiplied, (n,)
        yield summed, (n,)

    return launch


def _multiply_and_sum(a: Operand, b: Operand, y: Operand, whole: TensorType, batch: int) -> Launch:
    (a_place, a_rows), (b_place, b_rows) = stretch(a.type, whole), stretch(b.type, whole)
    y_place, y_rows = stretch(y.type, whole)
    order = np.argsort(y_rows, kind="stable")
    start = np.searchsorted(y_rows[order], np.arange(y.type.positions + 1) * y.type.lanes)
    blocks, writable = _blocks(y.type)
    sizes = whole.channels, -(-whole.channels // LANES), y.type.positions, blocks, y.type.lanes, writable
    own = Stretch(y_place.sample, LANES if y.type.block is None else y.type.positions * LANES, y_place.narrow)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        places, tables = (a_place, b_place, own), (start, order, a_rows, b_rows)
        yield multiply_and_sum, (n, *sizes, *places, *tables, a.array, b.array, y.array)

    return launch


def _scale_scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    return {"coefficients": 3 * padded(walk(inputs[0]))}


@kernel("scale", scratch=_scale_scratch)
def scale(request: Request) -> Launch:
    """(x[, scale][, shift]) -> y = x * scale + shift per channel."""
    (x, *parameters), (y,) = request.inputs, request.outputs
    same_layout(x.type, y.type)
    over = walk(x.type)
    learned = [operand.array for operand in parameters]
    by = None if isinstance(request.attrs.by, str) else float(request.attrs.by)
    factor = learned.pop(0) if by is None else np.full(over.channels, by, np.float32)
    summand = learned[0] if request.attrs.bias else np.zeros(over.channels, np.float32)
    coefficients = request.scratch["coefficients"]

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield lay_out_coefficients, (coefficients, over, factor, summand)
        yield scale_shift, (n, parts(over, n), over, x.array, y.array, coefficients, NO_RESIDUAL, UNCHANGED)

    return launch


@serial
def lay_out_coefficients(coefficients: Array, over: Walk, factor: Array, summand: Array) -> None:
    """factor, summand (channels,) -> coefficients (3, padded channels): what is taken off before, factor, summand."""
    coefficients[:] = 0.0
    padded_channels = over.blocks * LANES
    for channel in range(over.channels):
        coefficients[padded_channels + channel] = factor[channel]
        coefficients[2 * padded_channels + channel] = summand[channel]


@device
def factor_lanes(array: Array, at: int, narrow: int) -> Any:
    """LANES channels of a row, or its single channel in every lane."""
    if narrow:
        return spread(load(array, at))
    return load_lanes(array, at)


@parallel
def multiply_rows(
    n: int,
    positions: int,
    blocks: int,
    pieces: int,
    writable: int,
    a_place: Stretch,
    b_place: Stretch,
    y_place: Stretch,
    a_rows: Array,
    b_rows: Array,
    y_rows: Array,
    a: Array,
    b: Array,
    y: Array,
) -> None:
    """y = a * b at every position and vector of channels; y may be a or b where that is not stretched."""
    a_sample, a_block, a_narrow = a_place.sample, a_place.block, a_place.narrow
    b_sample, b_block, b_narrow = b_place.sample, b_place.block, b_place.narrow
    y_sample, y_block = y_place.sample, y_place.block
    for task in prange(n * blocks * pieces):
        plane, piece = task // pieces, task % pieces
        sample, block = plane // blocks, plane % blocks
        a_first, b_first = sample * a_sample + block * a_block, sample * b_sample + block * b_block
        y_first = sample * y_sample + block * y_block
        for position in range(piece * positions // pieces, (piece + 1) * positions // pieces):
            left = factor_lanes(a, a_first + load(a_rows, position), a_narrow)
            right = factor_lanes(b, b_first + load(b_rows, position), b_narrow)
            store_first(y, y_first + load(y_rows, position), left * right, writable - block * LANES)


@parallel
def multiply_and_sum(
    n: int,
    channels: int,
    whole_blocks: int,
    positions: int,
    blocks: int,
    lanes: int,
    writable: int,
    a_place: Stretch,
    b_place: Stretch,
    y_place: Stretch,
    start: Array,
    source: Array,
    a_rows: Array,
    b_rows: Array,
    a: Array,
    b: Array,
    y: Array,
) -> None:
    """y = sum of a * b over the whole's positions source[start[p]:start[p + 1]] and, if y is narrow, over channels.

    In float64 and in that order; padding lanes do not count.
    """
    a_sample, a_block, a_narrow = a_place.sample, a_place.block, a_place.narrow
    b_sample, b_block, b_narrow = b_place.sample, b_place.block, b_place.narrow
    y_sample, y_block, narrow = y_place.sample, y_place.block, y_place.narrow
    for task in prange(n * blocks * positions):
        sample, rest = task // (blocks * positions), task % (blocks * positions)
        block, position = rest // positions, rest % positions
        first_block, end_block = (0, whole_blocks) if narrow else (block, block + 1)
        total = spread(0.0)
        for each in range(first_block, end_block):
            a_first, b_first = sample * a_sample + each * a_block, sample * b_sample + each * b_block
            real = lane_numbers() < spread(np.int32(channels - each * LANES))
            for entry in range(load(start, position), load(start, position + 1)):
                at = load(source, entry)
                left = as_double(factor_lanes(a, a_first + load(a_rows, at), a_narrow))
                right = as_double(factor_lanes(b, b_first + load(b_rows, at), b_narrow))
                total = total + choose(real, left * right, spread(0.0))
        row = sample * y_sample + block * y_block + position * lanes
        if narrow:
            store(y, row, sum_of_lanes(total))
        else:
            store_first(y, row, as_single(total), writable - block * LANES)
