"""Batch normalisation over the batch of all ranks, by its formulas; what ranks exchange comes in as an input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType, scalar
from netspec.declarations.ops.normalization_reference import moments_magnitudes
from netspec.declarations.ops.synchronized_normalization import (
    BatchNormDeviations,
    BatchNormMeanOfSum,
    BatchNormMoments,
    BatchNormSums,
    BatchNormSynchronized,
    BatchNormSynchronizedDx,
    BatchNormVariance,
)

Array = np.ndarray[Any, np.dtype[Any]]


def _over_channels(x: Array) -> tuple[int, ...]:
    return tuple(range(x.ndim - 1))


def batch_norm_moments(attrs: BatchNormMoments, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,...,C)`` to mean, 0, since float64 misses nothing of it, and variance (divided by m)."""
    x = inputs[0]
    mean = x.mean(axis=_over_channels(x))
    return mean, np.zeros_like(mean), ((x - mean) ** 2).mean(axis=_over_channels(x))


def batch_norm_synchronized(
    attrs: BatchNormSynchronized, inputs: Sequence[Array], context: Context
) -> tuple[Array, ...]:
    """``x``, moments, share, samples, [scale], [shift] to ``(x − mean − missing)/√(variance + eps)·scale + shift``."""
    x, mean, missing, variance, _, _, *affine = inputs
    scale = affine.pop(0) if attrs.scale else 1.0
    shift = affine.pop(0) if attrs.center else 0.0
    return ((x - mean - missing) / np.sqrt(variance + attrs.eps) * scale + shift,)


def batch_norm_sums(attrs: BatchNormSums, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x``, mean, variance, ``dy`` to ``Σ dy x̂`` and ``Σ dy``."""
    x, mean, variance, dy = inputs
    normalized = (x - mean) / np.sqrt(variance + attrs.eps)
    return (dy * normalized).sum(axis=_over_channels(x)), dy.sum(axis=_over_channels(x))


def batch_norm_synchronized_dx(
    attrs: BatchNormSynchronizedDx, inputs: Sequence[Array], context: Context
) -> tuple[Array, ...]:
    """``x``, mean, variance, ``dy``, the means a and b, [scale] to ``scale/σ·(dy − b − x̂ a)``."""
    x, mean, variance, dy, along, slope, *scale = inputs
    sigma = np.sqrt(variance + attrs.eps)
    return ((scale[0] if attrs.scale else 1.0) / sigma * (dy - slope - (x - mean) / sigma * along),)


def _synchronized_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    attrs = context.node.attrs
    x, mean, missing, variance, _, _, *affine = map(np.abs, inputs)
    scale = affine.pop(0) if attrs.scale else 1.0
    shift = affine.pop(0) if attrs.center else 0.0
    return ((x + mean + missing) / np.sqrt(variance + attrs.eps) * scale + shift,)


def _sums_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    x, mean, variance, dy = map(np.abs, inputs)
    normalized = (x + mean) / np.sqrt(variance + context.node.attrs.eps)
    return (dy * normalized).sum(axis=_over_channels(x)), dy.sum(axis=_over_channels(x))


def _dx_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    attrs = context.node.attrs
    x, mean, variance, dy, along, slope, *scale = map(np.abs, inputs)
    sigma = np.sqrt(variance + attrs.eps)
    return ((scale[0] if attrs.scale else 1.0) / sigma * (dy + slope + (x + mean) / sigma * along),)


def _per_channel(context: Context) -> int:
    return context.samples * context.x.positions


BOUNDS = {
    "batch_norm.moments": Bound(2, _per_channel, moments_magnitudes),
    "batch_norm.synchronized": Bound(2, scale=_synchronized_magnitudes),
    "batch_norm.sums": Bound(2, _per_channel, _sums_magnitudes),
    "batch_norm.synchronized_dx": Bound(3, scale=_dx_magnitudes),
}

_VECTOR = TensorType((5,), batched=False)

CASES = {
    "batch_norm.moments": tuple(
        Case(BatchNormMoments(), (TensorType(shape),), offset=offset)
        for shape, offset in (((4, 5, 33), 0.0), ((17,), 0.0), ((4, 5, 3), 1000.0))
    ),
    "batch_norm.deviations": (Case(BatchNormDeviations(), (_VECTOR,) * 4 + (scalar(),)),),
    "batch_norm.variance": (Case(BatchNormVariance(), (_VECTOR,) * 2),),
    "batch_norm.mean_of_sum": (Case(BatchNormMeanOfSum(positions=3), (_VECTOR, scalar(), scalar())),),
}
"""What is given a variance occurs in whole steps, where it is none below 0 (:mod:`netspec.testing.networks`)."""
