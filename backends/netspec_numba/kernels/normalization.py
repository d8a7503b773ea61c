"""Batch normalisation (Ioffe and Szegedy 2015): statistics over the live samples and all positions.

Means and variances are those that the kernel which stored x has gathered, or come from a pass over x (:mod:`moments`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Launch, Operand, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.finishing import NO_RESIDUAL, UNCHANGED, finishing
from netspec_numba.kernels.lanes import as_double, choose, lane, load_lanes, prefetch, spread, store_first, store_lanes
from netspec_numba.kernels.loops import AHEAD, Walk, device, padded, parallel, parts, same_layout, serial, span, walk
from netspec_numba.kernels.moments import TOGETHER, moments_of, rows_size
from netspec_numba.kernels.scaling import scale_shift

Types = tuple[TensorType, ...]


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Two float64 sums for each lane of each part, and three coefficients for each channel."""
    over = walk(inputs[0])
    return {"sums": 4 * parts(over, batch) * padded(over), "coefficients": 3 * padded(over)}


def _inference_scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    return {"coefficients": 3 * padded(walk(inputs[0]))}


def _scale_and_shift(attrs: Any, given: tuple[Operand, ...], channels: int) -> tuple[Array, Array]:
    """The scale and shift among the operands given, which hold those that attrs says; 1 and 0 for the others."""
    arrays = [operand.array for operand in given]
    scale = arrays.pop(0) if attrs.scale else np.ones(channels, np.float32)
    return scale, arrays.pop(0) if attrs.center else np.zeros(channels, np.float32)


