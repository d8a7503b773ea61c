"""Every kernel on the GPU against the definitions, in every precision and by every algorithm."""

from __future__ import annotations

from typing import Any

import pytest
from test_algorithms import AWKWARD, MANY_COLUMNS, complaints_of
from waiting_kernels import layers_of_bytes

from netspec.core.reference import Case
from netspec.target import Precision
from netspec.testing import (
    Trial,
    all_cases,
    byte_trials,
    check_case,
    check_trial,
    inference_trial,
    network_trials,
    training_trial,
)
from netspec_cupy.backend import CupyBackend
from netspec_cupy.bench.primitives import complaints

pytestmark = pytest.mark.gpu

ROUNDED = [case for case in all_cases() if case.attrs.declaration.name in ("conv", "conv_transpose", "dense")]


def test_the_seam_does_what_it_does_on_the_host_half(backend: CupyBackend) -> None:
    device: Any = backend._device()
    assert {name: text for name, text in complaints(device).items() if text} == {}


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_kernels(backend: CupyBackend, case: Case) -> None:
    assert check_case(backend, case) == []


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
@pytest.mark.parametrize("case", ROUNDED, ids=str)
def test_tensor_cores(backend: CupyBackend, case: Case, precision: Precision) -> None:
    for trial in (inference_trial(case), training_trial(case)):
        assert check_trial(backend, trial, precision=precision) == []


@pytest.mark.parametrize("case", all_cases()[::3], ids=str)
def test_what_is_stored_as_bfloat16(backend: CupyBackend, case: Case) -> None:
    for trial in (inference_trial(case), training_trial(case)):
        assert check_trial(backend, trial, precision="bfloat16") == []


@pytest.mark.parametrize("case", [*AWKWARD, MANY_COLUMNS], ids=str)
def test_what_is_not_chosen_for_anything_so_small(backend: CupyBackend, case: Case) -> None:
    assert complaints_of(backend, case) == []


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_warpgroups(backend: CupyBackend, precision: Precision) -> None:
    """On Hopper; elsewhere the same by what there is."""
    for trial in inference_trial(MANY_COLUMNS), training_trial(MANY_COLUMNS):
        assert check_trial(backend, trial, f"{precision}/warpgroups", precision) == []


@pytest.mark.parametrize("trial", [*network_trials(), *byte_trials(), *layers_of_bytes()], ids=str)
def test_networks(backend: CupyBackend, trial: Trial) -> None:
    assert check_trial(backend, trial) == []


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("trial", [training_trial(ROUNDED[0]), training_trial(ROUNDED[-1])], ids=str)
def test_a_few_sanitized(backend: CupyBackend, trial: Trial, precision: Precision) -> None:
    """What the bench runs under compute-sanitizer, which is too slow for all."""
    assert check_trial(backend, trial, precision=precision) == []
