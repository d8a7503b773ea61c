"""Winograd convolutions against the definition at awkward shapes, each size of tiles; and when they are chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from convolution_cases import Case, case, check, check_threads, outcomes

from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv
from netspec.target import DIRECT
from netspec_numba.host import LANES
from netspec_numba.kernels import algorithms
from netspec_numba.kernels.winograd_matrices import TAPS, TRANSFORMS

TILES = tuple(f"winograd-{outputs}" for outputs in TRANSFORMS)
VALID, SAME, FULL, UNEVEN = 0, 1, 2, ((2, 0), (1, 1))


def map_of(*sides: int, padding: Any = SAME, channels: int = 6, outputs: int = 5, **options: Any) -> Case:
    """A 3x3 convolution with stride 1 over maps of these sides."""
    name = f"{sides} {padding} {channels} {outputs} {options}"
    padding = padding if isinstance(padding, tuple) else ((padding, padding),) * 2
    return case(name, sides, max(channels, 5), outputs, (3, 3), padding=padding, **options)


CASES = [
    map_of(1, 1),
    map_of(1, 1, padding=FULL),
    map_of(1, 9),
    map_of(2, 3),
    map_of(3, 3, padding=VALID),
    map_of(4, 4, padding=VALID),
    map_of(7, 7, channels=17, outputs=33),
    map_of(13, 17, channels=3, outputs=1),
    map_of(13, 17, padding=VALID, channels=33, outputs=17),
    map_of(13, 17, padding=FULL, channels=16, outputs=16),
    map_of(8, 6, padding=UNEVEN, channels=48, outputs=40),
    map_of(5, 6, padding=((3, 0), (0, 4)), bias=False),
    map_of(6, 5, batch=1, n=1, channels=70, outputs=65),
    map_of(12, 12, batch=9, n=7),
    map_of(28, 30, batch=5, n=5, channels=20, outputs=36),
    map_of(4, 4, batch=40, n=1),
    map_of(9, 10, channels=4 * LANES, outputs=8 * LANES, groups=2),
    map_of(24, 25, batch=12, n=11, channels=2 * LANES, outputs=LANES + 3),
    map_of(34, 33, batch=12, n=11),
]


@pytest.mark.parametrize("algorithm", TILES)
@pytest.mark.parametrize("trial", CASES, ids=str)
def test_three_directions_agree_with_the_definition(trial: Case, algorithm: str) -> None:
    check(trial, algorithm=algorithm)


@pytest.mark.parametrize("algorithm", TILES)
@pytest.mark.parametrize("trial", [CASES[6], *CASES[8:13], CASES[16]], ids=str)
def test_weights_that_are_transformed_panel_by_panel_give_the_same_bits(trial: Case, algorithm: str) -> None:
    kept, passing = (outcomes(trial, algorithm=algorithm, kept=each) for each in (True, False))
    for name, outcome in passing.items():
        np.testing.assert_array_equal(outcome.computed, kept[name].computed)


@pytest.mark.parametrize("algorithm", TILES)
@pytest.mark.parametrize("trial", CASES[-5:], ids=str)
def test_results_do_not_depend_on_the_number_of_threads(trial: Case, algorithm: str) -> None:
    check_threads(trial, algorithm)


@pytest.mark.parametrize("outputs", TRANSFORMS)
def test_the_matrices_compute_a_correlation(outputs: int) -> None:
    made = TRANSFORMS[outputs]
    random = np.random.default_rng(1)
    x, w = random.standard_normal(made.side), random.standard_normal(TAPS)
    y = made.output @ ((made.weight @ w) * (made.input @ x))
    np.testing.assert_allclose(y, np.correlate(x, w), atol=1e-13)  # float64 roundings of a few products


def types_of(side: int, channels: int, filters: int, **attributes: Any) -> tuple[Any, Any, Any]:
    """A convolution, its input types and its output types, blocked."""
    attrs = Conv(filters=filters, kernel=3, padding="same", **attributes)
    x = TensorType((side, side, channels), block=LANES)
    window = attrs.geometry(x)
    weight = TensorType((3, 3, channels // attrs.groups, filters), batched=False)
    return attrs, (x, weight), (TensorType((*window.output, filters), block=LANES),)


def test_large_maps_are_computed_by_tiles_unless_math_is_exact() -> None:
    attrs, inputs, outputs = types_of(56, 64, 64)
    assert algorithms(attrs, inputs, outputs, 8, "fast", False)[0] == "winograd-4"
    assert algorithms(attrs, inputs, outputs, 8, "exact", False) == (DIRECT,)


def test_weights_that_take_longer_to_fetch_than_to_use_are_left_as_they_are() -> None:
    attrs, inputs, outputs = types_of(7, 512, 512)
    assert algorithms(attrs, inputs, outputs, 1, "fast", False)[0] == DIRECT
    assert algorithms(attrs, inputs, outputs, 64, "fast", True)[0] != DIRECT


@pytest.mark.parametrize("attributes", [{"stride": 2}, {"dilation": 2}, {"groups": 16}], ids=str)
def test_other_convolutions_have_no_such_kernel(attributes: dict[str, int]) -> None:
    attrs, inputs, outputs = types_of(16, 32, 32, **attributes)
    assert not any(each.startswith("winograd") for each in algorithms(attrs, inputs, outputs, 8, "fast", False))
