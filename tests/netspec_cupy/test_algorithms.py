"""Kernels that are chosen by shape: each of them forced at awkward shapes, and when it is chosen."""

from __future__ import annotations

from typing import Any

import pytest

from netspec.core.reference import Case
from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense
from netspec.plan import make_plan
from netspec.target import DIRECT, Math, Precision, errors_of
from netspec.testing import Trial, all_cases, check_trial, inference_trial, other_algorithms, training_trial
from netspec_cupy.backend import CupyBackend
from netspec_cupy.host_device import HostDevice
from netspec_cupy.kernels import winograd
from netspec_cupy.kernels.dense import TILES


def conv(*shape: int, filters: int = 5, kernel: int = 3, **attributes: Any) -> Case:
    """A convolution of a map of this shape."""
    return Case(Conv(filters=filters, kernel=kernel, **attributes), (TensorType(shape),))


AWKWARD = [
    conv(1, 1, 3, padding=1),
    conv(1, 9, 5, padding=1, filters=2),
    conv(9, 6, 6, padding="full", bias=False),
    conv(13, 4, 3, padding=((3, 0), (0, 4))),
    conv(8, 6, 12, filters=8, groups=2, padding=1),
    conv(6, 5, 70, filters=66, padding=1),
    conv(4, 4, 5),
    # few channels
    conv(9, 40, 3, filters=66, kernel=7, stride=2, padding=3, bias=False),
    conv(8, 7, 2, dilation=(2, 3), padding="same"),
    # a channel by itself
    conv(5, 7, 6, filters=6, groups=6, padding=1),
    conv(8, 9, 35, filters=35, groups=35, padding=1, stride=2),
    conv(7, 6, 3, filters=3, groups=3, kernel=5, padding=((3, 0), (0, 4)), stride=2),
    conv(1, 1, 2, filters=2, groups=2, kernel=5, padding="full", bias=False),
    conv(9, 11, 4, filters=4, groups=4, padding=((0, 2), (1, 0)), stride=2),
]
MANY_COLUMNS = conv(9, 9, 8, filters=132, padding=1)
"""More than one of the largest tiles either way."""
GIVEN = [case for case in all_cases() if case.attrs.declaration.name == "conv"]


def complaints_of(backend: CupyBackend, case: Case, wanted: str = "") -> list[str]:
    """What is wrong with the algorithms that begin so, forward and backward."""
    trials = inference_trial(case), training_trial(case)
    return [
        complaint
        for trial in trials
        for algorithm in (None, *other_algorithms(backend, trial))
        if algorithm is None or algorithm.startswith(wanted)
        for complaint in check_trial(backend, trial, algorithm)
    ]


@pytest.mark.parametrize("case", [*AWKWARD, MANY_COLUMNS, *GIVEN[::8]], ids=str)
def test_every_algorithm_agrees_with_the_definition(host_backend: CupyBackend, case: Case) -> None:
    assert complaints_of(host_backend, case) == []


@pytest.mark.long
@pytest.mark.parametrize("case", [case for place, case in enumerate(GIVEN) if place % 8], ids=str)
def test_the_other_cases_too(host_backend: CupyBackend, case: Case) -> None:
    assert complaints_of(host_backend, case) == []


OTHERS = [case for case in all_cases() if case.attrs.declaration.name in ("conv_transpose", "dense")]


@pytest.mark.parametrize("case", [Case(Dense(units=131), (TensorType((70,)),)), *OTHERS[::6]], ids=str)
def test_wide_tiles_make_every_product(host_backend: CupyBackend, case: Case) -> None:
    assert complaints_of(host_backend, case, "direct") == []


@pytest.mark.parametrize("case", [conv(9, 10, 4, padding=1), conv(8, 9, 6, filters=4, groups=2)], ids=str)
def test_a_few_samples_at_a_time(host_backend: CupyBackend, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a map is so large that all its samples would not stay in the cache."""
    monkeypatch.setattr(winograd, "TOGETHER", 2**12)
    monkeypatch.setattr(winograd, "TERMS_PER_PART", 3)
    work = winograd.Work(2, TILES[DIRECT], case.types[0], TensorType((9, 10, case.attrs.filters)), case.attrs.groups, 3)
    assert work.samples == 1
    assert work.parts > 1
    assert complaints_of(host_backend, case, "winograd") == []


def chosen(case: Case, batch: int, math: Math = "fast") -> dict[str, str]:
    """By op the algorithm of its step."""
    trial: Trial = training_trial(case)
    plan = make_plan(trial.graph, CupyBackend(None).target(1), batch, trial.mode, math=math)
    return {step.node.op.name: step.algorithm for step in plan.steps if step.node.op.name.startswith("conv")}


HOPPER = CupyBackend(HostDevice(capability=90))
ROUNDED = [
    Case(Dense(units=131), (TensorType((70,)),)),
    MANY_COLUMNS,
    conv(7, 6, 3, stride=2, padding=1),
    *GIVEN[4::10],
]


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
@pytest.mark.parametrize("case", ROUNDED, ids=str)
def test_warpgroups_keep_the_bounds_of_their_rounding(case: Case, precision: Precision) -> None:
    for trial in inference_trial(case), training_trial(case):
        assert check_trial(HOPPER, trial, f"{precision}/warpgroups", precision) == []


def test_warpgroups_are_for_hopper_alone() -> None:
    case = conv(28, 28, 256, filters=256, padding="same", bias=False)
    trial = training_trial(case)
    for capability, wanted in {80: {"tf32"}, 90: {"tf32/warpgroups"}, 100: {"tf32"}}.items():
        target = CupyBackend(HostDevice(capability=capability)).target(1)
        plan = make_plan(trial.graph, target, 64, trial.mode, precision="tf32")
        assert {step.algorithm for step in plan.steps if step.node.op.name.startswith("conv")} == wanted


DIRECTIONS = "conv", "conv.dx", "conv.dw"


@pytest.mark.parametrize(("side", "channels"), [(56, 64), (28, 128), (14, 256)])
def test_winograd_is_chosen_where_it_spares_much(side: int, channels: int) -> None:
    case = conv(side, side, channels, filters=channels, padding="same", bias=False)
    assert {errors_of(each) for each in chosen(case, 64).values()} == {"winograd-4"}
    assert not [each for each in chosen(case, 64, "exact").values() if each.startswith("winograd")]


@pytest.mark.parametrize("other", [{"kernel": 5}, {"stride": 2}, {"dilation": 2}])
def test_winograd_is_for_windows_of_three(other: dict[str, Any]) -> None:
    case = conv(28, 28, 64, filters=64, padding="same", bias=False, **other)
    assert not [each for each in chosen(case, 64).values() if each.startswith("winograd")]


def test_kernels_for_few_channels_are_chosen() -> None:
    stem = conv(224, 224, 3, filters=64, kernel=7, stride=2, padding=3, bias=False)
    assert chosen(stem, 64)["conv.dw"] == "direct/stem"
    depthwise = conv(28, 28, 256, filters=256, groups=256, padding=1, bias=False)
    assert chosen(depthwise, 64) == dict.fromkeys(DIRECTIONS, "direct/depthwise")
    assert chosen(depthwise, 64, "exact") == chosen(depthwise, 64)


def test_large_products_are_made_by_wide_tiles() -> None:
    case = conv(28, 28, 256, filters=256, kernel=1, bias=False)
    assert chosen(case, 64) == dict.fromkeys(DIRECTIONS, "direct/wide")
    assert chosen(conv(4, 4, 8, kernel=1, bias=False), 1) == dict.fromkeys(DIRECTIONS, "direct")
