"""Batch normalisation (Ioffe and Szegedy 2015): statistics over the live samples and all positions.

Means and variances are those that the kernel which stored x has gathered, or come from a pass over x (:mod:`moments`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Operand, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.finishing import NO_RESIDUAL, UNCHANGED, finishing
from netspec_numba.kernels.loops import Walk, padded, parts, same_layout, serial, walk
from netspec_numba.kernels.moments import moments_of, rows_size
from netspec_numba.kernels.normalization_gradients import (
    MANY_BLOCKS,
    Gate,
    gather_gradients,
    gradients_by_blocks,
    input_gradient,
    join_gradients,
)
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


def _cells(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    return {"cells": rows_size(inputs[0], batch)}


@kernel("moments", scratch=_cells, slices=True)
def moments(request: Request) -> Launch:
    """x -> (3, C): mean, what is missing from it as it is rounded, variance."""
    return moments_of(request.inputs[0], request.scratch["cells"], request.outputs[0].array)


@kernel("batch_norm.train", scratch=_training_scratch, epilogue=True, slices=True)
def batch_norm_train(request: Request) -> Launch:
    """(x[, scale][, shift][, moments]) -> (y, mean, variance, factor, summand), all (C,) but y, which may be x."""
    x, (y, *statistics) = request.inputs[0], request.outputs
    arrays = tuple(operand.array for operand in statistics)
    same_layout(x.type, y.type)
    over, eps = walk(x.type, y.type), float(request.attrs.eps)
    scale, shift = _scale_and_shift(request.attrs, request.inputs[1:], x.type.channels)
    coefficients, given = request.scratch["coefficients"], request.attrs.given
    moments = request.inputs[-1].array if given else request.scratch["moments"]
    gather = None if given else moments_of(x, request.scratch["cells"], moments)
    residual, finish = finishing(request)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        if gather is not None:
            yield gather, (n,)
        yield training_coefficients, (over, eps, scale, shift, moments, *arrays, coefficients)
        yield scale_shift, (n, parts(over, n), over, x.array, y.array, coefficients, residual, finish)

    return launch


def inference_arguments(
    attrs: Any, x: TensorType, parameters: tuple[Operand, ...], coefficients: Array
) -> tuple[Any, ...]:
    """What ``inference_coefficients`` takes to find those of a ``batch_norm`` of x from its parameters."""
    *given, mean, variance = parameters
    affine = _scale_and_shift(attrs, tuple(given), x.channels)
    return walk(x), float(attrs.eps), *affine, mean.array, variance.array, coefficients


@kernel("batch_norm", scratch=_inference_scratch, epilogue=True, slices=True)
def batch_norm(request: Request) -> Launch:
    """(x[, scale][, shift], moving mean, moving variance) -> y, by statistics gathered before; y may be x."""
    x, y = request.inputs[0], request.outputs[0]
    same_layout(x.type, y.type)
    over, coefficients = walk(x.type, y.type), request.scratch["coefficients"]
    arguments = inference_arguments(request.attrs, x.type, request.inputs[1:], coefficients)
    residual, finish = finishing(request)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield inference_coefficients, arguments
        yield scale_shift, (n, parts(over, n), over, x.array, y.array, coefficients, residual, finish)

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

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield inference_coefficients, (over, eps, scale, zeros, zeros, variance.array, coefficients)
        yield scale_shift, (n, parts(over, n), over, dy.array, dx.array, coefficients, NO_RESIDUAL, UNCHANGED)

    return launch


@kernel("batch_norm.dx", scratch=_scratch, epilogue=True, slices=True)
def batch_norm_dx(request: Request) -> Launch:
    """(x, mean, variance, dy[, scale][, factor, summand]) -> (dx[, dscale][, dshift]); dx may be x or dy.

    What an epilogue adds, such as the gradient of the other branch, may be where dx goes.
    """
    x, mean, variance, dy = request.inputs[:4]
    dx = request.outputs[0]
    same_layout(x.type, dy.type, dx.type)
    over, eps = walk(x.type, dx.type), float(request.attrs.eps)
    channels, dy_sample = x.type.channels, dy.type.sample_stride
    scale = request.inputs[4].array if request.attrs.scale else np.ones(channels, np.float32)
    wanted = [operand.array for operand in request.outputs[1:]]
    dscale = wanted.pop(0) if request.attrs.scale else np.empty(channels, np.float32)
    dshift = wanted.pop(0) if request.attrs.center else np.empty(channels, np.float32)
    sums, coefficients = request.scratch["sums"].view(np.float64), request.scratch["coefficients"]
    low, high = request.attrs.gate or (-math.inf, math.inf)
    gate = Gate(int(request.attrs.gate is not None), np.float32(low), np.float32(high))
    factor, summand = (operand.array for operand in request.inputs[-2:])
    given = (x.array, dy.array, dy_sample, factor, summand, gate, mean.array)
    joined = (scale, variance.array, dscale, dshift, coefficients)
    ending = (int(request.epilogue is not None), *finishing(request))

    @Calls
    def launch(n: int) -> Iterator[Call]:
        count = parts(over, n)
        if over.blocks >= MANY_BLOCKS:
            yield gradients_by_blocks, (n, count, over, *given, sums, eps, *joined, dx.array, *ending)
            return
        yield gather_gradients, (n, count, over, *given, sums)
        yield join_gradients, (n, count, over, sums, eps, *joined)
        yield input_gradient, (n, count, over, *given, coefficients, dx.array, *ending)

    return launch


@kernel("batch_norm.moving")
def batch_norm_moving(request: Request) -> Launch:
    """(moving mean, moving variance, mean, variance) -> new moving mean and variance, in place if one wants."""
    old_mean, old_variance, mean, variance = (operand.array for operand in request.inputs)
    new_mean, new_variance = (operand.array for operand in request.outputs)
    momentum, positions = float(request.attrs.momentum), int(request.attrs.positions)
    unbiased, channels = bool(request.attrs.unbiased), request.outputs[0].type.channels

    @Calls
    def launch(n: int) -> Iterator[Call]:
        rows = n * positions
        factor = rows / (rows - 1) if unbiased and rows > 1 else 1.0
        yield move, (channels, momentum, 1.0, old_mean, mean, new_mean)
        yield move, (channels, momentum, factor, old_variance, variance, new_variance)

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


@serial
def move(channels: int, momentum: float, factor: float, old: Array, batch: Array, new: Array) -> None:
    """new = old * momentum + (1 - momentum) * factor * batch, all (C,); new may be old."""
    for channel in range(channels):
        new[channel] = old[channel] * momentum + (1.0 - momentum) * factor * batch[channel]
