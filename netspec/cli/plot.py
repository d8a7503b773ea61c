"""A curve in plain characters, for terminals and logs."""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH, HEIGHT = 64, 14


def plot(x: Sequence[float], y: Sequence[float], mark: float | None, across: str) -> list[str]:
    """``y`` over the logarithm of ``x``, with a vertical line at ``mark``; below it the ends of the axis.

    ``across`` names what goes along it. There has to be at least one point; numbers that are not finite are left out.
    """
    points = [(math.log(a), b) for a, b in zip(x, y, strict=True) if math.isfinite(b)]
    left, right = (edge(a for a, _ in points) for edge in (min, max))
    low, high = (edge(b for _, b in points) for edge in (min, max))
    cells = [[" "] * WIDTH for _ in range(HEIGHT)]
    if mark is not None:
        for row in cells:
            row[_place(math.log(mark), left, right, WIDTH)] = "|"
    for a, b in points:
        cells[HEIGHT - 1 - _place(b, low, high, HEIGHT)][_place(a, left, right, WIDTH)] = "*"
    labels = {0: f"{high:.4g}", HEIGHT - 1: f"{low:.4g}"}
    margin = max(map(len, labels.values()))
    lines = [f"{labels.get(number, ''):>{margin}} |{''.join(row)}".rstrip() for number, row in enumerate(cells)]
    ends = f"{math.exp(left):.1e}", f"{math.exp(right):.1e}"
    axis = f"{ends[0]}{across:^{WIDTH - sum(map(len, ends))}}{ends[1]}"
    return [*lines, f"{' ' * margin} +{'-' * WIDTH}", f"{' ' * margin}  {axis}"]


def _place(value: float, low: float, high: float, cells: int) -> int:
    """The cell of a value between two bounds."""
    share = (value - low) / (high - low) if high > low else 0.5
    return min(max(round(share * (cells - 1)), 0), cells - 1)
