"""Batch normalisation whose moments, and whose gradient's means, are those of the batch of all ranks.

The passes over memory are those of :mod:`normalization`; between them stands what the ranks exchange.
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
from netspec_numba.kernels.normalization_gradients import Gate, gather_gradients, input_gradient, join_gradients
from netspec_numba.kernels.scaling import scale_shift

Types = tuple[TensorType, ...]
OPEN = Gate(0, np.float32(-math.inf), np.float32(math.inf))
"""All of a gradient passes."""


def _moments_scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    return {} if attrs.given else {"cells": rows_size(inputs[0], batch), "moments": 3 * inputs[0].channels}


def _coefficients(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Three coefficients for each channel."""
    return {"coefficients": 3 * padded(walk(inputs[0]))}


def _sums_scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Two float64 sums for each lane of each part, and the coefficients that are made beside them."""
    over = walk(inputs[0])
    return {"sums": 4 * parts(over, batch) * padded(over), "coefficients": 3 * padded(over)}


@kernel("batch_norm.moments", scratch=_moments_scratch)
def batch_norm_moments(request: Request) -> Launch:
    """(x[, moments]) -> (mean, what is missing from it as it is rounded, variance), all (C,)."""
    x, channels = request.inputs[0], request.inputs[0].type.channels
    given = request.attrs.given
    moments = request.inputs[1].array if given else request.scratch["moments"]
    gather = None if given else moments_of(x, request.scratch["cells"], moments)
    rows = moments.reshape(-1)[: 3 * channels].reshape(3, channels)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        if gather is not None:
            yield gather, (n,)
        for operand, row in zip(request.outputs, rows, strict=True):
            yield np.copyto, (operand.array[:channels], row)

    return launch


@kernel("batch_norm.synchronized", scratch=_coefficients, epilogue=True)
def batch_norm_synchronized(request: Request) -> Launch:
    """(x, mean, missing, variance, share, samples[, scale][, shift]) -> y, which may be x."""
    x, mean, missing, variance, _, _, *given = request.inputs
    y = request.outputs[0]
    same_layout(x.type, y.type)
    over, eps, channels = walk(x.type), float(request.attrs.eps), x.type.channels
    affine = [operand.array for operand in given]
    scale = affine.pop(0) if request.attrs.scale else np.ones(channels, np.float32)
    shift = affine.pop(0) if request.attrs.center else np.zeros(channels, np.float32)
    coefficients = request.scratch["coefficients"]
    moments = mean.array, missing.array, variance.array
    residual, finish = finishing(request)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield whole_coefficients, (over, eps, scale, shift, *moments, coefficients)
        yield scale_shift, (n, parts(over, n), over, x.array, y.array, coefficients, residual, finish)

    return launch


@kernel("batch_norm.sums", scratch=_sums_scratch)
def batch_norm_sums(request: Request) -> Launch:
    """(x, mean, variance, dy) -> sums of dy times the normalised x, and of dy, both (C,)."""
    x, mean, variance, dy = request.inputs
    along, slope = (operand.array for operand in request.outputs)
    same_layout(x.type, dy.type)
    over, eps = walk(x.type), float(request.attrs.eps)
    ones = np.ones(x.type.channels, np.float32)
    sums, coefficients = request.scratch["sums"].view(np.float64), request.scratch["coefficients"]
    given = _given(x, dy, mean)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        count = parts(over, n)
        yield gather_gradients, (n, count, over, *given, sums)
        yield join_gradients, (n, count, over, sums, eps, ones, variance.array, along, slope, coefficients)

    return launch


@kernel("batch_norm.synchronized_dx", scratch=_coefficients)
def batch_norm_synchronized_dx(request: Request) -> Launch:
    """(x, mean, variance, dy, mean of dy times the normalised x, mean of dy[, scale]) -> dx, which may be x or dy."""
    x, mean, variance, dy, along, slope, *given = request.inputs
    dx = request.outputs[0]
    same_layout(x.type, dy.type, dx.type)
    over, eps = walk(x.type), float(request.attrs.eps)
    scale = given[0].array if request.attrs.scale else np.ones(x.type.channels, np.float32)
    coefficients = request.scratch["coefficients"]
    means = along.array, slope.array
    read = _given(x, dy, mean)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield whole_gradient, (over, eps, scale, variance.array, *means, coefficients)
        yield input_gradient, (n, parts(over, n), over, *read, coefficients, dx.array, 0, NO_RESIDUAL, UNCHANGED)

    return launch


def _given(x: Operand, dy: Operand, mean: Operand) -> tuple[Any, ...]:
    """What the kernels of a gradient read, where all of dy passes."""
    return x.array, dy.array, dy.type.sample_stride, mean.array, mean.array, OPEN, mean.array


@serial
def whole_coefficients(
    over: Walk,
    eps: float,
    scale: Array,
    shift: Array,
    mean: Array,
    missing: Array,
    variance: Array,
    coefficients: Array,
) -> None:
    """scale, shift, mean, missing, variance (C,) -> coefficients (3, blocks*LANES) of ``scale_shift``."""
    padded = over.blocks * LANES
    for channel in range(over.channels):
        factor = scale[channel] / math.sqrt(np.float64(variance[channel]) + eps)
        coefficients[channel] = mean[channel]
        coefficients[padded + channel] = factor
        # What rounding took from the mean is given back through the shift.
        coefficients[2 * padded + channel] = shift[channel] - np.float64(missing[channel]) * factor


@serial
def whole_gradient(
    over: Walk, eps: float, scale: Array, variance: Array, along: Array, slope: Array, coefficients: Array
) -> None:
    """scale, variance, the two means (C,) -> coefficients (3, blocks*LANES) of ``input_gradient``."""
    padded = over.blocks * LANES
    for channel in range(over.channels):
        inverse = 1.0 / math.sqrt(np.float64(variance[channel]) + eps)
        factor = scale[channel] * inverse
        coefficients[channel] = factor
        coefficients[padded + channel] = -factor * inverse * along[channel]
        coefficients[2 * padded + channel] = -factor * slope[channel]
