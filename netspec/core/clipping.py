"""Which expressions clip their input, as relu and relu6 do, and which let a gradient pass where nothing was clipped."""

from __future__ import annotations

from itertools import product
from math import inf
from typing import NamedTuple

from netspec.core.expression import Constant, Expression, inputs, maximum, minimum, walk, where


class Limits(NamedTuple):
    """Between which numbers an activation leaves its input as it is; it clips the others."""

    low: float
    high: float


def limits_of_clip(formula: Expression) -> Limits | None:
    """The limits of an expression in one variable that clips it; None of any other."""
    return next((limits for limits in _candidates(formula) if formula in _clipped(limits)), None)


def limits_of_gate(formula: Expression) -> Limits | None:
    """The limits of an expression that is its second variable, where the first lies strictly between them, else 0."""
    return next((limits for limits in _candidates(formula) if formula in _gated(limits)), None)


def _candidates(formula: Expression) -> tuple[Limits, ...]:
    numbers = [part.value for part in walk([formula]) if isinstance(part, Constant)]
    return tuple(Limits(low, high) for low, high in product((-inf, *numbers), (inf, *numbers)) if low < high)


def _clipped(limits: Limits) -> tuple[Expression, ...]:
    """The ways in which an activation may write that it clips. Made anew each time: a cache would take -0.0 for 0.0."""
    (x,), (low, high) = inputs(1), limits
    if high == inf:
        return where(x < low, low, x), maximum(x, low)
    if low == -inf:
        return (minimum(x, high),)
    return minimum(maximum(x, low), high), where(x < low, low, where(x > high, high, x))


def _gated(limits: Limits) -> tuple[Expression, ...]:
    (y, dy), (low, high) = inputs(2), limits
    if high == inf:
        return (where(y > low, dy, 0),)
    return (where(y > low, where(y < high, dy, 0), 0),)
