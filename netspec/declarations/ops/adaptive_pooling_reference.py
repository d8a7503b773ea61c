"""Pooling over bins, bin by bin."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.core.window import BinGeometry
from netspec.declarations.ops.adaptive_pooling import (
    AdaptiveAvgPool,
    AdaptiveAvgPoolDx,
    AdaptiveMaxPool,
    AdaptiveMaxPoolDx,
    GlobalMaxPool,
)

Array = np.ndarray[Any, np.dtype[Any]]


def _boxes(bins: BinGeometry) -> Iterator[tuple[tuple[Any, ...], tuple[slice, ...]]]:
    """Index of each bin in the output, with the cells of the input that it holds."""
    edges = [bins.bins(axis) for axis in range(len(bins.input))]
    for place in np.ndindex(*bins.output):
        yield (slice(None), *place), (slice(None), *(slice(*edges[axis][at]) for axis, at in enumerate(place)))


def _rows(x: Array, cells: tuple[slice, ...]) -> tuple[Array, tuple[int, ...]]:
    """The numbers of a bin, (samples, cells, channels), and its sides."""
    box = x[cells]
    return box.reshape(len(box), -1, box.shape[-1]), box.shape[1:-1]


def adaptive_max_pool(attrs: AdaptiveMaxPool, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)`` to the maxima ``(N,*size,C)`` and the place of each in a box that the largest bin fits into.

    The first of equal numbers counts; a NaN beats every number.
    """
    bins = attrs.bins(context.x)
    y = np.zeros((context.samples, *context.y.shape))
    index = np.zeros(y.shape, np.int64)
    for place, cells in _boxes(bins):
        rows, sides = _rows(inputs[0], cells)
        winner = rows.argmax(axis=1)  # the first maximum, or the first NaN
        y[place] = np.take_along_axis(rows, winner[:, None], axis=1)[:, 0]
        index[place] = np.ravel_multi_index(np.unravel_index(winner, sides), bins.size)
    return y, index


def adaptive_max_pool_dx(attrs: AdaptiveMaxPoolDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The places and ``dy (N,*size,C)`` to ``dx (N,*axes,C)``."""
    index, dy = inputs
    bins = attrs.bins(attrs.x)
    dx = np.zeros((context.samples, *attrs.x.shape))
    for place, cells in _boxes(bins):
        sides = _rows(dx, cells)[1]
        numbers = np.asarray(np.ravel_multi_index(tuple(np.indices(sides)), bins.size))[..., None]  # (*sides, 1)
        ones = (1,) * len(sides)
        won = index[place].reshape(context.samples, *ones, -1) == numbers
        dx[cells] += np.where(won, dy[place].reshape(context.samples, *ones, -1), 0)
    return (dx,)


def adaptive_avg_pool(attrs: AdaptiveAvgPool, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)`` to the means ``(N,*size,C)``."""
    y = np.zeros((context.samples, *context.y.shape))
    for place, cells in _boxes(attrs.bins(context.x)):
        y[place] = _rows(inputs[0], cells)[0].mean(axis=1)
    return (y,)


def adaptive_avg_pool_dx(attrs: AdaptiveAvgPoolDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``dy (N,*size,C)`` to ``dx (N,*axes,C)``."""
    (dy,) = inputs
    dx = np.zeros((context.samples, *attrs.x.shape))
    for place, cells in _boxes(attrs.bins(attrs.x)):
        sides = dx[cells].shape[1:-1]
        dx[cells] += dy[place].reshape(context.samples, *(1,) * len(sides), -1) / np.prod(sides)
    return (dx,)


def global_max_pool(attrs: GlobalMaxPool, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)`` to ``(N,C)``, or with axes of length 1."""
    (x,) = inputs
    return (x.max(axis=tuple(range(1, x.ndim - 1)), keepdims=attrs.keep),)


def _bins_over(context: Context) -> int:
    """Bins that share a cell, at most."""
    bins: BinGeometry = context.node.attrs.bins(context.node.attrs.x)
    return math.prod(
        max(sum(first <= cell < end for first, end in bins.bins(axis)) for cell in range(n))
        for axis, n in enumerate(bins.input)
    )


BOUNDS = {
    "adaptive_max_pool.dx": Bound(2, _bins_over),
    "adaptive_avg_pool": Bound(2, lambda context: context.node.attrs.bins(context.x).taps),
    "adaptive_avg_pool.dx": Bound(2, _bins_over),
}

_SIZES: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((7, 3), 3),
    ((5, 17), 5),
    ((7, 6, 17), 3),
    ((7, 5, 4), (2, 3)),
    ((3, 2, 5), (5, 2)),  # more bins than cells
    ((1, 4, 2), 1),
    ((18, 17, 3), 1),  # more cells than a byte can number
    ((3, 5, 4, 17), (2, 3, 4)),
)
CASES = {
    "adaptive_max_pool": tuple(
        Case(AdaptiveMaxPool(size=size), (TensorType(shape),), ties=ties)
        for shape, size in _SIZES
        for ties in (False, True)
    ),
    "adaptive_avg_pool": tuple(Case(AdaptiveAvgPool(size=size), (TensorType(shape),)) for shape, size in _SIZES),
}
