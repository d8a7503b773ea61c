"""The textbook size and count formulas, in one home.

Every function takes plain whole numbers and returns one. The ``show_*`` functions spell the same formula with
the numbers put in, for messages and ``explain``; they sit beside the formula so that the two cannot drift.

Sources: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), for sizes; the
parameter counts follow from the shapes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
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


def conv_transpose_output(
    size: int, kernel: int, stride: int, cut: int, dilation: int = 1, output_padding: int = 0
) -> int:
    """Output of a transposed convolution: ``(n - 1)s - p + d(k - 1) + 1 + op``; ``cut``, p, counts both sides.

    Not positive when the padding cuts everything away.
    """
    return (size - 1) * stride - cut + window_span(kernel, dilation) + output_padding


def conv_transpose_same_cut(kernel: int, stride: int, dilation: int = 1) -> int:
    """Cells that padding ``same`` cuts off a transposed convolution, so that ``n·s`` are left: ``d(k - 1) + 1 - s``.

    Negative where the windows lie apart: then so many cells are added behind the last one.
    """
    return window_span(kernel, dilation) - stride


def conv_transpose_inputs(kernel: int, stride: int, dilation: int = 1) -> int:
    """Neighbouring inputs between the first and the last that reach one output: at most ``floor(d(k - 1)/s) + 1``."""
    return (window_span(kernel, dilation) - 1) // stride + 1


def show_conv_transpose_output(
    size: int, kernel: int, stride: int, before: int, after: int, dilation: int = 1, output_padding: int = 0
) -> str:
    """``conv_transpose_output`` with its numbers, as in ``(4 − 1)·2 − 2·1 + 3 + 1 = 8``."""
    padding = f"2·{before}" if before == after else f"({before} + {after})"
    window = f"{kernel}" if dilation == 1 else f"({dilation}·({kernel} − 1) + 1)"
    more = f" + {output_padding}" if output_padding else ""
    cells = conv_transpose_output(size, kernel, stride, before + after, dilation, output_padding)
    return f"({size} − 1)·{stride} − {padding} + {window}{more} = {cells}"


def columns_left_over(size: int, kernel: int, stride: int, pad: int, dilation: int = 1) -> int:
    """Cells at the end that no window reaches ("only the whole part is kept")."""
    return (size + pad - window_span(kernel, dilation)) % stride


def upsampled(size: int, factor: int) -> int:
    """Places of an axis that was made ``factor`` times as long: ``n·f``."""
    return size * factor


def padded(size: int, before: int, after: int) -> int:
    """Places of an axis with cells added on both sides: ``n + before + after``."""
    return size + before + after


def crop_before(size: int, kept: int) -> int:
    """Cells cut off before the middle part of an axis: ``floor((n - kept) / 2)``; an odd cell more goes after."""
    return (size - kept) // 2


@lru_cache(maxsize=64)
def divisors(n: int) -> tuple[int, ...]:
    """All numbers that divide ``n`` ≥ 1, in order; up to √n they are tried, which is soon done for any width."""
    small = [d for d in range(1, math.isqrt(n) + 1) if n % d == 0]
    return (*small, *(n // d for d in reversed(small) if d * d != n))


def equal_part(size: int, parts: int) -> int:
    """Length of one of ``parts`` equal parts; they must divide ``size``."""
    return size // parts


def convolution_weights(window: Sequence[int], channels: int, groups: int, filters: int) -> int:
    """Weights without bias: ``kh·kw·(c_in/groups)·c_out``; the size of the image does not enter."""
    return math.prod(window) * (channels // groups) * filters


def convolution_macs(output_positions: int, window: Sequence[int], channels: int, groups: int, filters: int) -> int:
    """Multiply-accumulates: every output number costs ``kh·kw·(c_in/groups)`` of them."""
    return output_positions * convolution_weights(window, channels, groups, filters)


def separable_weights(window: Sequence[int], channels: int, multiplier: int, filters: int) -> int:
    """Weights without bias of a depthwise convolution and the 1x1 behind it: ``kh·kw·c_in·m + c_in·m·c_out``."""
    between = channels * multiplier
    return convolution_weights(window, channels, channels, between) + convolution_weights((), between, 1, filters)


def separable_macs(output_positions: int, window: Sequence[int], channels: int, multiplier: int, filters: int) -> int:
    """Multiply-accumulates of the two: every output position meets every weight once."""
    return output_positions * separable_weights(window, channels, multiplier, filters)


def locally_connected_weights(
    output_positions: int, window: Sequence[int], channels: int, groups: int, filters: int
) -> int:
    """Weights without bias: those of a convolution, once per output position; each is used once."""
    return output_positions * convolution_weights(window, channels, groups, filters)


def dense_weights(inputs: int, units: int) -> int:
    """Weights of a dense layer without bias: ``n_in·n_out``."""
    return inputs * units


def times(numbers: Sequence[float]) -> str:
    """``3x3``: the sides of something, as messages write them."""
    return "x".join(map(str, numbers))
