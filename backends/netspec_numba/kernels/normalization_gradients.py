"""The passes over memory of a batch normalisation's gradient: sums of dy, and of dy along x, then dx.

Each goes by parts and blocks of channels (:mod:`loops`). With many blocks, threads share these, and each block goes
through all passes by itself; the bits are the same.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import prange

from netspec_numba.contract import Array
from netspec_numba.host import LANES
from netspec_numba.kernels.finishing import Finish, finished
from netspec_numba.kernels.lanes import as_double, choose, lane, load_lanes, prefetch, spread, store_first, store_lanes
from netspec_numba.kernels.loops import AHEAD, Walk, device, parallel, serial, span
from netspec_numba.kernels.moments import TOGETHER, borrowing

MANY_BLOCKS = 8
"""Blocks of channels from which on threads share the blocks."""


class Gate(NamedTuple):
    """Where a gradient passes: where the forward output lies strictly between two limits."""

    shut: int
    """1 if that has to be asked, 0 where all of dy passes."""
    low: np.float32
    high: np.float32


@device
def passed(dy: Any, y: Any, gate: Gate) -> Any:
    """The vector dy with zeros where y is not between the limits of the gate."""
    zero = spread(np.float32(0.0))
    return choose(y > spread(gate.low), choose(y < spread(gate.high), dy, zero), zero)


@parallel
def gradients_by_blocks(
    n: int,
    parts: int,
    over: Walk,
    x: Array,
    dy: Array,
    dy_sample: int,
    scale: Array,
    summand: Array,
    gate: Gate,
    mean: Array,
    sums: Array,
    eps: float,
    weights: Array,
    variance: Array,
    dscale: Array,
    dshift: Array,
    coefficients: Array,
    dx: Array,
    ends: int,
    residual: Array,
    finish: Finish,
) -> None:
    """All of a gradient, one block of channels after the other, so that the second look at x and dy is into a cache."""
    blocks = over.blocks
    for number in prange(blocks):
        block = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        for part in range(parts):
            gather_part(part * blocks + block, n, over, x, dy, dy_sample, scale, summand, gate, mean, sums)
        join_block(block, n, parts, over, sums, eps, weights, variance, dscale, dshift, coefficients)
        for part in range(parts):
            write_part(
                part * blocks + block,
                n,
                over,
                x,
                dy,
                dy_sample,
                scale,
                summand,
                gate,
                mean,
                coefficients,
                dx,
                ends,
                residual,
                finish,
            )


@parallel
def gather_gradients(
    n: int,
    parts: int,
    over: Walk,
    x: Array,
    dy: Array,
    dy_sample: int,
    scale: Array,
    summand: Array,
    gate: Gate,
    mean: Array,
    sums: Array,
) -> None:
    """sums (parts, blocks, 2, LANES): sums of dy and of dy * (x - mean) over the rows of each part."""
    for task in prange(parts * over.blocks):
        gather_part(np.int64(task), n, over, x, dy, dy_sample, scale, summand, gate, mean, sums)


@borrowing
def gather_part(
    task: int,
    n: int,
    over: Walk,
    x: Array,
    dy: Array,
    dy_sample: int,
    scale: Array,
    summand: Array,
    gate: Gate,
    mean: Array,
    sums: Array,
) -> None:
    """The sums of one part and one block of channels."""
    block = task % over.blocks
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    first_sample, end_sample, first, end = span(over, n, task // over.blocks)
    centre = load_lanes(mean, block * LANES)
    opened, raised = load_lanes(scale, block * LANES), load_lanes(summand, block * LANES)
    slopes, along = spread(0.0), spread(0.0)
    for sample in range(first_sample, end_sample):
        plane = sample * sample_stride + block * block_stride
        slopes_plane = sample * dy_sample + block * block_stride
        for begin in range(first, end, TOGETHER):
            few_slopes, few_along = spread(np.float32(0.0)), spread(np.float32(0.0))
            for position in range(begin, min(end, begin + TOGETHER)):
                row, beside = plane + position * row_stride, slopes_plane + position * row_stride
                prefetch(x, row + AHEAD)
                prefetch(dy, beside + AHEAD)
                distance, slope = load_lanes(x, row) - centre, load_lanes(dy, beside)
                if gate.shut:
                    slope = passed(slope, distance * opened + raised, gate)
                few_slopes, few_along = few_slopes + slope, few_along + slope * distance
            slopes, along = slopes + as_double(few_slopes), along + as_double(few_along)
    store_lanes(sums, task * 2 * LANES, slopes)
    store_lanes(sums, task * 2 * LANES + LANES, along)


@parallel
def join_gradients(
    n: int,
    parts: int,
    over: Walk,
    sums: Array,
    eps: float,
    scale: Array,
    variance: Array,
    dscale: Array,
    dshift: Array,
    coefficients: Array,
) -> None:
    """Parameter gradients (C,), and coefficients (3, blocks*LANES): of dy, of x - mean, and the constant."""
    for block in prange(over.blocks):
        join_block(np.int64(block), n, parts, over, sums, eps, scale, variance, dscale, dshift, coefficients)


@serial
def join_block(
    block: int,
    n: int,
    parts: int,
    over: Walk,
    sums: Array,
    eps: float,
    scale: Array,
    variance: Array,
    dscale: Array,
    dshift: Array,
    coefficients: Array,
) -> None:
    """Gradients and coefficients of one block of channels; the parts in order."""
    blocks, channels = over.blocks, over.channels
    padded = blocks * LANES
    rows = n * over.positions
    at = block * 2 * LANES
    slopes, products = load_lanes(sums, at), load_lanes(sums, at + LANES)
    for part in range(1, parts):
        other = at + part * 2 * padded
        slopes = slopes + load_lanes(sums, other)
        products = products + load_lanes(sums, other + LANES)
    for each in range(min(LANES, channels - block * LANES)):
        channel = block * LANES + each
        slope, along = lane(slopes, each), lane(products, each)
        inverse = 1.0 / math.sqrt(variance[channel] + eps)
        dscale[channel], dshift[channel] = along * inverse, slope
        factor = scale[channel] * inverse
        coefficients[channel] = factor
        coefficients[padded + channel] = -factor * inverse * inverse * along / rows
        coefficients[2 * padded + channel] = -factor * slope / rows


@parallel
def input_gradient(
    n: int,
    parts: int,
    over: Walk,
    x: Array,
    dy: Array,
    dy_sample: int,
    scale: Array,
    summand: Array,
    gate: Gate,
    mean: Array,
    coefficients: Array,
    dx: Array,
    ends: int,
    residual: Array,
    finish: Finish,
) -> None:
    """dx = factor * (dy - mean of dy - normalised x * mean of dy * normalised x), the means in the coefficients."""
    for task in prange(parts * over.blocks):
        write_part(
            np.int64(task),
            n,
            over,
            x,
            dy,
            dy_sample,
            scale,
            summand,
            gate,
            mean,
            coefficients,
            dx,
            ends,
            residual,
            finish,
        )


@borrowing
def write_part(
    task: int,
    n: int,
    over: Walk,
    x: Array,
    dy: Array,
    dy_sample: int,
    scale: Array,
    summand: Array,
    gate: Gate,
    mean: Array,
    coefficients: Array,
    dx: Array,
    ends: int,
    residual: Array,
    finish: Finish,
) -> None:
    """The gradient of one part and one block of channels."""
    blocks, block, writable = over.blocks, task % over.blocks, over.writable
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    first_sample, end_sample, first, end = span(over, n, task // blocks)
    at = block * LANES
    centre, factor = load_lanes(mean, at), load_lanes(coefficients, at)
    along = load_lanes(coefficients, at + blocks * LANES)
    constant = load_lanes(coefficients, at + 2 * blocks * LANES)
    opened, raised = load_lanes(scale, at), load_lanes(summand, at)
    for sample in range(first_sample, end_sample):
        plane = sample * sample_stride + block * block_stride
        slopes_plane = sample * dy_sample + block * block_stride
        made = sample * over.result_stride + block * block_stride
        for position in range(first, end):
            row, beside = plane + position * row_stride, slopes_plane + position * row_stride
            there = made + position * row_stride
            prefetch(x, row + AHEAD)
            prefetch(dy, beside + AHEAD)
            if ends:
                prefetch(residual, there + AHEAD)
            centred, slope = load_lanes(x, row) - centre, load_lanes(dy, beside)
            if gate.shut:
                slope = passed(slope, centred * opened + raised, gate)
            value = factor * slope + (along * centred + constant)
            if ends:
                value = finished(value, residual, there, finish)
            store_first(dx, there, value, writable - at)
