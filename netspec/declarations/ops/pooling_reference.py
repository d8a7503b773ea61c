"""Pooling, tap by tap."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from netspec.core.declare import declaration_of
from netspec.core.op import reference
from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.declarations.ops.pooling import (
    AvgPool,
    AvgPoolDx,
    GlobalAvgPool,
    GlobalAvgPoolDx,
    MaxPool,
    MaxPoolDx,
    MaxPoolValues,
)
from netspec.declarations.ops.windows_reference import inside, pad, padded_sides, taps

Array = np.ndarray[Any, np.dtype[Any]]


def max_pool(attrs: MaxPool, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)`` to the maxima ``y (N,*output,C)`` and the number of the tap (last axis fastest) that met each.

    The first of equal numbers counts; a NaN beats every number.
    """
    window = attrs.geometry(context.x)
    values, real = pad(inputs[0], window), pad(np.ones_like(inputs[0]), window)
    y = np.full((context.samples, *context.y.shape), -math.inf)
    index = np.full(y.shape, -1)
    for number, (_, cells) in enumerate(taps(window)):
        here = values[cells]
        wins = (index < 0) | (here > y) | (np.isnan(here) & ~np.isnan(y))
        wins &= real[cells] == 1
        y[wins], index[wins] = here[wins], number
    return y, index


def max_pool_values(attrs: MaxPoolValues, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The first of what the definition of the pooling yields."""
    values: Array = reference(declaration_of(attrs.pool))(attrs.pool, inputs, context)[0]
    return (values,)


def max_pool_dx(attrs: MaxPoolDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The tap numbers and ``dy (N,*output,C)`` to ``dx (N,*axes,C)``."""
    index, dy = inputs
    window = attrs.geometry(attrs.x)
    padded = np.zeros((context.samples, *padded_sides(window), attrs.x.channels))
    for number, (_, cells) in enumerate(taps(window)):
        padded[cells] += np.where(index == number, dy, 0)
    return (padded[inside(window)],)


def divisor_of(attrs: AvgPool | AvgPoolDx, x: TensorType) -> Array:
    """Cells that count in each mean, ``(*output, 1)``: real ones, or with ``count_padding`` those of the padding too.

    Cells beyond the padding, which a window reaches when sizes are rounded up, never count. A window without any such
    cell is a sum of nothing, which 1 may divide.
    """
    window, after = attrs.geometry(x), attrs.padding_after(x)
    counted = np.zeros((1, *padded_sides(window), 1))
    if attrs.count_padding:
        sides = zip(window.before, window.input, after, strict=True)
        counted[(slice(None), *(slice(0, b + n + a) for b, n, a in sides))] = 1
    else:
        counted[inside(window)] = 1
    cells_counted: Array = np.sum([counted[cells] for _, cells in taps(window)], axis=0)[0]
    return np.maximum(cells_counted, 1)


def avg_pool(attrs: AvgPool, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)`` to the means ``(N,*output,C)``."""
    window = attrs.geometry(context.x)
    padded = pad(inputs[0], window)
    y = np.zeros((context.samples, *context.y.shape))
    for _, cells in taps(window):
        y += padded[cells]
    return (y / divisor_of(attrs, context.x),)


def avg_pool_dx(attrs: AvgPoolDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``dy (N,*output,C)`` to ``dx (N,*axes,C)``."""
    window = attrs.geometry(attrs.x)
    share = inputs[0] / divisor_of(attrs, attrs.x)
    padded = np.zeros((context.samples, *padded_sides(window), attrs.x.channels))
    for _, cells in taps(window):
        padded[cells] += share
    return (padded[inside(window)],)


def global_avg_pool(attrs: GlobalAvgPool, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)`` to ``(N,C)``, or with axes of length 1."""
    (x,) = inputs
    return (x.mean(axis=tuple(range(1, x.ndim - 1)), keepdims=attrs.keep),)


def global_avg_pool_dx(attrs: GlobalAvgPoolDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``dy`` to ``dx (N,*axes,C)``."""
    per_channel = inputs[0].reshape(context.samples, *(1,) * len(attrs.x.spatial), attrs.x.channels)
    return (np.broadcast_to(per_channel / attrs.x.positions, (context.samples, *attrs.x.shape)),)


def _taps_over(x: TensorType, context: Context) -> int:
    window: WindowGeometry = context.node.attrs.geometry(x)
    return window.taps


BOUNDS = {
    "max_pool.dx": Bound(2, lambda context: _taps_over(context.node.attrs.x, context)),
    "avg_pool": Bound(2, lambda context: _taps_over(context.x, context)),
    "avg_pool.dx": Bound(2, lambda context: _taps_over(context.node.attrs.x, context)),
    "global_avg_pool": Bound(2, lambda context: context.x.positions),
    "global_avg_pool.dx": Bound(2),
}

_WINDOWS: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    # one axis
    ((8, 3), {"size": 2}),
    ((7, 17), {"size": 3, "stride": 2, "round": "ceil"}),
    # two axes
    ((6, 4, 1), {"size": 2}),
    ((7, 6, 17), {"size": 3, "stride": 2}),
    ((7, 5, 3), {"size": 3, "stride": 2, "round": "ceil"}),
    ((6, 6, 16), {"size": 3, "stride": 1, "padding": "same"}),
    ((5, 6, 33), {"size": (1, 2), "stride": (2, 1)}),
    ((5, 5, 4), {"size": 3, "stride": 2, "padding": 1, "round": "ceil"}),
    ((6, 7, 3), {"size": 2, "stride": 3, "padding": ((1, 0), (0, 1))}),
    ((4, 3, 5), {"size": (4, 3)}),
    ((5, 1, 2), {"size": 1, "stride": 2}),
    # three axes
    ((4, 4, 4, 2), {"size": 2}),
    ((3, 5, 4, 17), {"size": (2, 3, 2), "stride": (1, 2, 2), "padding": (0, 1, 0), "round": "ceil"}),
)


def _max_pool_cases() -> Iterator[Case]:
    for shape, attributes in _WINDOWS:
        yield Case(MaxPool(**attributes), (TensorType(shape),))
        yield Case(MaxPool(**attributes), (TensorType(shape),), ties=True)
    yield Case(MaxPool(size=17), (TensorType((18, 17, 1)),))  # more taps than a byte can number


def _avg_pool_cases() -> Iterator[Case]:
    for shape, attributes in _WINDOWS:
        yield Case(AvgPool(**attributes), (TensorType(shape),))
        if attributes.keys() & {"padding", "round"}:
            yield Case(AvgPool(**attributes, count_padding=True), (TensorType(shape),))


CASES = {"max_pool": tuple(_max_pool_cases()), "avg_pool": tuple(_avg_pool_cases())}
