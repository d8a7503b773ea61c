"""Where the places of an axis come from: what cutting, padding and resizing do to a tensor, axis by axis.

A map is a sparse matrix over the places of one axis. An op that only moves numbers states one per axis; a backend needs
one kernel for all such ops, and the gradient of each is the transposed map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal, NamedTuple

from netspec.core import formulas

Row = tuple[tuple[int, float], ...]
"""The input places that make one output place, each with its weight; empty where nothing comes in."""


class Reach(NamedTuple):
    """How an op sees one axis: ``cells`` under one output place, ``step`` cells from one place to the next."""

    cells: int
    step: Fraction


AS_IT_IS = Reach(1, Fraction(1))
"""The reach of an axis that stays as it is."""


@dataclass(frozen=True, slots=True)
class AxisMap:
    """``output[o]`` is the sum of ``weight * input[place]`` over ``rows[o]``; ``step`` as in :class:`Reach`."""

    input: int
    rows: tuple[Row, ...]
    step: Fraction = Fraction(1)

    @property
    def output(self) -> int:
        """Places of the axis that is made."""
        return len(self.rows)

    @property
    def reach(self) -> Reach:
        """Cells that the widest output place sees, from its first to its last, and the step."""
        widths = (row[-1][0] - row[0][0] + 1 for row in self.rows if row)
        return Reach(max(widths, default=1), self.step)

    def transposed(self) -> AxisMap:
        """The map of gradients: from the output places to the input places."""
        rows: list[list[tuple[int, float]]] = [[] for _ in range(self.input)]
        for output, row in enumerate(self.rows):
            for place, weight in row:
                rows[place].append((output, weight))
        return AxisMap(self.output, tuple(map(tuple, rows)), 1 / self.step)


def take(size: int, places: Sequence[int]) -> AxisMap:
    """These places of an axis, in this order; a place may come again."""
    steps = [abs(after - before) for before, after in pairwise(places)]
    return AxisMap(size, tuple(((place, 1.0),) for place in places), Fraction(max(steps, default=1) or 1))


def pad(size: int, before: int, after: int, mode: Literal["value", "reflect", "replicate"]) -> AxisMap:
    """All places of an axis with others around: empty ones, mirrored ones (not the edge again), or copies of the edge.

    ``reflect`` wants ``before`` and ``after`` to be less than ``size``.
    """
    rows: list[Row] = []
    for place in range(-before, size + after):
        inside = min(max(place, 0), size - 1)
        if mode == "value" and place != inside:
            rows.append(())
        else:
            rows.append(((2 * inside - place if mode == "reflect" else inside, 1.0),))
    return AxisMap(size, tuple(rows))


def nearest(size: int, output: int) -> AxisMap:
    """Every place repeated; ``output`` is a multiple of ``size``."""
    repeats = output // size
    return AxisMap(size, tuple(((place // repeats, 1.0),) for place in range(output)), Fraction(size, output))


def bilinear(size: int, output: int) -> AxisMap:
    """Linear interpolation with half-pixel centres.

    Output place ``o`` lies at ``(o + 1/2)·size/output − 1/2`` of the input, moved to the edge where it is outside; it
    is the mean of its two neighbours, weighted by nearness. In whole numbers, so that no weight is rounded twice.
    """
    rows: list[Row] = []
    for place in range(output):
        position = min(max((2 * place + 1) * size - output, 0), 2 * output * (size - 1))
        first, rest = divmod(position, 2 * output)
        share = rest / (2 * output)
        rows.append(((first, 1.0 - share), (first + 1, share)) if rest else ((first, 1.0),))
    return AxisMap(size, tuple(rows), Fraction(size, output))


def middle(size: int, kept: int) -> AxisMap:
    """The middle part of an axis."""
    before = formulas.crop_before(size, kept)
    return take(size, range(before, before + kept))
