"""Every op as it is exported to ONNX, run by ONNX Runtime, against its definition: every case that it is tried with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from netspec.core.declare import REGISTRIES, declaration_of
from netspec.core.reference import Case
from netspec.declarations.losses import MeanSquaredError
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.errors import SpecError
from netspec.interop.onnx.model import onnx_model
from netspec.interop.onnx.session import run
from netspec.interop.onnx.writer import FORMS
from netspec.testing import all_cases, interpret
from netspec.testing.trials import untouched_trial

PUBLIC = {declaration.name for declaration in REGISTRIES["op"].public()}
WITHOUT_FORM = {
    "locally_connected": "ONNX has no weights that differ from place to place",
    "median_pool": "ONNX has no median",
}
"""Why ONNX has nothing to say."""
CASES = [case for case in all_cases() if declaration_of(case.attrs).name in FORMS]
POOLS_TO_A_SIZE = ("adaptive_avg_pool", "adaptive_max_pool")
PLAIN = Recipe(loss=MeanSquaredError())
"""Takes nothing of the last activation into the loss."""
SUMS = 1e-5
"""float32 sums of some hundred products of numbers of about one."""


def tolerance(case: Case) -> float:
    """Of numbers far from zero, ONNX Runtime takes the variance as a difference of squares, which costs digits."""
    return max(SUMS, float(np.finfo(np.float32).eps) * case.offset**2)


def has_unequal_bins(case: Case) -> bool:
    if declaration_of(case.attrs).name not in POOLS_TO_A_SIZE:
        return False
    bins = case.attrs.bins(case.types[0])
    return any(n % m for n, m in zip(bins.input, bins.output, strict=True))


@pytest.mark.parametrize("case", [case for case in CASES if has_unequal_bins(case)], ids=str)
def test_unequal_bins_are_refused(case: Case) -> None:
    trial = untouched_trial(case)
    y = {"y": trial.graph.outputs["y"]}
    with pytest.raises(SpecError, match="no bins of unequal size"):
        onnx_model(replace(trial.graph, outputs=y, heads=y), PLAIN, trial.state)


@pytest.mark.parametrize("case", [case for case in CASES if not has_unequal_bins(case)], ids=str)
def test_exported_as_defined(case: Case) -> None:
    trial = untouched_trial(case)
    y = {"y": trial.graph.outputs["y"]}
    model = onnx_model(replace(trial.graph, outputs=y, heads=y), PLAIN, trial.state)
    wanted = interpret(trial.graph, trial.inputs, trial.batch, trial.state).outputs["y"]
    found = run(model.encoded(), trial.inputs)["y"]
    assert found.shape == wanted.shape
    allowed = tolerance(case)
    np.testing.assert_allclose(found, wanted, rtol=allowed, atol=allowed * max(1.0, np.abs(wanted).max(initial=0)))


def test_every_op_has_a_form_in_onnx_or_a_reason_why_not() -> None:
    assert FORMS.keys() | WITHOUT_FORM.keys() == PUBLIC
    assert not FORMS.keys() & WITHOUT_FORM.keys()
