"""Kernels whose threads wait for each other give the same bits whichever thread goes first."""

from __future__ import annotations

import pytest
from recording_device import CHOSEN, Way, kernels_of
from waiting_kernels import FORCED, layers_of_bytes, results, rounded_trials, trials, waiting_kernels

from netspec.target import Precision
from netspec.testing import Trial, check_trial
from netspec_cupy.backend import CupyBackend
from netspec_cupy.host_device import HostDevice

BACKENDS = [CupyBackend(HostDevice(schedule=schedule)) for schedule in (0, 1, 7)]
OLD = CupyBackend(HostDevice(schedule=1, capability=75))
"""Without fragments for bytes."""
TRIALS = trials()
ROUNDED = rounded_trials()
PRECISIONS: tuple[Precision, ...] = ("tf32", "bfloat16")


def test_the_trials_run_every_kernel_that_waits() -> None:
    run = kernels_of(TRIALS).keys() | set().union(*(kernels_of(ROUNDED, Way(each)).keys() for each in PRECISIONS))
    run |= set().union(*(kernels_of([trial], way).keys() for trial, way in FORCED))
    run |= kernels_of(TRIALS, Way("bfloat16")).keys()
    run |= kernels_of(TRIALS, Way(capability=75)).keys()
    assert waiting_kernels() - run == set()
    assert {
        "byte_convolution",
        "dense_forward",
        "quantize_weights",
        "sum_rows",
        "softmax_forward",
        "join_mean",
    } <= waiting_kernels()
    assert not {"join_parts", "dropout_mask", "move"} & waiting_kernels()


def assert_alike(trial: Trial, *ways: Way) -> None:
    found = [
        results(CupyBackend(HostDevice(schedule=each, capability=way.capability)), trial, way)
        for way in ways or (CHOSEN,)
        for each in (0, 1, 7)
    ]
    for other in found[1:]:
        assert {name: array.tobytes() for name, array in other.items()} == {
            name: array.tobytes() for name, array in found[0].items()
        }


@pytest.mark.parametrize("trial", TRIALS, ids=str)
def test_results_do_not_depend_on_the_schedule(trial: Trial) -> None:
    assert_alike(trial)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("trial", ROUNDED, ids=str)
def test_nor_do_they_on_tensor_cores(trial: Trial, precision: Precision) -> None:
    assert_alike(trial, Way(precision))


@pytest.mark.parametrize("trial", [each for each in TRIALS if each.mode == "train"][::2], ids=str)
def test_nor_where_tensors_are_stored_as_bfloat16(trial: Trial) -> None:
    assert_alike(trial, Way("bfloat16"))


@pytest.mark.parametrize(("trial", "way"), FORCED, ids=str)
def test_nor_by_other_algorithms(trial: Trial, way: Way) -> None:
    assert_alike(trial, way)


@pytest.mark.parametrize("trial", layers_of_bytes(), ids=str)
def test_dot_products_of_bytes_give_what_tensor_cores_do(trial: Trial) -> None:
    assert check_trial(OLD, trial) == []
    assert_alike(trial, Way(capability=75), CHOSEN)


@pytest.mark.parametrize("backend", BACKENDS[1:], ids=["backwards", "shuffled"])
def test_results_are_right_under_every_schedule(backend: CupyBackend) -> None:
    assert [complaint for trial in TRIALS[:4] for complaint in check_trial(backend, trial)] == []
