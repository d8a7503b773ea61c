"""Convolutions whose vectors hold what is summed, against the definition at awkward shapes; when they are chosen."""

from __future__ import annotations

from typing import Any

import pytest
from convolution_cases import Case, case, check, check_threads, outcomes

from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv, ConvDx
from netspec.target import DIRECT
from netspec_numba.host import LANES
from netspec_numba.kernels import algorithms

ALGORITHM = "lane-sums"
SUMMED = 2 * LANES
FEW = LANES // 2


def few_results(name: str, spatial: tuple[int, ...], size: tuple[int, ...], results: int, **options: Any) -> Case:
    """Few outputs of many channels."""
    return case(name, spatial, SUMMED, max(1, min(results, FEW)), size, **options)


def few_gradients(name: str, spatial: tuple[int, ...], size: tuple[int, ...], results: int, **options: Any) -> Case:
    """Gradients of few channels from many outputs."""
    return case(name, spatial, max(1, min(results, FEW)), SUMMED, size, **options)


CASES = [
    *(few_results(f"{results} results", (5, 6), (3, 2), results, pad=1) for results in range(1, 9)),
    *(few_gradients(f"{results} gradients", (5, 6), (3, 2), results, pad=1) for results in range(1, 9)),
    few_results("line", (19,), (4,), 3, dilation=2, pad=2),
    few_results("strided", (7, 9), (3, 3), 5, stride=(2, 3), padding=((2, 0), (0, 1)), bias=False),
    few_results("volume", (3, 4, 5), (2, 1, 3), 2),
    few_results("point", (4, 4), (1, 1), 8, batch=9, n=7),
    few_gradients("strided gradient", (9, 8), (5, 3), 6, stride=2, pad=2, batch=5, n=5),
    few_gradients("window beyond the map", (3, 2), (5, 5), 3, pad=3),
    few_gradients("stride past the window", (9, 9), (2, 2), 4, stride=3),
    few_gradients("many samples", (14, 14), (5, 5), 6, batch=21, n=20),
]


@pytest.mark.parametrize("trial", CASES, ids=str)
def test_few_results_agree_with_the_definition(trial: Case) -> None:
    assert outcomes(trial, algorithm=ALGORITHM)
    check(trial, algorithm=ALGORITHM)


@pytest.mark.parametrize("trial", CASES[-3:], ids=str)
def test_results_do_not_depend_on_the_number_of_threads(trial: Case) -> None:
    check_threads(trial, ALGORITHM)


def test_few_results_are_computed_in_the_lanes_of_what_is_summed() -> None:
    conv = Conv(filters=2 * LANES, kernel=5)
    x = TensorType((14, 14, max(1, FEW - 2)), block=LANES)
    dy = TensorType((10, 10, 2 * LANES), block=LANES)
    weight = TensorType((5, 5, x.channels, 2 * LANES), batched=False)
    attrs = ConvDx(conv=conv, x=x)
    assert algorithms(attrs, (dy, weight), (x,), 8, "exact", False)[0] == ALGORITHM


@pytest.mark.parametrize("channels", [LANES, LANES + 1], ids=["a whole vector", "more"])
def test_many_results_are_computed_directly(channels: int) -> None:
    attrs = Conv(filters=channels, kernel=5)
    x, weight = TensorType((14, 14, 2 * LANES), block=LANES), TensorType((5, 5, 2 * LANES, channels), batched=False)
    y = TensorType((10, 10, channels), block=LANES)
    assert algorithms(attrs, (x, weight), (y,), 8, "exact", False) == (DIRECT,)
