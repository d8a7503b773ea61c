"""Weight gradients whose vectors hold the numbers under a window, against the definition at awkward shapes."""

from __future__ import annotations

from typing import Any

import pytest
from convolution_cases import Case, case, check, check_threads, outcomes

from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv, ConvDw
from netspec.target import DIRECT
from netspec_numba.host import LANES
from netspec_numba.kernels import algorithms

ALGORITHM = "lane-taps"
FEW = LANES // 2


def few_channels(
    name: str, spatial: tuple[int, ...], channels: int, size: tuple[int, ...], results: int, **options: Any
) -> Case:
    """Few outputs of few channels."""
    return case(name, spatial, channels, max(1, min(results, FEW)), size, **options)


CASES = [
    *(few_channels(f"{results} results", (5, 6), 1, (3, 2), results, pad=1) for results in range(1, 9)),
    *(few_channels(f"{channels} channels", (5, 6), channels, (3, 3), 5, pad=1) for channels in range(1, 5)),
    few_channels("line", (19,), 3, (4,), 3, stride=2, pad=2),
    few_channels("long line", (5 * LANES + 3,), 1, (2 * LANES + 5,), 6),
    few_channels("one position", (3, 4), 1, (3, 4), 2),
    few_channels("strided", (11, 9), 3, (7, 7), 5, stride=(2, 3), padding=((2, 0), (0, 1))),
    few_channels("dilated rows", (9, 10), 2, (3, 2), 4, dilation=(2, 1), pad=2),
    few_channels("cropped", (8, 7), 1, (2, 2), 4, stride=(3, 3)),
    few_channels("volume", (3, 4, 5), 2, (2, 1, 3), 2, pad=1),
    few_channels("many rows in a vector", (9, 4), 1, (8, 2), 3),
    few_channels("padding wider than the image", (2, 3), 1, (3, 3), 3, padding=((4, 1), (1, 5))),
    few_channels("fewer samples than parts", (6, 6), 1, (5, 5), 6, pad=2, batch=20, n=3),
    few_channels("many samples", (28, 28), 1, (5, 5), 6, pad=2, batch=21, n=20),
]


@pytest.mark.parametrize("trial", CASES, ids=str)
def test_few_channels_agree_with_the_definition(trial: Case) -> None:
    assert list(outcomes(trial, algorithm=ALGORITHM)) == ["dw"]
    check(trial, algorithm=ALGORITHM)


@pytest.mark.parametrize("trial", CASES[-2:], ids=str)
def test_results_do_not_depend_on_the_number_of_threads(trial: Case) -> None:
    check_threads(trial, ALGORITHM)


def chosen(channels: int, filters: int, kernel: int = 5, **attributes: Any) -> tuple[str, ...]:
    """The algorithms of a weight gradient, where no other than plain sums are allowed."""
    conv = Conv(filters=filters, kernel=kernel, padding="same", **attributes)
    x = TensorType((28, 28, channels))
    attrs = ConvDw(conv=conv)
    dy = TensorType((*attrs.geometry(x).output, filters), block=LANES)
    weight = TensorType((kernel, kernel, channels, filters), batched=False)
    return algorithms(attrs, (x, dy), (weight,), 8, "exact", False)


def test_few_results_of_one_channel_are_summed_in_lanes_of_weights() -> None:
    assert chosen(1, max(1, FEW - 2))[0] == ALGORITHM


@pytest.mark.parametrize(
    ("channels", "filters", "attributes"),
    [(1, FEW + 1, {}), (1, 1, {"dilation": 2}), (1, 1, {"kernel": 1})],
    ids=["many results", "dilated", "one tap"],
)
def test_others_are_computed_directly(channels: int, filters: int, attributes: Any) -> None:
    assert chosen(channels, filters, **attributes) == (DIRECT,)
