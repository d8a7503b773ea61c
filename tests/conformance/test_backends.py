"""Every kernel of every installed backend against the definitions, forward and backward, and what it keeps on networks.

A backend that cannot run on this machine is not collected, nor is what it says it has no kernel for (docs/matrix.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from netspec.backend import usable_backends
from netspec.testing import Trial, all_cases, check_trial, inference_trial, network_trials, training_trial

if TYPE_CHECKING:
    from netspec.backend import Backend

BACKENDS = usable_backends()


def runs(backend: Backend, trial: Trial) -> bool:
    """Whether the backend has every kernel that the trial needs."""
    return all(backend.kernel(node.op.name) != "missing" for node in trial.graph)


def on_each_backend(trials: tuple[Trial, ...]) -> pytest.MarkDecorator:
    pairs = [(backend, trial) for backend in BACKENDS for trial in trials if runs(backend, trial)]
    return pytest.mark.parametrize(
        ("backend", "trial"), pairs, ids=[f"{backend.name} {trial}" for backend, trial in pairs]
    )


@on_each_backend(tuple(map(inference_trial, all_cases())))
def test_forward(backend: Backend, trial: Trial) -> None:
    assert check_trial(backend, trial) == []


@on_each_backend(tuple(map(training_trial, all_cases())))
def test_training(backend: Backend, trial: Trial) -> None:
    assert check_trial(backend, trial) == []


@on_each_backend(network_trials())
def test_network(backend: Backend, trial: Trial) -> None:
    assert check_trial(backend, trial) == []


def test_the_processor_is_among_them() -> None:
    assert "numba" in {backend.name for backend in BACKENDS}
