"""Every kernel, on the host half, against the definitions: the same cases and promises as for every other backend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cupy_trials import cupy_cases, cupy_networks

from netspec.core.declare import REGISTRIES
from netspec.core.reference import Case
from netspec.testing import check_case, check_trial
from netspec.testing.matrix import kernels
from netspec.testing.trials import Trial
from netspec_cupy.backend import BETWEEN_RANKS, OF_BYTES, CupyBackend


@pytest.mark.parametrize("case", cupy_cases(), ids=str)
def test_kernels(host_backend: CupyBackend, case: Case) -> None:
    assert check_case(host_backend, case) == []


@pytest.mark.parametrize("trial", cupy_networks(), ids=str)
def test_networks(host_backend: CupyBackend, trial: Trial) -> None:
    assert check_trial(host_backend, trial) == []


def missing(backend: CupyBackend) -> Iterator[str]:
    for op in kernels():
        if backend.kernel(op) not in ("written", "generated"):
            yield op


def test_no_op_is_without_kernel(host_backend: CupyBackend) -> None:
    refused = OF_BYTES | BETWEEN_RANKS  # of quantised networks (NS861), and of steps that ranks share (NS953)
    assert set(missing(host_backend)) == refused
    assert set(kernels()) <= set(REGISTRIES["op"].entries)
