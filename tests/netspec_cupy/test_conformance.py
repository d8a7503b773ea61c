"""Every kernel, on the host half, against the definitions: the same cases and promises as for every other backend."""

from __future__ import annotations

import pytest

from netspec.core.declare import REGISTRIES
from netspec.core.reference import Case
from netspec.testing import all_cases, byte_trials, check_case, check_trial, network_trials
from netspec.testing.matrix import kernels
from netspec.testing.trials import Trial
from netspec_cupy.backend import CupyBackend


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_kernels(host_backend: CupyBackend, case: Case) -> None:
    assert check_case(host_backend, case) == []


@pytest.mark.parametrize("trial", [*network_trials(), *byte_trials()], ids=str)
def test_networks(host_backend: CupyBackend, trial: Trial) -> None:
    assert check_trial(host_backend, trial) == []


def test_no_op_is_without_kernel(host_backend: CupyBackend) -> None:
    assert [op for op in kernels() if host_backend.kernel(op) not in ("written", "generated")] == []
    assert set(kernels()) <= set(REGISTRIES["op"].entries)
