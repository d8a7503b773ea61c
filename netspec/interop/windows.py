"""Windows as other frameworks want them: padding before and after, and what a last window reaches beyond."""

from __future__ import annotations

from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.interop.tensors import Array


class Padded(NamedTuple):
    """A window with its padding in cells; ``reach`` is the padding after each axis that the last window needs."""

    window: WindowGeometry
    before: tuple[int, ...]
    after: tuple[int, ...]
    reach: tuple[int, ...]

    @property
    def even(self) -> bool:
        """Whether both sides are padded alike."""
        return self.before == self.after

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(before, reach) per axis."""
        return tuple(zip(self.before, self.reach, strict=True))


def padded_window(attrs: Any, x: TensorType) -> Padded:
    """The window of an op over the axes of ``x``."""
    window: WindowGeometry = attrs.geometry(x)
    spans = [d * (k - 1) + 1 for k, d in zip(window.size, window.dilation, strict=True)]
    axes = zip(window.input, window.output, spans, window.stride, window.before, strict=True)
    reach = tuple(max((places - 1) * s + span - b - n, 0) for n, places, span, s, b in axes)
    return Padded(window, window.before, tuple(attrs.padding_after(x)), reach)


def shares(padded: Padded, counts: bool) -> Array:
    """What a mean over all cells of the window, zeros around, has to be multiplied by at each place to be that of an
    average pooling, which divides by the cells of the image, or where padding ``counts`` by those of the padded one.
    """
    found = []
    window = padded.window
    for axis, n in enumerate(window.input):
        before, after = padded.before[axis], padded.after[axis]
        low, high = (-before, n + after) if counts else (0, n)
        first = np.arange(window.output[axis]) * window.stride[axis] - before
        cells = np.minimum(first + window.size[axis], high) - np.maximum(first, low)
        found.append(window.size[axis] / np.maximum(cells, 1))
    product: Array = reduce(np.multiply.outer, found)
    return product


class Cut(NamedTuple):
    """A transposed convolution's window, and the cells cut off before and after each axis (below 0: added)."""

    window: WindowGeometry
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def more(self) -> tuple[int, ...]:
        """The output padding that explains the difference, were the padding ``before`` on both sides."""
        return tuple(b - a for b, a in zip(self.before, self.after, strict=True))


def cut_window(attrs: Any, x: TensorType) -> Cut:
    """The window of a transposed convolution whose input is ``x``."""
    window: WindowGeometry = attrs.reverse(x)
    axes = zip(window.input, window.output, window.stride, window.size, window.dilation, window.before, strict=True)
    after = tuple((n - 1) * s - before + d * (k - 1) + 1 - size for size, n, s, k, d, before in axes)
    return Cut(window, window.before, after)
