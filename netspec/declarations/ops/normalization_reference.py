"""Batch normalisation by its formulas (Ioffe and Szegedy 2015, algorithms 1 and 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.normalization import (
    BatchNorm,
    BatchNormDx,
    BatchNormFrozenDx,
    BatchNormMoving,
    BatchNormTrain,
    Moments,
)

Array = np.ndarray[Any, np.dtype[Any]]


def _affine(attrs: BatchNorm | BatchNormTrain, inputs: Sequence[Array]) -> tuple[Array | float, Array | float]:
    """Factor and summand per channel; 1 and 0 where not learned."""
    scale = inputs[1] if attrs.scale else 1.0
    return scale, inputs[1 + attrs.scale] if attrs.center else 0.0


def _over_channels(x: Array) -> tuple[int, ...]:
    return tuple(range(x.ndim - 1))


def batch_norm(attrs: BatchNorm, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x``, [scale], [shift], moving mean, moving variance to ``(x − mean)/√(variance + eps)·scale + shift``."""
    scale, shift = _affine(attrs, inputs)
    mean, variance = inputs[-2:]
    return ((inputs[0] - mean) / np.sqrt(variance + attrs.eps) * scale + shift,)


def batch_norm_frozen_dx(attrs: BatchNormFrozenDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``dy``, [scale], moving variance to ``dx = dy·scale/√(variance + eps)``."""
    scale = inputs[1] if attrs.scale else 1.0
    return (inputs[0] * scale / np.sqrt(inputs[-1] + attrs.eps),)


def moments(attrs: Moments, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,...,C)`` to mean, nothing that is missing from it, and variance (divided by m), ``(3, C)``."""
    return (moments_of(inputs[0]),)


def moments_of(x: Array) -> Array:
    """The moments (3, C) of ``x (N,...,C)``."""
    mean = x.mean(axis=_over_channels(x))
    return np.stack([mean, np.zeros_like(mean), ((x - mean) ** 2).mean(axis=_over_channels(x))])


def batch_norm_train(attrs: BatchNormTrain, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,...,C)``, [scale], [shift] to ``y``, and per channel mean, variance (divided by m), factor and summand."""
    x = inputs[0]
    scale, shift = _affine(attrs, inputs)
    mean = x.mean(axis=_over_channels(x))
    variance = ((x - mean) ** 2).mean(axis=_over_channels(x))
    factor = scale / np.sqrt(variance + attrs.eps)
    return (x - mean) * factor + shift, mean, variance, factor, np.broadcast_to(shift, factor.shape)


def _passed(attrs: BatchNormDx, inputs: Sequence[Array]) -> Array:
    """``dy``; where there is a gate only where ``(x − mean)·factor + summand`` lies strictly between its limits."""
    if attrs.gate is None:
        return inputs[3]
    low, high = attrs.gate
    y = (inputs[0] - inputs[1]) * inputs[-2] + inputs[-1]
    return np.where((low < y) & (y < high), inputs[3], 0.0)


def batch_norm_dx(attrs: BatchNormDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x``, mean, variance, ``dy``, [scale], … to ``scale/σ·(dy − mean(dy) − x̂ mean(dy x̂))``, [Σ dy x̂], [Σ dy]."""
    x, mean, variance = inputs[:3]
    dy = _passed(attrs, inputs)
    axes, sigma = _over_channels(x), np.sqrt(variance + attrs.eps)
    normalized = (x - mean) / sigma
    scale = inputs[4] if attrs.scale else 1.0
    dx = scale / sigma * (dy - dy.mean(axis=axes) - normalized * (dy * normalized).mean(axis=axes))
    dscale = ((dy * normalized).sum(axis=axes),) if attrs.scale else ()
    dshift = (dy.sum(axis=axes),) if attrs.center else ()
    return dx, *dscale, *dshift


def batch_norm_moving(attrs: BatchNormMoving, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Old mean and variance, those of the batch, to ``momentum·old + (1 − momentum)·batch``.

    The batch's variance counts as ``m/(m−1)`` times itself where ``unbiased``, m the numbers per channel (of one number
    as itself, 0).
    """
    moving_mean, moving_variance, mean, variance = inputs
    m = attrs.positions * context.samples
    if attrs.unbiased and m > 1:
        variance = variance * m / (m - 1)
    keep, move = attrs.momentum, 1 - attrs.momentum
    return keep * moving_mean + move * mean, keep * moving_variance + move * variance


def _inference_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    attrs = context.node.attrs
    scale, shift = _affine(attrs, inputs)
    mean, variance = inputs[-2:]
    sizes = np.abs(inputs[0]) + np.abs(mean)
    return (sizes / np.sqrt(variance + attrs.eps) * np.abs(scale) + np.abs(shift),)


def _training_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """A deviation x − mean is off by ``eps·(|x| + |mean|)``, the variance by that times the deviation.

    A variance formed as mean(x²) − mean² is not within this where the mean is large: such a form is not good enough.
    """
    x, attrs = inputs[0], context.node.attrs
    scale, shift = _affine(attrs, inputs)
    y, mean, variance, factor, summand = batch_norm_train(attrs, inputs, context)
    mean_size = np.abs(x).mean(axis=_over_channels(x))
    sizes, spread = np.abs(x) + mean_size, variance + attrs.eps
    square = (np.abs(x - mean) * sizes).mean(axis=_over_channels(x))
    of_y = sizes / np.sqrt(spread) * np.abs(scale) + np.abs(shift)
    return (
        of_y + np.abs(y - shift) * square / spread,
        mean_size,
        square,
        np.abs(factor) * (1 + square / spread),
        np.abs(summand) + mean_size * np.abs(factor),
    )


def moments_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Of each moment, as those of ``batch_norm.train``. What is missing from a mean is at most its rounding."""
    x = inputs[0]
    axes = _over_channels(x)
    size = np.abs(x).mean(axis=axes)
    return size, size, (np.abs(x - x.mean(axis=axes)) * (np.abs(x) + size)).mean(axis=axes)


def _stacked_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    return (np.stack(moments_magnitudes(inputs, context)),)


def _dx_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    x, mean, variance = inputs[:3]
    attrs = context.node.attrs
    axes, sigma = _over_channels(x), np.sqrt(variance + attrs.eps)
    normalized, dy = (np.abs(x) + np.abs(mean)) / sigma, np.abs(_passed(attrs, inputs))
    scale = np.abs(inputs[4]) if attrs.scale else 1.0
    dx = scale / sigma * (dy + dy.mean(axis=axes) + normalized * (dy * normalized).mean(axis=axes))
    sums = [(dy * normalized).sum(axis=axes)] if attrs.scale else []
    return dx, *sums, *([dy.sum(axis=axes)] if attrs.center else [])


def _per_channel(context: Context) -> int:
    return context.samples * context.x.positions


BOUNDS = {
    "batch_norm": Bound(2, scale=_inference_magnitudes),
    "batch_norm.frozen_dx": Bound(2),
    "moments": Bound(2, _per_channel, _stacked_magnitudes),
    "batch_norm.train": Bound(2, _per_channel, _training_magnitudes),
    "batch_norm.dx": Bound(2, _per_channel, _dx_magnitudes),
    "batch_norm.moving": Bound(2),
}


_IMAGE = (TensorType((4, 5, 3)),)

CASES = {
    "batch_norm": (
        Case(BatchNorm(momentum=0.5, eps=1e-3), (TensorType((4, 5, 33)),)),
        Case(BatchNorm(), (TensorType((17,)),)),
        Case(BatchNorm(), _IMAGE, magnitude=100),
        Case(BatchNorm(), _IMAGE, offset=1000),
        Case(BatchNorm(), (TensorType((17,)),), frozen=True),
        *(Case(BatchNorm(scale=scale), _IMAGE, frozen=True) for scale in (True, False)),
    ),
    "moments": (
        Case(Moments(), (TensorType((4, 5, 33)),)),
        Case(Moments(), (TensorType((17,)),)),
        Case(Moments(), _IMAGE, offset=1000),
    ),
}
