from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from netspec.declarations.schedules import (
    Constant,
    Cosine,
    Exponential,
    Inverse,
    MultiStep,
    OneCycle,
    Plateau,
    Polynomial,
    Step,
)

PER_EPOCH, EPOCHS = 10, 6


def test_constant() -> None:
    assert {Constant(rate=0.3).at(step, PER_EPOCH, EPOCHS) for step in range(60)} == {0.3}


def test_step_drops_after_every_so_many_epochs() -> None:
    schedule = Step(start=1.0, every=2, factor=0.5)
    rates = [schedule.at(step, PER_EPOCH, EPOCHS) for step in range(60)]
    assert rates == [1.0] * 20 + [0.5] * 20 + [0.25] * 20


def test_multi_step_drops_after_the_epochs_that_are_named() -> None:
    assert rates(MultiStep(start=1.0, drops=(1, 4), factor=0.5)) == [1.0] * 10 + [0.5] * 30 + [0.25] * 20
    assert rates(MultiStep(start=1.0, drops=5, factor=0.5)) == [1.0] * 50 + [0.5] * 10


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


def rates(schedule: Any) -> list[float]:
    return [schedule.at(step, PER_EPOCH, EPOCHS) for step in range(PER_EPOCH * EPOCHS)]


def test_exponential_multiplies_once_per_epoch_and_smoothly_between() -> None:
    found = rates(Exponential(start=0.4, factor=0.5))
    assert found == pytest.approx([0.4 * 0.5 ** (step / 10) for step in range(60)])
    assert found[::10] == pytest.approx([0.4, 0.2, 0.1, 0.05, 0.025, 0.0125])


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_polynomial_falls_to_the_floor(power: float) -> None:
    schedule = Polynomial(start=0.4, floor=0.1, power=power)
    assert rates(schedule) == pytest.approx([0.1 + 0.3 * (1 - step / 60) ** power for step in range(60)])
    assert schedule.at(60, PER_EPOCH, EPOCHS) == pytest.approx(0.1)
    assert schedule.at(600, PER_EPOCH, EPOCHS) == pytest.approx(0.1)  # past the end it stays at the floor


def test_inverse_divides_by_a_power_of_the_time() -> None:
    found = rates(Inverse(start=0.4, decay=0.5, power=0.75))
    assert found == pytest.approx([0.4 * (1 + 0.05 * step) ** -0.75 for step in range(60)])


def test_one_cycle_rises_and_falls_along_half_cosines() -> None:
    schedule = OneCycle(peak=0.5, rise=0.25, start_divisor=10, end_divisor=100)
    found = rates(schedule)
    assert found[:15] == pytest.approx([0.05 + 0.45 * (1 - math.cos(math.pi * step / 15)) / 2 for step in range(15)])
    falling = [5e-4 + (0.5 - 5e-4) * (1 + math.cos(math.pi * step / 45)) / 2 for step in range(45)]
    assert found[15:] == pytest.approx(falling)
    assert schedule.at(60, PER_EPOCH, EPOCHS) == pytest.approx(5e-4)


def test_one_cycle_may_only_fall_or_only_rise() -> None:
    falling, rising = OneCycle(peak=0.5, rise=0.0), OneCycle(peak=0.5, rise=1.0)
    assert rates(falling) == sorted(rates(falling), reverse=True)
    assert rates(rising) == sorted(rates(rising))
    assert falling.at(0, PER_EPOCH, EPOCHS) == rising.at(60, PER_EPOCH, EPOCHS) == pytest.approx(0.5)
    assert falling.at(60, PER_EPOCH, EPOCHS) == pytest.approx(0.5 / 25 / 1e4)
    assert rising.at(0, PER_EPOCH, EPOCHS) == pytest.approx(0.5 / 25)


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(rate=0.4, warmup_epochs=2),
        Step(start=0.4, every=3, warmup_epochs=2),
        Exponential(start=0.4, warmup_epochs=2),
        Inverse(start=0.4, warmup_epochs=2),
        Polynomial(start=0.4, warmup_epochs=2),
        Cosine(peak=0.4, warmup_epochs=2),
    ],
    ids=repr,
)
def test_a_warmup_rises_in_a_line_to_the_full_rate(schedule: Any) -> None:
    found = rates(schedule)
    assert found[:20] == pytest.approx([0.4 * (step + 1) / 20 for step in range(20)])
    assert found[20] == max(found) == pytest.approx(0.4)


def test_what_falls_over_the_run_begins_to_fall_after_the_warmup() -> None:
    assert rates(Exponential(start=0.4, factor=0.5, warmup_epochs=2))[20::10] == pytest.approx([0.4, 0.2, 0.1, 0.05])
    assert rates(Polynomial(start=0.4, warmup_epochs=2))[20::10] == pytest.approx([0.4, 0.3, 0.2, 0.1])


def test_epochs_of_a_step_are_counted_from_the_start_of_the_run() -> None:
    found = rates(Step(start=0.4, every=3, factor=0.5, warmup_epochs=1))
    assert found[29:31] == pytest.approx([0.4, 0.2])


def plateau_rates(schedule: Plateau, losses: list[float]) -> list[float]:
    """The rate of each epoch, each before its own loss is known."""
    return [schedule.after(losses[:epoch]).at(epoch * PER_EPOCH, PER_EPOCH, EPOCHS) for epoch in range(len(losses) + 1)]


def test_plateau_drops_after_more_bad_epochs_than_it_is_patient() -> None:
    schedule = Plateau(start=1.0, factor=0.5, patience=1)
    assert plateau_rates(schedule, [3, 2, 2, 2, 2, 2]) == [1, 1, 1, 1, 0.5, 0.5, 0.25]
    assert plateau_rates(schedule, [3, 2, 2, 1, 1, 0.5]) == [1] * 7


def test_plateau_calls_a_fall_only_what_passes_the_threshold() -> None:
    schedule = Plateau(start=1.0, patience=0, threshold=0.1)
    assert plateau_rates(schedule, [1.0, 0.95, 0.89]) == pytest.approx([1, 1, 0.1, 0.1])


def test_plateau_cools_down_and_has_a_floor() -> None:
    schedule = Plateau(start=1.0, factor=0.5, patience=0, cooldown=2, floor=0.3)
    assert plateau_rates(schedule, [1.0] * 8) == [1, 1, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3]


def test_plateau_goes_as_in_pytorch() -> None:
    """Rates of PyTorch 2.13's ReduceLROnPlateau on the same losses."""
    losses = [2.0, 1.5, 1.49999, 1.6, 1.7, 1.2, 1.3, math.nan, 1.25, 1.21, 1.22, 1.2, 1.1999, 1.0, 1.1, 1.1, 1.1]
    schedule = Plateau(start=0.8, factor=0.5, patience=2, cooldown=1, threshold=1e-4)
    expected = [0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.4, 0.2, 0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05]
    assert plateau_rates(schedule, losses)[1:] == pytest.approx(expected)


def test_plateau_begins_at_its_start_and_can_rise_to_it() -> None:
    assert Plateau(start=0.5).at(7, PER_EPOCH, EPOCHS) == 0.5
    schedule = Plateau(start=1.0, warmup_epochs=1.0)
    assert [schedule.at(step, PER_EPOCH, EPOCHS) for step in (0, 4, 9, 10)] == [0.1, 0.5, 1, 1]
