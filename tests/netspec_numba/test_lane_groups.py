"""Convolutions with narrow groups, whose vectors hold what is read: against the definition at awkward shapes."""

from __future__ import annotations

from typing import Any

import pytest
from convolution_cases import Case, case, check, check_threads, outcomes

from netspec_numba.host import LANES

ALGORITHM = "lane-groups"


def grouped(
    name: str, spatial: tuple[int, ...], size: tuple[int, ...], groups: tuple[int, int, int], **options: Any
) -> Case:
    """So many groups with so many channels and results each."""
    count, channels, results = groups
    return case(name, spatial, count * channels, count * results, size, groups=count, **options)


CASES = [
    *(grouped(f"{m} filters a channel", (5, 7), (3, 3), (LANES + 3, 1, m), pad=1) for m in (2, 3, 4, 5, 7, 8, 16, 17)),
    *(grouped(f"{m} channels a filter", (5, 7), (3, 3), (LANES + 1, m, 1), pad=1) for m in (2, 3, 4, 9)),
    *(grouped(f"groups of {m}", (4, 15), (3, 3), (2 * LANES // m + 1, m, m), pad=1) for m in (2, 3, 4, 5, 8)),
    grouped("6 to 4", (6, 5), (2, 3), (7, 6, 4), pad=1),
    grouped("4 to 6", (6, 5), (3, 2), (7, 4, 6), pad=1, bias=False),
    grouped("line", (29,), (3,), (5, 1, 2), pad=1),
    grouped("line, causal and dilated", (20,), (3,), (6, 2, 3), dilation=2, padding=((4, 0),)),
    grouped("stride 2", (11, 13), (3, 3), (6, 4, 4), stride=2, pad=1),
    grouped("stride past window", (10, 9), (2, 1), (5, 1, 3), stride=(3, 2)),
    grouped("strided and dilated", (13, 12), (3, 2), (6, 2, 2), stride=(2, 3), dilation=(3, 2), pad=2),
    grouped("common factor of stride and dilation", (17, 16), (3, 3), (3, 1, 2), stride=4, dilation=6, pad=7),
    grouped("wide window", (16, 15), (7, 7), (17, 1, 2), pad=3),
    grouped("eleven taps", (3, 30), (1, 11), (4, 2, 4), padding=((0, 0), (2, 7))),
    grouped("full", (4, 5), (3, 4), (7, 1, 2), padding=((2, 2), (3, 3))),
    grouped("one by one", (6, 7), (1, 1), (33, 2, 2)),
    grouped("window equal to input", (5, 6), (5, 6), (18, 1, 2)),
    grouped("window larger than input", (3, 2), (5, 4), (6, 2, 1), pad=2),
    grouped("one position", (1, 1), (3, 3), (3, 1, 4), pad=1),
    grouped("few channels, plain", (9, 8), (3, 3), (3, 1, 4), stride=2, pad=1),
    grouped("plain on both sides", (6, 5), (3, 3), (LANES + 5, 1, 2), pad=1, plain=True),
    grouped("plain groups of 4", (6, 5), (3, 3), (5, 4, 4), pad=1, plain=True),
    grouped("volume", (4, 5, 6), (3, 2, 3), (6, 1, 2), pad=1, stride=(1, 2, 1)),
    grouped("many samples", (4, 4), (3, 3), (6, 4, 4), pad=1, batch=33, n=31),
    grouped("one of many", (5, 5), (3, 3), (6, 1, 2), pad=1, batch=40, n=1),
    grouped("many positions", (40, 70), (3, 3), (3, 1, 2), pad=1, batch=2, n=2),
]


@pytest.mark.parametrize("trial", CASES, ids=str)
def test_narrow_groups_agree_with_the_definition(trial: Case) -> None:
    assert list(outcomes(trial, algorithm=ALGORITHM)) == ["y", "dw", "dx"]
    check(trial, algorithm=ALGORITHM)


@pytest.mark.parametrize("trial", CASES[-3:], ids=str)
def test_results_do_not_depend_on_the_number_of_threads(trial: Case) -> None:
    check_threads(trial, ALGORITHM)
