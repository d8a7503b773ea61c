"""Every gradient of every op against finite differences, on the float64 interpreter."""

from __future__ import annotations

import pytest

from netspec.core.declare import REGISTRIES
from netspec.testing import (
    Case,
    all_cases,
    byte_trials,
    check_gradients,
    differentiable_cases,
    network_trials,
    training_trial,
)

CASES = differentiable_cases(all_cases())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient(case: Case) -> None:
    assert check_gradients(case) == []


def test_every_op_with_a_gradient_is_among_them() -> None:
    trials = [training_trial(case) for case in CASES] + [*network_trials(), *byte_trials()]
    tried = {node.op.name for trial in trials for node in trial.graph}
    for declaration in REGISTRIES["op"].all():
        if declaration.has("grad") and not declaration.module.startswith("netspec.testing"):
            assert declaration.name in tried, f"no case differentiates {declaration.name!r}"


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_ops_with_a_window_are_differentiated_over_any_number_of_axes(axes: int) -> None:
    for declaration in REGISTRIES["op"].public():
        if declaration.has("geometry"):
            ranks = {len(case.types[0].spatial) for case in CASES if case.attrs.declaration is declaration}
            assert axes in ranks, declaration.name
