"""Windows in NumPy: the padded input and, per tap of the window, the cells that it meets at every output position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from netspec.core import formulas
from netspec.core.window import WindowGeometry

Array = np.ndarray[Any, np.dtype[Any]]
Cells = tuple[slice, ...]


def padded_sides(window: WindowGeometry) -> tuple[int, ...]:
    """Length of each axis with its padding: at least up to the end of the last window."""
    reach = zip(window.output, window.size, window.stride, window.dilation, window.before, window.input, strict=True)
    return tuple(max(n + before, (o - 1) * s + formulas.window_span(k, d)) for o, k, s, d, before, n in reach)


def inside(window: WindowGeometry) -> Cells:
    """Where the input lies in the padded array ``(samples, *axes, channels)``."""
    return (slice(None), *(slice(b, b + n) for b, n in zip(window.before, window.input, strict=True)))


def pad(x: Array, window: WindowGeometry, value: float = 0.0) -> Array:
    """``x`` (samples, *axes, channels) with cells of ``value`` around it."""
    padded = np.full((len(x), *padded_sides(window), x.shape[-1]), value)
    padded[inside(window)] = x
    return padded


def taps(window: WindowGeometry) -> Iterator[tuple[tuple[int, ...], Cells]]:
    """Each tap, last axis fastest, with the cells of the padded array that it meets, one per output position."""
    for tap in np.ndindex(*window.size):
        steps = zip(tap, window.output, window.stride, window.dilation, strict=True)
        cells = tuple(slice(t * d, t * d + (o - 1) * s + 1, s) for t, o, s, d in steps)
        yield tap, (slice(None), *cells)
