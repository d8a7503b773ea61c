"""Clips and gates are told from other expressions, whatever was asked before."""

from __future__ import annotations

from math import copysign, inf

import pytest

from netspec.core.clipping import Limits, limits_of_clip, limits_of_gate
from netspec.core.expression import inputs, maximum, minimum, where

ZEROS = pytest.mark.parametrize("zeros", [(-0.0, 0.0), (0.0, -0.0)], ids=["minus first", "plus first"])


@ZEROS
def test_zeros_of_either_sign_are_limits_of_their_own(zeros: tuple[float, float]) -> None:
    """Limits that are equal as numbers do not stand for each other: no plan depends on what was planned before."""
    (x,), (y, dy) = inputs(1), inputs(2)
    for zero in zeros:
        for found in (limits_of_clip(maximum(x, zero)), limits_of_gate(where(y > zero, dy, 0))):
            assert found == Limits(zero, inf)
            assert copysign(1, found.low) == copysign(1, zero)


def test_both_sides() -> None:
    (x,), (y, dy) = inputs(1), inputs(2)
    assert limits_of_clip(minimum(maximum(x, 0), 6)) == limits_of_gate(where(y > 0, where(y < 6, dy, 0), 0)) == (0, 6)
    assert limits_of_clip(minimum(x, 6)) == (-inf, 6)


def test_what_clips_nothing() -> None:
    (x,), (y, dy) = inputs(1), inputs(2)
    assert limits_of_clip(where(x < 0, x * 0.1, x)) is None
    assert limits_of_gate(where(y > 0, dy, 1)) is None