def _training_scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Three coefficients for each channel; where moments are not given, these and what they are made of."""
    made = {} if attrs.given else {"cells": rows_size(inputs[0], batch), "moments": 3 * inputs[0].channels}
    return {**_inference_scratch(attrs, inputs, outputs, batch, threads), **made}


@kernel("batch_norm.train", scratch=_training_scratch, epilogue=True)
def batch_norm_train(request: Request) -> Launch:
    """(x[, scale][, shift][, moments]) -> (y, mean, variance, factor, summand), all (C,) but y, which may be x."""
    x, (y, *statistics) = request.inputs[0], request.outputs
    arrays = tuple(operand.array for operand in statistics)
    same_layout(x.type, y.type)
    over, eps = walk(x.type), float(request.attrs.eps)
    scale, shift = _scale_and_shift(request.attrs, request.inputs[1:], x.type.channels)
    coefficients, given = request.scratch["coefficients"], request.attrs.given
    moments = request.inputs[-1].array if given else request.scratch["moments"]
    gather = None if given else moments_of(x, request.scratch["cells"], moments)
    residual, finish = finishing(request)

    def launch(n: int) -> None:
        if gather is not None:
            gather(n)
        training_coefficients(over, eps, scale, shift, moments, *arrays, coefficients)
        scale_shift(n, parts(over, n), over, x.array, y.array, coefficients, residual, finish)

    return launch


@kernel("batch_norm", scratch=_inference_scratch, epilogue=True)
def batch_norm(request: Request) -> Launch:
    """(x[, scale][, shift], moving mean, moving variance) -> y, by statistics gathered before; y may be x."""
    x, *given, mean, variance = request.inputs
    y = request.outputs[0]
    same_layout(x.type, y.type)
    over, eps = walk(x.type), float(request.attrs.eps)
    scale, shift = _scale_and_shift(request.attrs, tuple(given), x.type.channels)
    coefficients = request.scratch["coefficients"]
    residual, finish = finishing(request)

    def launch(n: int) -> None:
        inference_coefficients(over, eps, scale, shift, mean.array, variance.array, coefficients)
        scale_shift(n, parts(over, n), over, x.array, y.array, coefficients, residual, finish)

    return launch


@kernel("batch_norm.frozen_dx", scratch=_inference_scratch)
def batch_norm_frozen_dx(request: Request) -> Launch:
    """(dy[, scale], moving variance) -> dx = dy * scale / deviation; dx may be dy."""
    dy, *given, variance = request.inputs
    dx = request.outputs[0]
    same_layout(dy.type, dx.type)
    over, eps = walk(dy.type), float(request.attrs.eps)
    zeros = np.zeros(dy.type.channels, np.float32)
    scale = given[0].array if request.attrs.scale else np.ones(dy.type.channels, np.float32)
    coefficients = request.scratch["coefficients"]

    def launch(n: int) -> None:
        inference_coefficients(over, eps, scale, zeros, zeros, variance.array, coefficients)
        scale_shift(n, parts(over, n), over, dy.array, dx.array, coefficients, NO_RESIDUAL, UNCHANGED)

    return launch


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


@kernel("batch_norm.dx", scratch=_scratch)
def batch_norm_dx(request: Request) -> Launch:
    """(x, mean, variance, dy[, scale][, factor, summand]) -> (dx[, dscale][, dshift]); dx may be x or dy."""
    x, mean, variance, dy = request.inputs[:4]
    dx = request.outputs[0]
    same_layout(x.type, dy.type, dx.type)
    over, eps = walk(x.type), float(request.attrs.eps)
    channels = x.type.channels
    scale = request.inputs[4].array if request.attrs.scale else np.ones(channels, np.float32)
    wanted = [operand.array for operand in request.outputs[1:]]
    dscale = wanted.pop(0) if request.attrs.scale else np.empty(channels, np.float32)
    dshift = wanted.pop(0) if request.attrs.center else np.empty(channels, np.float32)
    sums, coefficients = request.scratch["sums"].view(np.float64), request.scratch["coefficients"]
    low, high = request.attrs.gate or (-math.inf, math.inf)
    gate = Gate(int(request.attrs.gate is not None), np.float32(low), np.float32(high))
    factor, summand = (operand.array for operand in request.inputs[-2:])

    def launch(n: int) -> None:
        count = parts(over, n)
        gather_gradients(n, count, over, x.array, dy.array, factor, summand, gate, mean.array, sums)
        join_gradients(n, count, over, sums, eps, scale, variance.array, dscale, dshift, coefficients)
        input_gradient(n, count, over, x.array, dy.array, factor, summand, gate, mean.array, coefficients, dx.array)

    return launch


@kernel("batch_norm.moving")
def batch_norm_moving(request: Request) -> Launch:
    """(moving mean, moving variance, mean, variance) -> new moving mean and variance, in place if one wants."""
    old_mean, old_variance, mean, variance = (operand.array for operand in request.inputs)
    new_mean, new_variance = (operand.array for operand in request.outputs)
    momentum, positions = float(request.attrs.momentum), int(request.attrs.positions)
    unbiased, channels = bool(request.attrs.unbiased), request.outputs[0].type.channels

    def launch(n: int) -> None:
        rows = n * positions
        factor = rows / (rows - 1) if unbiased and rows > 1 else 1.0
        move(channels, momentum, 1.0, old_mean, mean, new_mean)
        move(channels, momentum, factor, old_variance, variance, new_variance)

    return launch


@serial
def training_coefficients(
    over: Walk,
    eps: float,
    scale: Array,
    shift: Array,
    moments: Array,
    mean: Array,
    variance: Array,
    factors: Array,
    summands: Array,
    coefficients: Array,
) -> None:
    """scale, shift (C,), moments (3, C) -> mean, variance, factors, summands (C,), coefficients (3, blocks*LANES)."""
    channels, padded = over.channels, over.blocks * LANES
    for channel in range(channels):
        mean[channel], variance[channel] = moments[channel], moments[2 * channels + channel]
        factor = scale[channel] / math.sqrt(np.float64(variance[channel]) + eps)
        # What rounding took from the mean is given back through the shift.
        summand = shift[channel] - np.float64(moments[channels + channel]) * factor
        factors[channel], summands[channel] = factor, summand
        coefficients[channel] = mean[channel]
        coefficients[padded + channel] = factor
        coefficients[2 * padded + channel] = summand


@serial
def inference_coefficients(
    over: Walk, eps: float, scale: Array, shift: Array, mean: Array, variance: Array, coefficients: Array
) -> None:
    """scale, shift, mean, variance (C,) -> coefficients (3, blocks*LANES) of ``scale_shift``."""
    padded = over.blocks * LANES
    for channel in range(over.channels):
        coefficients[channel] = mean[channel]
        coefficients[padded + channel] = scale[channel] / math.sqrt(variance[channel] + eps)
        coefficients[2 * padded + channel] = shift[channel]


@parallel
def gather_gradients(
    n: int,
    parts: int,
    over: Walk,
    x: Array,
    dy: Array,
    scale: Array,
    summand: Array,
    gate: Gate,
    mean: Array,
    sums: Array,
) -> None:
    """sums (parts, blocks, 2, LANES): sums of dy and of dy * (x - mean) over the rows of each part."""
    blocks = over.blocks
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(parts * blocks):
        block = task % blocks
        first_sample, end_sample, first, end = span(over, n, task // blocks)
        centre = load_lanes(mean, block * LANES)
        opened, raised = load_lanes(scale, block * LANES), load_lanes(summand, block * LANES)
        slopes, along = spread(0.0), spread(0.0)
        for sample in range(first_sample, end_sample):
            plane = sample * sample_stride + block * block_stride
            for begin in range(first, end, TOGETHER):
                few_slopes, few_along = spread(np.float32(0.0)), spread(np.float32(0.0))
                for position in range(begin, min(end, begin + TOGETHER)):
                    row = plane + position * row_stride
                    prefetch(x, row + AHEAD)
                    prefetch(dy, row + AHEAD)
                    distance, slope = load_lanes(x, row) - centre, load_lanes(dy, row)
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
    blocks, channels = over.blocks, over.channels
    padded = blocks * LANES
    rows = n * over.positions
    for block in prange(blocks):
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
    scale: Array,
    summand: Array,
    gate: Gate,
    mean: Array,
    coefficients: Array,
    dx: Array,
) -> None:
    """dx = factor * (dy - mean of dy - normalised x * mean of dy * normalised x), the means in the coefficients."""
    blocks, writable = over.blocks, over.writable
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(parts * blocks):
        block = task % blocks
        first_sample, end_sample, first, end = span(over, n, task // blocks)
        at = block * LANES
        centre, factor = load_lanes(mean, at), load_lanes(coefficients, at)
        along = load_lanes(coefficients, at + blocks * LANES)
        constant = load_lanes(coefficients, at + 2 * blocks * LANES)
        opened, raised = load_lanes(scale, at), load_lanes(summand, at)
        for sample in range(first_sample, end_sample):
            plane = sample * sample_stride + block * block_stride
            for position in range(first, end):
                row = plane + position * row_stride
                prefetch(x, row + AHEAD)
                prefetch(dy, row + AHEAD)
                centred, slope = load_lanes(x, row) - centre, load_lanes(dy, row)
                if gate.shut:
                    slope = passed(slope, centred * opened + raised, gate)
                store_first(dx, row, factor * slope + (along * centred + constant), writable - at)


@serial
def move(channels: int, momentum: float, factor: float, old: Array, batch: Array, new: Array) -> None:
    """new = old * momentum + (1 - momentum) * factor * batch, all (C,); new may be old."""
    for channel in range(channels):
        new[channel] = old[channel] * momentum + (1.0 - momentum) * factor * batch[channel]
