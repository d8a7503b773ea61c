"""The median, place by place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.declarations.ops.median_pooling import MedianPool, MedianPoolDx
from netspec.declarations.ops.windows_reference import inside, padded_sides, taps

Array = np.ndarray[Any, np.dtype[Any]]


def median_pool(attrs: MedianPool, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)`` to the medians ``y (N,*output,C)`` and the numbers of the taps that met the middle two.

    Of an odd count the two are one. If there is a NaN, the first of them is both.
    """
    window = attrs.geometry(context.x)
    y = np.zeros((context.samples, *context.y.shape))
    lower, upper = np.zeros(y.shape, np.int64), np.zeros(y.shape, np.int64)
    for place in np.ndindex(*window.output):
        numbers, cells = zip(*_seen(window, place), strict=True)
        values = np.stack([inputs[0][(slice(None), *cell)] for cell in cells])
        order = np.argsort(values, axis=0, kind="stable")  # NaN comes last
        first_nan = np.isnan(values).argmax(axis=0)
        poisoned = np.isnan(values).any(axis=0)
        middle = [np.where(poisoned, first_nan, order[at]) for at in ((len(cells) - 1) // 2, len(cells) // 2)]
        low, high = (np.take_along_axis(values, at[None], axis=0)[0] for at in middle)
        here = (slice(None), *place)
        y[here] = low / 2 + high / 2
        lower[here], upper[here] = (np.array(numbers)[at] for at in middle)
    return y, lower, upper


def _seen(window: WindowGeometry, place: tuple[int, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Number and input position of every tap that meets the input where the window lies at ``place``."""
    for number, tap in enumerate(np.ndindex(*window.size)):
        cell = tuple(o * s - b + t for o, s, b, t in zip(place, window.stride, window.before, tap, strict=True))
        if all(0 <= at < n for at, n in zip(cell, window.input, strict=True)):
            yield number, cell


def median_pool_dx(attrs: MedianPoolDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The two tap numbers and ``dy (N,*output,C)`` to ``dx (N,*axes,C)``."""
    lower, upper, dy = inputs
    window = attrs.geometry(attrs.x)
    padded = np.zeros((context.samples, *padded_sides(window), attrs.x.channels))
    for number, (_, cells) in enumerate(taps(window)):
        padded[cells] += np.where(lower == number, dy / 2, 0) + np.where(upper == number, dy / 2, 0)
    return (padded[inside(window)],)


BOUNDS = {
    "median_pool": Bound(1),
    "median_pool.dx": Bound(2, lambda context: context.node.attrs.geometry(context.node.attrs.x).taps),
}

_WINDOWS: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((8, 3), {"size": 2}),
    ((7, 17), {"size": 3, "stride": 2, "round": "ceil"}),
    ((7, 6, 17), {"size": 3, "stride": 2}),
    ((6, 6, 16), {"size": 3, "stride": 1, "padding": "same"}),
    ((5, 5, 4), {"size": 4, "stride": 2, "padding": 1, "round": "ceil"}),
    ((4, 3, 5), {"size": (4, 3)}),
    ((5, 1, 2), {"size": 1, "stride": 2}),
    ((3, 5, 4, 17), {"size": (2, 3, 2), "stride": (1, 2, 2), "padding": (0, 1, 0)}),
)


def _cases() -> Iterator[Case]:
    for shape, attributes in _WINDOWS:
        yield Case(MedianPool(**attributes), (TensorType(shape),))
        yield Case(MedianPool(**attributes), (TensorType(shape),), ties=True)
    yield Case(MedianPool(size=17), (TensorType((18, 17, 1)),))  # more taps than a byte can number


CASES = {"median_pool": tuple(_cases())}
