"""Convolutions of one channel whose vectors hold positions, against the definition at awkward shapes."""

from __future__ import annotations

from typing import Any

import pytest
from convolution_cases import Case, case, check, check_threads, outcomes

from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv
from netspec.target import DIRECT
from netspec_numba.host import LANES
from netspec_numba.kernels import algorithms

ALGORITHM = "lane-positions"
FEW = LANES // 2


def one_channel(name: str, spatial: tuple[int, ...], size: tuple[int, ...], results: int, **options: Any) -> Case:
    """Few outputs of one channel."""
    return case(name, spatial, 1, max(1, min(results, FEW)), size, **options)


CASES = [
    *(one_channel(f"{results} results", (5, 6), (3, 2), results, pad=1) for results in range(1, 9)),
    one_channel("line", (19,), (4,), 3, dilation=2, pad=2),
    one_channel("long line", (5 * LANES + 3,), (7,), 6, bias=False),
    one_channel("one position", (3, 4), (3, 4), 2),
    one_channel("strided rows", (11, 9), (3, 3), 5, stride=(2, 1), padding=((2, 0), (0, 1))),
    one_channel("dilated", (9, 10), (3, 2), 4, dilation=(2, 3), pad=2),
    one_channel("cropped", (8, 7), (2, 2), 4, stride=(3, 1)),
    one_channel("volume", (3, 4, 5), (2, 1, 3), 2, pad=1),
    one_channel("padding wider than the image", (2, 3), (3, 3), 3, padding=((4, 1), (1, 5))),
    one_channel("wide", (4, 2 * LANES + 1), (5, 5), 6, pad=2, batch=9, n=7),
    one_channel("many samples", (28, 28), (5, 5), 6, pad=2, batch=21, n=20),
]


@pytest.mark.parametrize("trial", CASES, ids=str)
def test_few_results_agree_with_the_definition(trial: Case) -> None:
    assert list(outcomes(trial, algorithm=ALGORITHM)) == ["y"]
    check(trial, algorithm=ALGORITHM)


@pytest.mark.parametrize("trial", CASES[-2:], ids=str)
def test_results_do_not_depend_on_the_number_of_threads(trial: Case) -> None:
    check_threads(trial, ALGORITHM)


def chosen(channels: int, filters: int, **attributes: Any) -> tuple[str, ...]:
    """The algorithms of a convolution with a window of 5x5, where no other than plain sums are allowed."""
    attrs = Conv(filters=filters, kernel=5, padding="same", **attributes)
    x = TensorType((28, 28, channels))
    weight = TensorType((5, 5, channels, filters), batched=False)
    y = TensorType((*attrs.geometry(x).output, filters), block=LANES)
    return algorithms(attrs, (x, weight), (y,), 8, "exact", False)


def test_one_channel_with_few_results_is_computed_in_lanes_of_positions() -> None:
    assert chosen(1, max(1, FEW - 2))[0] == ALGORITHM


@pytest.mark.parametrize(("channels", "filters", "stride"), [(1, FEW + 1, 1), (2, 1, 1), (1, 1, (1, 2))])
def test_others_are_computed_directly(channels: int, filters: int, stride: Any) -> None:
    assert chosen(channels, filters, stride=stride) == (DIRECT,)
