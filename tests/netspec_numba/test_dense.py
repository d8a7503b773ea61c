"""Dense kernels: a convolution over no axes, in the plain layout."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from convolution_cases import Case, case, check, outcomes

LAYERS = [
    case(f"{features} to {units}, {n} of {batch}", (), features, units, (), plain=True, batch=batch, n=n)
    for features, units, batch, n in (
        (400, 120, 64, 64),
        (120, 84, 64, 61),
        (84, 10, 15, 1),
        (1, 1, 3, 2),
        (17, 33, 30, 29),
        (64, 64, 14, 14),
        (5, 1030, 4, 3),
    )
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_three_directions_agree_with_the_definition(layer: Case) -> None:
    check(layer, "dense")


def test_without_bias() -> None:
    check(case("no bias", (), 33, 20, (), plain=True, bias=False), "dense")


@pytest.mark.parametrize(
    "layer",
    [
        case(f"{features} to {units}, {n} of {batch}", (), features, units, (), plain=True, batch=batch, n=n, bias=bias)
        for features, units, batch, n, bias in (
            (400, 120, 1, 1, True),
            (1, 1, 1, 1, True),
            (17, 33, 2, 1, False),
            (67, 64, 2, 2, True),
            (5, 1030, 1, 1, True),
            (1031, 7, 4, 3, True),
        )
    ],
    ids=str,
)
def test_few_samples_row_by_row(layer: Case) -> None:
    found = []
    available = numba.get_num_threads()
    try:
        for threads in (1, available):
            numba.set_num_threads(threads)
            found.append(outcomes(layer, "dense", "rows"))
            check(layer, "dense", "rows")
    finally:
        numba.set_num_threads(available)
    assert list(found[0]) == ["y"]
    np.testing.assert_array_equal(found[0]["y"].computed, found[1]["y"].computed)


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    available = numba.get_num_threads()
    try:
        both = []
        for threads in (1, available):
            numba.set_num_threads(threads)
            both.append(outcomes(LAYERS[0], "dense"))
    finally:
        numba.set_num_threads(available)
    for name, outcome in both[0].items():
        np.testing.assert_array_equal(outcome.computed, both[1][name].computed)
