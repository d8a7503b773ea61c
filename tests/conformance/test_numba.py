"""Every kernel of the CPU backend against the definitions, forward and backward, and its promises on whole networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from netspec.testing import (
    Case,
    Trial,
    all_cases,
    check_trial,
    inference_trial,
    network_trials,
    training_trial,
)

if TYPE_CHECKING:
    from netspec.backend import Backend


@pytest.fixture(scope="module")
def numba() -> Backend:
    from netspec_numba.backend import NumbaBackend

    backend = NumbaBackend()
    assert backend.probe() is None
    return backend


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_forward(numba: Backend, case: Case) -> None:
    assert check_trial(numba, inference_trial(case)) == []


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_training(numba: Backend, case: Case) -> None:
    assert check_trial(numba, training_trial(case)) == []


@pytest.mark.parametrize("trial", network_trials(), ids=str)
def test_network(numba: Backend, trial: Trial) -> None:
    assert check_trial(numba, trial) == []
