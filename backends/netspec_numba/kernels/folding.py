"""Batch normalisation folded into weights: a factor per output channel, worked out in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Request, kernel
from netspec_numba.kernels.loops import parallel, serial

Types = tuple[TensorType, ...]

ROWS_AT_ONCE = 256
"""Rows of weights that one task scales."""


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """A float64 factor for each channel."""
    return {"factors": 2 * outputs[1].channels}


@kernel("fold_norm", scratch=_scratch)
def fold_norm(request: Request) -> Launch:
    """weight (rows, C)[, bias][, scale][, shift], mean, variance -> weight, bias; all but the weights (C,)."""
    weight, *given, mean, variance = (operand.array for operand in request.inputs)
    new_weight, new_bias = (operand.array for operand in request.outputs)
    attrs, channels = request.attrs, request.outputs[1].type.channels
    zeros, ones = np.zeros(channels, np.float32), np.ones(channels, np.float32)
    bias = given.pop(0) if attrs.bias else zeros
    scale = given.pop(0) if attrs.scale else ones
    shift = given.pop(0) if attrs.center else zeros
    rows, eps = request.outputs[0].type.elements // channels, float(attrs.eps)
    factors = request.scratch["factors"].view(np.float64)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield fold_bias, (channels, eps, bias, scale, shift, mean, variance, factors, new_bias)
        yield scale_weights, (rows, channels, weight, factors, new_weight)

    return launch


@serial
def fold_bias(
    channels: int,
    eps: float,
    bias: Array,
    scale: Array,
    shift: Array,
    mean: Array,
    variance: Array,
    factors: Array,
    new: Array,
) -> None:
    """All (C,): the factor of each channel, and what the normalisation makes of the bias."""
    for channel in range(channels):
        factors[channel] = scale[channel] / math.sqrt(variance[channel] + eps)
        new[channel] = (np.float64(bias[channel]) - mean[channel]) * factors[channel] + shift[channel]


@parallel
def scale_weights(rows: int, channels: int, weight: Array, factors: Array, new: Array) -> None:
    """weight and new (rows, C), factors (C,)."""
    for task in prange((rows + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE):
        for row in range(task * ROWS_AT_ONCE, min(rows, (task + 1) * ROWS_AT_ONCE)):
            for channel in range(channels):
                new[row * channels + channel] = weight[row * channels + channel] * factors[channel]
