"""Axes: where a number stands, where the marks are, and how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

DECADE = 10.0
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
"""What lies between two marks, times a power of ten."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From numbers to places: ``low`` stands at ``start``, ``high`` at ``end``; ``ticks`` are the numbers marked."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Where a number stands."""
        low, high, value = (math.log(v) if self.logarithmic else v for v in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def linear(values: Iterable[float], start: float, end: float, marks: int = 5, room: float = 0.0) -> Scale:
    """A scale over the values, with ``room`` (a share of them) at both ends, and round numbers marked."""
    low, high = _ends(values)
    low, high = low - room * (high - low), high + room * (high - low)
    step = _step((high - low) / marks)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Scale(low, high, start, end, tuple(round(step * place, 12) for place in range(first, last + 1)))


def logarithmic(values: Iterable[float], start: float, end: float) -> Scale:
    """A scale over positive values by their logarithms; powers of ten are marked, and 2 and 5 where these are few."""
    low, high = _ends(values)
    low, high = (low / 1.1, high * 1.1)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    several = (1.0,) if len(powers) > 4 else (1.0, 2.0, 5.0) if len(powers) > 2 else (1.0, 2.0, 3.0, 5.0, 7.0)
    marks = (float(f"{part}e{power}") for power in powers for part in several)
    return Scale(low, high, start, end, tuple(mark for mark in marks if low <= mark <= high), True)


def wants_logarithm(values: Iterable[float]) -> bool:
    """Whether positive values differ so much that more than a few of them would lie on the axis."""
    known = sorted(values)
    return bool(known) and known[0] > 0 and known[-1] / known[len(known) // 4] > 2 * DECADE


def whole(low: int, high: int, start: float, end: float, marks: int = 6) -> Scale:
    """A scale of whole numbers, such as epochs; the first and the last are marked."""
    if high <= low:
        return Scale(low - 1, low + 1, start, end, (low,))
    step = max(1, math.ceil(_step((high - low) / marks)))
    inner = [place for place in range(step, high, step) if low < place and high - place > step / 2]
    return Scale(low, high, start, end, (low, *inner, high))


def written(value: float | None, digits: int = 4) -> str:
    """A number as a person would write it: ``0.9931``, ``12,345``, ``3.1e−5``; a dash for what is not known."""
    if value is None or not math.isfinite(value):
        return "–"
    if value and (abs(value) < 1e-3 or abs(value) >= 1e7):
        return _power(value, digits - 2)
    whole_digits = len(str(int(abs(value))))
    return f"{value:,.{max(0, digits - whole_digits + 1)}f}".replace("-", "−")


def share(value: float | None) -> str:
    """A probability in two digits, of which none is the last of a rounding to nothing."""
    return "<0.01" if value is not None and 0 < value < 0.005 else "–" if value is None else f"{value:.2f}"


def marked(value: float) -> str:
    """A number at an axis, as short as it can be."""
    if value and (abs(value) < 1e-3 or abs(value) >= 1e5):
        return _power(value, 1).replace(".0e", "e")
    return f"{value:,.6g}".replace("-", "−")


def _power(value: float, decimals: int) -> str:
    """A number times a power of ten: ``3.1e−5``."""
    factor, power = f"{value:.{decimals}e}".split("e")
    return f"{factor}e{int(power)}".replace("-", "−")


def _ends(values: Iterable[float]) -> tuple[float, float]:
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if high > low:
        return low, high
    return (low * 0.9, low * 1.1) if low > 0 else (low, low + 1.0)


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(part * power for part in STEPS if part * power >= rough * (1 - 1e-9))
