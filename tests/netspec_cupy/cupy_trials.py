"""The cases and networks of all backends that are CuPy's: but for those with ops that it declares to be missing."""

from __future__ import annotations

from netspec.core.reference import Case
from netspec.testing import all_cases, network_trials
from netspec.testing.trials import Trial
from netspec_cupy.backend import CupyBackend


def _has(op: str) -> bool:
    return CupyBackend().kernel(op) != "missing"


def cupy_cases() -> tuple[Case, ...]:
    """Every case of an op with a kernel."""
    return tuple(case for case in all_cases() if _has(case.attrs.declaration.name))


def cupy_networks() -> tuple[Trial, ...]:
    """Every network all of whose ops have kernels."""
    return tuple(trial for trial in network_trials() if all(_has(node.op.name) for node in trial.graph.nodes))
