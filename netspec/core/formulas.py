"""The textbook size and count formulas, in one home.

Every function takes plain whole numbers and returns one. The ``show_*`` functions spell the same formula with
the numbers put in, for messages and ``explain``; they sit beside the formula so that the two cannot drift.

Sources: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), for sizes; the
parameter counts follow from the shapes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Formula(NamedTuple):
    """One line of an explanation: a quantity, its textbook formula, the numbers put in, the result."""

    quantity: str
    symbolic: str
    substituted: str
    result: int | tuple[int, ...]
    remark: str = ""


def window_span(kernel: int, dilation: int = 1) -> int:
    """Input cells that a dilated window covers: ``d(k - 1) + 1``."""
    return dilation * (kernel - 1) + 1


def window_output(size: int, kernel: int, stride: int, pad: int, dilation: int = 1) -> int:
    """Places of a window along an axis: ``floor((n + p - (d(k-1)+1)) / s) + 1``; ``pad`` counts both sides.

    Not positive when the window does not fit.
    """
    return (size + pad - window_span(kernel, dilation)) // stride + 1


def window_output_ceil(size: int, kernel: int, stride: int, before: int, after: int, dilation: int = 1) -> int:
    """The same with the quotient rounded up; windows that would begin in the padding after are dropped."""
    places = -(-(size + before + after - window_span(kernel, dilation)) // stride) + 1
    return min(places, -(-(size + before) // stride))


def show_window_output(size: int, kernel: int, stride: int, before: int, after: int, dilation: int = 1) -> str:
    """``window_output`` with its numbers, as in ``⌊(4 + 2·0 − 5)/1⌋ + 1 = 0``."""
    padding = f"2·{before}" if before == after else f"{before} + {after}"
    window = f"{kernel}" if dilation == 1 else f"({dilation}·({kernel} − 1) + 1)"
    places = window_output(size, kernel, stride, before + after, dilation)
    return f"⌊({size} + {padding} − {window})/{stride}⌋ + 1 = {places}"


def same_output(size: int, stride: int) -> int:
    """Output of padding ``same``: ``ceil(n / s)``."""
    return -(-size // stride)


def same_padding_needed(size: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """Cells that padding ``same`` adds in all, only what is needed: ``max((ceil(n/s) - 1)s + d(k-1) + 1 - n, 0)``."""
    return max((same_output(size, stride) - 1) * stride + window_span(kernel, dilation) - size, 0)


def full_padding(kernel: int, dilation: int = 1) -> int:
    """Cells that padding ``full`` adds on each side: ``d(k - 1)``."""
    return dilation * (kernel - 1)


def adaptive_bin(place: int, size: int, places: int) -> tuple[int, int]:
    """First and end cell of a bin, of ``places`` over ``size`` cells: from ``floor(i·n/m)`` to ``ceil((i + 1)·n/m)``.

    Bins cover every cell; where m does not divide n, neighbours share cells. None is empty, even with m above n.
    """
    return place * size // places, -(-(place + 1) * size // places)


def columns_left_over(size: int, kernel: int, stride: int, pad: int, dilation: int = 1) -> int:
    """Cells at the end that no window reaches ("only the whole part is kept")."""
    return (size + pad - window_span(kernel, dilation)) % stride


def convolution_weights(window: Sequence[int], channels: int, groups: int, filters: int) -> int:
    """Weights without bias: ``kh·kw·(c_in/groups)·c_out``; the size of the image does not enter."""
    return math.prod(window) * (channels // groups) * filters


def convolution_macs(output_positions: int, window: Sequence[int], channels: int, groups: int, filters: int) -> int:
    """Multiply-accumulates: every output number costs ``kh·kw·(c_in/groups)`` of them."""
    return output_positions * convolution_weights(window, channels, groups, filters)


def dense_weights(inputs: int, units: int) -> int:
    """Weights of a dense layer without bias: ``n_in·n_out``."""
    return inputs * units


def times(numbers: Sequence[float]) -> str:
    """``3x3``: the sides of something, as messages write them."""
    return "x".join(map(str, numbers))
