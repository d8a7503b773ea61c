"""Geometry of a sliding window, or of bins, resolved against an input: what window kernels are given."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netspec.core import formulas


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


@dataclass(frozen=True, slots=True)
class BinGeometry:
    """Bins that cover spatial axes, ``output`` of them over ``input`` cells; every tuple has one number per axis."""

    input: tuple[int, ...]
    output: tuple[int, ...]

    def bins(self, axis: int) -> tuple[tuple[int, int], ...]:
        """First and end cell of each bin along an axis."""
        places = self.output[axis]
        return tuple(formulas.adaptive_bin(place, self.input[axis], places) for place in range(places))

    @property
    def size(self) -> tuple[int, ...]:
        """Sides of a box that every bin fits into."""
        return tuple(max(end - first for first, end in self.bins(axis)) for axis in range(len(self.input)))

    @property
    def taps(self) -> int:
        """Positions of that box: a cell of a bin is numbered by its place in it, last axis fastest."""
        return math.prod(self.size)
