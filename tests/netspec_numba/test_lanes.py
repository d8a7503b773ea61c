"""Vectors of lanes: every operator and conversion against NumPy, NaN included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import njit

from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import (
    as_double,
    as_single,
    choose,
    lane,
    lane_numbers,
    largest_of_lanes,
    load_lanes,
    spread,
    store_first,
    store_lanes,
    sum_of_lanes,
)

SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -2.5]


def pairs(dtype: Any) -> tuple[Any, Any]:
    a, b = (each.reshape(-1) for each in np.meshgrid(SPECIAL, SPECIAL))
    size = -(-a.size // LANES) * LANES
    return np.resize(a, size).astype(dtype), np.resize(b, size).astype(dtype)


def applied(function: Any) -> Callable[[Any, Any, Any], None]:
    @njit(error_model="numpy")
    def run(a: Any, b: Any, y: Any) -> None:
        for at in range(0, a.size, LANES):
            store_lanes(y, at, function(load_lanes(a, at), load_lanes(b, at)))

    return run


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arithmetic_is_that_of_numpy(dtype: Any) -> None:
    a, b = pairs(dtype)
    cases = [
        (njit(lambda a, b: a + b), np.add),
        (njit(lambda a, b: a - b), np.subtract),
        (njit(lambda a, b: a * b), np.multiply),
        (njit(lambda a, b: a / b), np.divide),
    ]
    for function, exact in cases:
        y = np.empty_like(a)
        applied(function)(a, b, y)
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(y, exact(a, b))


def test_comparisons_are_false_for_nan_except_unequal() -> None:
    a, b = pairs(np.float32)
    one, zero = np.float32(1.0), np.float32(0.0)
    cases = [
        (njit(lambda a, b: choose(a < b, spread(one), spread(zero))), np.less),
        (njit(lambda a, b: choose(a > b, spread(one), spread(zero))), np.greater),
        (njit(lambda a, b: choose(a >= b, spread(one), spread(zero))), np.greater_equal),
        (njit(lambda a, b: choose(a == b, spread(one), spread(zero))), np.equal),
        (njit(lambda a, b: choose(a != b, spread(one), spread(zero))), np.not_equal),
        (njit(lambda a, b: choose((a < b) | (a > b), spread(one), spread(zero))), lambda a, b: (a < b) | (a > b)),
        (njit(lambda a, b: choose((a < b) & (b > a), spread(one), spread(zero))), np.less),
    ]
    for function, exact in cases:
        y = np.empty_like(a)
        applied(function)(a, b, y)
        np.testing.assert_array_equal(y, exact(a, b).astype(np.float32))


@njit
def convert(bytes_in: Any, singles: Any, doubles: Any, bytes_out: Any, few: Any, count: int) -> Any:
    numbers = load_lanes(bytes_in, 0)
    store_lanes(bytes_out, 0, numbers)
    store_lanes(doubles, 0, as_double(as_single(numbers)))
    store_lanes(singles, 0, as_single(as_double(as_single(numbers + lane_numbers()))))
    store_first(few, 0, as_single(numbers), count)
    return sum_of_lanes(as_double(numbers)), largest_of_lanes(as_single(numbers)), lane(numbers, 1)


@pytest.mark.parametrize("count", [1, LANES - 1, LANES, LANES + 5])
def test_conversions_partial_stores_and_reductions(count: int) -> None:
    given = np.random.default_rng(1).integers(0, 256, LANES).astype(np.uint8)
    singles, doubles = np.empty(LANES, np.float32), np.empty(LANES)
    out, few = np.empty(LANES, np.uint8), np.full(2 * LANES, -1, np.float32)
    total, largest, second = convert(given, singles, doubles, out, few, count)
    np.testing.assert_array_equal(out, given)
    np.testing.assert_array_equal(doubles, given)
    np.testing.assert_array_equal(singles, given + np.arange(LANES))
    stored = min(count, LANES)
    np.testing.assert_array_equal(few[:stored], given[:stored])
    np.testing.assert_array_equal(few[stored:], -1)
    assert (total, largest, second) == (given.sum(), given.max(), given[1])
