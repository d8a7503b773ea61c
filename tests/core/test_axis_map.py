"""Maps of one axis, against what they say of themselves."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.core import axis_map
from netspec.core.axis_map import AxisMap, Reach

SIZES = st.integers(1, 12)


def sources(made: AxisMap) -> list[list[int]]:
    return [[place for place, _ in row] for row in made.rows]


def test_taken_places_come_in_their_order() -> None:
    made = axis_map.take(5, (4, 0, 0))
    assert sources(made) == [[4], [0], [0]]
    assert (made.input, made.output, made.reach) == (5, 3, Reach(1, Fraction(4)))


@pytest.mark.parametrize(("places", "step"), [((3,), 1), ((0, 1, 2), 1), ((0, 2, 4), 2), ((2, 2), 1)])
def test_the_step_of_taken_places_is_the_largest(places: tuple[int, ...], step: int) -> None:
    assert axis_map.take(5, places).step == step


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("value", [[], [], [0], [1], [2], []]),
        ("reflect", [[2], [1], [0], [1], [2], [1]]),
        ("replicate", [[0], [0], [0], [1], [2], [2]]),
    ],
)
def test_padding(mode: str, expected: list[list[int]]) -> None:
    assert sources(axis_map.pad(3, 2, 1, mode)) == expected  # type: ignore[arg-type]  # one of the three words


@pytest.mark.parametrize(
    ("size", "kept", "expected"), [(5, 3, [1, 2, 3]), (5, 2, [1, 2]), (4, 1, [1]), (3, 3, [0, 1, 2])]
)
def test_the_middle_leaves_the_odd_cell_at_the_end(size: int, kept: int, expected: list[int]) -> None:
    assert sources(axis_map.middle(size, kept)) == [[place] for place in expected]


def test_nearest_repeats() -> None:
    made = axis_map.nearest(2, 6)
    assert sources(made) == [[0], [0], [0], [1], [1], [1]]
    assert made.step == Fraction(1, 3)


def test_bilinear_takes_a_quarter_and_three_when_twice_as_fine() -> None:
    rows = axis_map.bilinear(3, 6).rows
    assert rows == (
        ((0, 1.0),),
        ((0, 0.75), (1, 0.25)),
        ((0, 0.25), (1, 0.75)),
        ((1, 0.75), (2, 0.25)),
        ((1, 0.25), (2, 0.75)),
        ((2, 1.0),),
    )


@given(SIZES, SIZES)
def test_bilinear_is_a_mean_of_neighbours_and_symmetric(size: int, output: int) -> None:
    made = axis_map.bilinear(size, output)
    assert made.output == output
    for row, mirrored in zip(made.rows, reversed(made.rows), strict=True):
        assert sum(weight for _, weight in row) == pytest.approx(1, abs=1e-15)  # one rounding of weights below 1
        assert all(0 <= place < size for place, _ in row)
        assert sum(place * weight for place, weight in row) == pytest.approx(
            size - 1 - sum(place * weight for place, weight in mirrored), abs=1e-12
        )  # places up to 12 times weights that are rounded once
    assert made.reach.cells <= 2


@given(SIZES, st.lists(st.integers(0, 11), min_size=1, max_size=8))
def test_transposing_twice_gives_the_map_again(size: int, places: list[int]) -> None:
    made = axis_map.take(size, [place % size for place in places])
    transposed = made.transposed()
    assert (transposed.input, transposed.output) == (made.output, made.input)
    assert transposed.transposed() == made
    entries = {(output, place) for output, row in enumerate(made.rows) for place, _ in row}
    assert entries == {(output, place) for place, row in enumerate(transposed.rows) for output, _ in row}
