from __future__ import annotations

import math
from itertools import pairwise

import pytest

from netspec.declarations.schedules import Constant, Cosine, Step

PER_EPOCH, EPOCHS = 10, 6


def test_constant() -> None:
    assert {Constant(rate=0.3).at(step, PER_EPOCH, EPOCHS) for step in range(60)} == {0.3}


def test_step_drops_after_every_so_many_epochs() -> None:
    schedule = Step(start=1.0, every=2, factor=0.5)
    rates = [schedule.at(step, PER_EPOCH, EPOCHS) for step in range(60)]
    assert rates == [1.0] * 20 + [0.5] * 20 + [0.25] * 20


def test_cosine_follows_half_a_cosine() -> None:
    schedule = Cosine(peak=0.4, floor=0.1)
    assert schedule.at(0, PER_EPOCH, EPOCHS) == pytest.approx(0.4)
    assert schedule.at(30, PER_EPOCH, EPOCHS) == pytest.approx(0.25)
    assert schedule.at(60, PER_EPOCH, EPOCHS) == pytest.approx(0.1)
    assert schedule.at(20, PER_EPOCH, EPOCHS) == pytest.approx(0.1 + 0.3 * (1 + math.cos(math.pi / 3)) / 2)
    assert schedule.at(600, PER_EPOCH, EPOCHS) == pytest.approx(0.1)  # past the end it stays at the floor


def test_cosine_rises_in_a_line_first() -> None:
    schedule = Cosine(peak=0.4, warmup_epochs=1.0)
    rates = [schedule.at(step, PER_EPOCH, EPOCHS) for step in range(60)]
    assert rates[:10] == pytest.approx([0.04 * (step + 1) for step in range(10)])
    assert rates[10] == pytest.approx(0.4)
    assert all(later < earlier for earlier, later in pairwise(rates[10:]))


def test_a_broken_warmup_never_exceeds_the_peak() -> None:
    schedule = Cosine(peak=1.0, warmup_epochs=0.25)  # two and a half steps
    assert [schedule.at(step, PER_EPOCH, EPOCHS) for step in range(3)] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert max(schedule.at(step, PER_EPOCH, EPOCHS) for step in range(60)) <= 1.0


def test_a_run_that_is_all_warmup_ends_at_the_peak() -> None:
    schedule = Cosine(peak=1.0, warmup_epochs=6.0)
    assert schedule.at(59, PER_EPOCH, EPOCHS) == pytest.approx(1.0)
