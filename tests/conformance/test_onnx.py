"""The definition of every op that ONNX can say against ONNX's own, on every case that the op is tried with."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_layers import LAYERS, UNKNOWN

from netspec.core.declare import REGISTRIES, declaration_of
from netspec.core.reference import Case
from netspec.testing import all_cases, interpret
from netspec.testing.trials import untouched_trial

PUBLIC = {declaration.name for declaration in REGISTRIES["op"].public()}
CASES = [case for case in all_cases() if declaration_of(case.attrs).name in LAYERS]
EXACT = 1e-12
"""Both are float64 sums of some hundred products of numbers of about one."""
SINGLE = 1e-6
"""ONNX keeps the numbers among its attributes in float32, and the constants of functions that it composes."""
CONSTANTS = frozenset({"gelu", "hard_sigmoid", "hard_swish"})
"""Made with constants: the root of 2, and a sixth."""


def tolerance(case: Case) -> float:
    kinds = {attribute.kind for attribute in declaration_of(case.attrs).attributes}
    return SINGLE if "float" in kinds or declaration_of(case.attrs).name in CONSTANTS else EXACT


@pytest.mark.parametrize("case", CASES, ids=str)
def test_definition(case: Case) -> None:
    trial = untouched_trial(case)
    wanted = interpret(trial.graph, trial.inputs, trial.batch, trial.state).outputs["y"]
    data = [trial.inputs[value.name].astype(np.float64) for value in trial.graph.inputs]
    parameters = {name.rsplit(".", 1)[-1]: array.astype(np.float64) for name, array in trial.state.items()}
    found = LAYERS[declaration_of(case.attrs).name](case.attrs, data, parameters)
    allowed = tolerance(case)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=allowed, atol=allowed * max(1.0, np.abs(wanted).max(initial=0)))


def test_every_op_is_held_against_onnx_or_says_why_not() -> None:
    assert LAYERS.keys() | UNKNOWN.keys() == PUBLIC
    assert not LAYERS.keys() & UNKNOWN.keys()
    assert all(UNKNOWN.values())
