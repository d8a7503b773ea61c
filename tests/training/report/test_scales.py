"""Axes: places, marks, and numbers as a person writes them."""

from __future__ import annotations

import pytest

from netspec.training.report.scales import linear, logarithmic, marked, share, wants_logarithm, whole, written


def test_a_linear_scale_marks_round_numbers() -> None:
    scale = linear([0.12, 0.97], 0, 100)
    assert scale.ticks == (0.2, 0.4, 0.6, 0.8)
    assert (scale.at(0.12), scale.at(0.97)) == (0, 100)


def test_an_upright_scale_goes_down() -> None:
    scale = linear([1, 2], 200, 10)
    assert scale.at(1) == 200
    assert scale.at(2) == 10


@pytest.mark.parametrize("values", [[], [0.0], [-1.0, -1.0], [5.0], [float("nan"), 3.0]])
def test_a_scale_of_one_value_or_none_has_room(values: list[float]) -> None:
    scale = linear(values, 0, 100)
    assert scale.high > scale.low
    assert scale.ticks


def test_a_logarithmic_scale_marks_powers_of_ten() -> None:
    scale = logarithmic([0.001, 10], 0, 100)
    assert scale.ticks == (0.001, 0.01, 0.1, 1, 10)
    assert scale.at(0.1) == pytest.approx(50)


def test_logarithms_serve_where_many_values_are_small() -> None:
    assert wants_logarithm([1, 0.01, 0.01, 0.01])
    assert not wants_logarithm([1, 0.9, 0.8, 1e-9])  # the end of a cosine
    assert not wants_logarithm([1, 0, 0, 0])
    assert not wants_logarithm([])


def test_epochs_are_whole_and_their_ends_are_marked() -> None:
    assert whole(1, 30, 0, 1).ticks == (1, 5, 10, 15, 20, 25, 30)
    assert whole(1, 3, 0, 1).ticks == (1, 2, 3)
    assert whole(1, 1, 0, 100).at(1) == 50


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.99306, "0.9931"),
        (1.0, "1.0000"),
        (12.3456, "12.346"),
        (31250.0, "31,250"),
        (-0.5, "−0.5000"),
        (3.26e-8, "3.26e−8"),
        (0.0, "0.0000"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_numbers_are_written_with_as_many_digits_as_they_carry(value: float | None, text: str) -> None:
    assert written(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.876, "0.88"), (1e-8, "<0.01"), (0.0, "0.00"), (1.0, "1.00"), (None, "–")]
)
def test_probabilities_have_two_digits(value: float | None, text: str) -> None:
    assert share(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0001, "1e−4"), (0.25, "0.25"), (20000, "20,000"), (1e6, "1e6"), (0, "0")]
)
def test_marks_are_short(value: float, text: str) -> None:
    assert marked(value) == text
