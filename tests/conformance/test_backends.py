"""Every kernel of every installed backend against the definitions, forward and backward, and what it keeps on networks.

A backend that cannot run on this machine is not collected, nor is what it says it has no kernel for (docs/matrix.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from netspec.backend import usable_backends
from netspec.core.declare import declaration_of
from netspec.testing import (
    Trial,
    all_cases,
    byte_trials,
    check_trial,
    inference_trial,
    network_trials,
    optional_cases,
    other_algorithms,
    training_trial,
)

if TYPE_CHECKING:
    from netspec.backend import Backend

BACKENDS = usable_backends()
ALGORITHM_OPS = ("conv", "conv.pooled", "conv_transpose", "dense")
"""Ops that a backend may compute in several ways."""


def runs(backend: Backend, trial: Trial) -> bool:
    """Whether the backend has every kernel that the trial needs."""
    return all(backend.kernel(node.op.name) not in (None, "missing") for node in trial.graph)


def on_each_backend(trials: tuple[Trial, ...]) -> pytest.MarkDecorator:
    pairs = [(backend, trial) for backend in BACKENDS for trial in trials if runs(backend, trial)]
    return pytest.mark.parametrize(
        ("backend", "trial"), pairs, ids=[f"{backend.name} {trial}" for backend, trial in pairs]
    )


@on_each_backend(tuple(map(inference_trial, (*all_cases(), *optional_cases()))))
def test_forward(backend: Backend, trial: Trial) -> None:
    assert check_trial(backend, trial) == []


@on_each_backend(tuple(map(training_trial, all_cases())))
def test_training(backend: Backend, trial: Trial) -> None:
    assert check_trial(backend, trial) == []


def forced(trials: tuple[Trial, ...]) -> pytest.MarkDecorator:
    """Each trial by each algorithm that was not chosen for it."""
    found = [
        (backend, trial, algorithm)
        for backend in BACKENDS
        for trial in trials
        if runs(backend, trial)
        for algorithm in other_algorithms(backend, trial)
    ]
    names = [f"{backend.name} {algorithm} {trial}" for backend, trial, algorithm in found]
    return pytest.mark.parametrize(("backend", "trial", "algorithm"), found, ids=names)


CHOOSING = [case for case in (*all_cases(), *optional_cases()) if declaration_of(case.attrs).name in ALGORITHM_OPS]


@forced((*map(inference_trial, CHOOSING), *map(training_trial, CHOOSING)))
def test_algorithm(backend: Backend, trial: Trial, algorithm: str) -> None:
    assert check_trial(backend, trial, algorithm) == []


@on_each_backend((*network_trials(), *byte_trials()))
def test_network(backend: Backend, trial: Trial) -> None:
    assert check_trial(backend, trial) == []


def test_the_processor_is_among_them() -> None:
    assert "numba" in {backend.name for backend in BACKENDS}
