"""Normalisation within each sample by its formulas (Ba et al. 2016; Ulyanov et al. 2016; Wu and He 2018)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.group_normalization import (
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    SampleNorm,
    SampleNormDx,
)

Array = np.ndarray[Any, np.dtype[Any]]


def _normalized(x: Array, axes: tuple[int, ...], eps: float) -> Array:
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    return np.asarray((x - mean) / np.sqrt(variance + eps))


def _with_affine(attrs: LayerNorm | InstanceNorm | GroupNorm, y: Array, inputs: Sequence[Array]) -> tuple[Array, ...]:
    scale = inputs[1] if attrs.scale else 1.0
    shift = inputs[-1] if attrs.center else 0.0
    return (y * scale + shift,)


def layer_norm(attrs: LayerNorm, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,...,C)``, [scale], [shift] to ``(x − mean)/√(variance + eps)·scale + shift``, of all axes or the last."""
    x = inputs[0]
    axes = (x.ndim - 1,) if attrs.axes == "channels" else tuple(range(1, x.ndim))
    return _with_affine(attrs, _normalized(x, axes, attrs.eps), inputs)


def instance_norm(attrs: InstanceNorm, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The same with mean and variance over the positions of each channel."""
    x = inputs[0]
    return _with_affine(attrs, _normalized(x, tuple(range(1, x.ndim - 1)), attrs.eps), inputs)


def group_norm(attrs: GroupNorm, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The same with mean and variance over the positions and channels of each group of neighbouring channels."""
    parts = np.split(inputs[0], attrs.groups, axis=-1)
    y = np.concatenate([_normalized(x, tuple(range(1, x.ndim)), attrs.eps) for x in parts], axis=-1)
    return _with_affine(attrs, y, inputs)


MEAN_AXES = (2, 4)


def _cut(norm: SampleNorm, x: Array) -> Array:
    """``x (N,...,C)`` as (N, places, positions in each, groups, channels in each)."""
    places = int(np.prod(x.shape[1:-1], dtype=np.int64)) if norm.by_position else 1
    return x.reshape(len(x), places, -1, norm.groups, x.shape[-1] // norm.groups)


def _spread(norm: SampleNorm, statistic: Array, like: Array) -> Array:
    """Statistics ``(N, places·groups)`` as (N, places, 1, groups, 1)."""
    return statistic.reshape(len(like), -1, 1, norm.groups, 1)


def sample_norm(attrs: SampleNorm, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x``, [scale], [shift] to ``y``, and mean and variance ``(N, statistics)``, place by place, group by group."""
    x = inputs[0]
    cut = _cut(attrs, x)
    mean, variance = cut.mean(axis=MEAN_AXES, keepdims=True), cut.var(axis=MEAN_AXES, keepdims=True)
    y = ((cut - mean) / np.sqrt(variance + attrs.eps)).reshape(x.shape)
    scale, shift = inputs[1] if attrs.scale else 1.0, inputs[-1] if attrs.center else 0.0
    return y * scale + shift, mean.reshape(len(x), -1), variance.reshape(len(x), -1)


def sample_norm_dx(attrs: SampleNormDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x``, mean, variance, ``dy``, [scale] to ``dx = (g − mean(g) − x̂ mean(g x̂))/σ`` with ``g = dy·scale``, then
    [Σ dy x̂] and [Σ dy], over samples, and positions where they share the parameters."""
    x, mean, variance, dy = inputs[:4]
    norm = attrs.norm
    sigma = np.sqrt(_spread(norm, variance, x) + norm.eps)
    normalized = (_cut(norm, x) - _spread(norm, mean, x)) / sigma
    g = _cut(norm, dy * inputs[4] if norm.scale else dy)
    along = (g * normalized).mean(axis=MEAN_AXES, keepdims=True)
    dx = ((g - g.mean(axis=MEAN_AXES, keepdims=True) - normalized * along) / sigma).reshape(x.shape)
    return dx, *_affine_gradients(norm, normalized.reshape(x.shape), dy)


def _affine_gradients(norm: SampleNorm, normalized: Array, dy: Array) -> tuple[Array, ...]:
    over = (0,) if norm.whole else tuple(range(dy.ndim - 1))
    dscale = ((dy * normalized).sum(axis=over),) if norm.scale else ()
    return (*dscale, *((dy.sum(axis=over),) if norm.center else ()))


def _magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """As for batch normalisation: a deviation is off by ``eps·(|x| + |mean|)``, the variance by that times itself."""
    norm: SampleNorm = context.node.attrs
    x = inputs[0]
    cut = _cut(norm, x)
    mean = cut.mean(axis=MEAN_AXES, keepdims=True)
    spread = cut.var(axis=MEAN_AXES, keepdims=True) + norm.eps
    mean_size = np.abs(cut).mean(axis=MEAN_AXES, keepdims=True)
    sizes = np.abs(cut) + mean_size
    square = (np.abs(cut - mean) * sizes).mean(axis=MEAN_AXES, keepdims=True)
    of_y = (sizes / np.sqrt(spread) + np.abs(cut - mean) / np.sqrt(spread) * square / spread).reshape(x.shape)
    scale, shift = inputs[1] if norm.scale else 1.0, inputs[-1] if norm.center else 0.0
    flat = (each.reshape(len(x), -1) for each in (mean_size, square))
    return of_y * np.abs(scale) + np.abs(shift), *flat


def _dx_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    x, mean, variance, dy = inputs[:4]
    norm: SampleNorm = context.node.attrs.norm
    sigma = np.sqrt(_spread(norm, variance, x) + norm.eps)
    normalized = (np.abs(_cut(norm, x)) + np.abs(_spread(norm, mean, x))) / sigma
    g = _cut(norm, np.abs(dy * inputs[4] if norm.scale else dy))
    along = (g * normalized).mean(axis=MEAN_AXES, keepdims=True)
    dx = ((g + g.mean(axis=MEAN_AXES, keepdims=True) + normalized * along) / sigma).reshape(x.shape)
    return dx, *_affine_gradients(norm, normalized.reshape(x.shape), np.abs(dy))


def _terms(context: Context) -> int:
    """Numbers in a mean, or in the sum of a parameter's gradient, whichever are more."""
    attrs = context.node.attrs
    norm: SampleNorm = attrs.norm if isinstance(attrs, SampleNormDx) else attrs
    return max(context.x.elements // norm.statistics(context.x), context.samples * context.x.positions)


BOUNDS = {
    "sample_norm": Bound(2, _terms, _magnitudes),
    "sample_norm.dx": Bound(2, _terms, _dx_magnitudes),
}

_SHAPES = ((33,), (6, 3), (5, 4, 3), (3, 4, 17), (3, 2, 4, 2))
_IMAGE = (TensorType((4, 5, 6)),)
_LONG = (TensorType((300, 6)),)
"""Positions that are cut into several parts."""


def _group_cases() -> Iterator[Case]:
    for shape in _SHAPES:
        for groups in {1, shape[-1] // 2 if shape[-1] % 2 == 0 else shape[-1]} - ({33} if len(shape) == 1 else set()):
            yield Case(GroupNorm(groups=groups), (TensorType(shape),))
    for scale, center in ((True, False), (False, True), (False, False)):
        yield Case(GroupNorm(groups=3, scale=scale, center=center), _IMAGE)
    yield Case(GroupNorm(groups=11), (TensorType((33,)),))
    yield Case(GroupNorm(groups=2, eps=0.1), (TensorType((40, 1, 34)),))
    yield Case(GroupNorm(groups=2), _LONG, offset=100)


CASES = {
    "group_norm": tuple(_group_cases()),
    "layer_norm": (
        *(Case(LayerNorm(axes=axes), _LONG) for axes in ("channels", "all")),
        *(Case(LayerNorm(axes=axes), _IMAGE, offset=1000) for axes in ("channels", "all")),
        *(Case(LayerNorm(axes=axes), _IMAGE, frozen=True) for axes in ("channels", "all")),
        Case(LayerNorm(), (TensorType((3, 2, 70)),), magnitude=50),
        Case(LayerNorm(axes="all"), (TensorType((4, 3, 1)),)),
    ),
    "instance_norm": (Case(InstanceNorm(), _LONG), Case(InstanceNorm(), _IMAGE, offset=1000)),
}
