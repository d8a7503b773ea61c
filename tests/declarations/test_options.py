"""Options of training: when a run ends early, how far an average moves."""

from __future__ import annotations

import math

import pytest

from netspec.declarations.options import Average, EarlyStopping


@pytest.mark.parametrize(
    ("losses", "ends"),
    [
        ([], False),
        ([1.0], False),
        ([1.0, 1.0], False),
        ([1.0, 1.0, 1.0], True),  # equal is not lower
        ([1.0, 2.0, 0.9, 2.0], False),
        ([1.0, 2.0, 0.9, 2.0, 0.95], True),
        ([math.nan, math.nan], True),  # no number is lower than none
        ([1.0, math.nan, 0.5], False),
    ],
)
def test_a_run_ends_after_two_epochs_without_a_lower_loss(losses: list[float], ends: bool) -> None:
    assert EarlyStopping(patience=2).ends(losses) == ends


def test_a_loss_that_is_hardly_lower_does_not_count() -> None:
    assert EarlyStopping(patience=2, min_delta=0.1).ends([1.0, 0.95, 0.91])
    assert not EarlyStopping(patience=2, min_delta=0.1).ends([1.0, 0.95, 0.89])


def test_shares_of_an_average_give_each_update_its_weight() -> None:
    """After n updates the i-th of them weighs decay^(n − i), divided by the sum of these weights."""
    decay, average = 0.9, Average(decay=0.9)
    numbers = [3.0, -1.0, 4.0, 1.0, 5.0]
    value = 100.0  # what it was before does not matter
    for update, number in enumerate(numbers, start=1):
        value += average.share(update) * (number - value)
        weights = [decay ** (update - place) for place in range(1, update + 1)]
        wanted = sum(w * n for w, n in zip(weights, numbers, strict=False)) / sum(weights)
        assert value == pytest.approx(wanted, rel=1e-12)
    assert Average(decay=0.0).share(7) == 1.0
