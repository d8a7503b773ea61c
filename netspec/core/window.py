"""Geometry of a sliding window, resolved against an input: what convolution and pooling kernels are given."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowGeometry:
    """A window over spatial axes; every tuple has one number per axis.

    Output position ``o`` and tap ``t`` of an axis read input position ``o*stride - before + t*dilation``;
    outside ``[0, input)`` lies padding. The trailing padding is implied by ``output``.
    """

    input: tuple[int, ...]
    output: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]

    @property
    def taps(self) -> int:
        """Positions of the window: the product of its sides."""
        return math.prod(self.size)
