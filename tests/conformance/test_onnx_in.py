"""Every op as it is exported to ONNX comes back as itself, with the same numbers: every case that it is tried with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx_round_trip import back

from netspec.core.declare import declaration_of
from netspec.core.reference import Case
from netspec.declarations.losses import MeanSquaredError
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.errors import SpecError
from netspec.interop.onnx.model import onnx_model
from netspec.interop.onnx.writer import FORMS
from netspec.testing import all_cases, interpret
from netspec.testing.trials import untouched_trial

SINGLE = 1e-6
"""Attributes and weights went through float32; the rest is the same definition in float64."""
SAID_OTHERWISE = {
    "adaptive_avg_pool": ("avg_pool",),
    "adaptive_max_pool": ("max_pool",),
    "channel_shuffle": ("identity", "flatten"),
    "conv": ("depthwise_conv",),
    "crop": ("select", "part", "identity"),
    "depth_to_space": ("identity", "reshape"),
    "depthwise_conv": ("conv",),
    "dropout": ("identity",),
    "flatten": ("identity",),
    "linear": ("identity",),
    "max": ("identity",),
    "mean": ("identity",),
    "multiply": ("identity",),
    "pad": ("identity",),
    "part": ("identity",),
    "reshape": ("flatten", "identity"),
    "select": ("part",),
    "separable_conv": ("depthwise_conv", "conv"),
}
"""Ops that ONNX says in the words of others, or that do nothing once training is over or in a corner case."""


def exported(case: Case) -> bool:
    """Whether ONNX has a form of the case; unequal bins have none, which another test shows."""
    if declaration_of(case.attrs).name not in FORMS:
        return False
    bins = case.attrs.bins(case.types[0]) if declaration_of(case.attrs).name.startswith("adaptive") else None
    return bins is None or all(n % m == 0 for n, m in zip(bins.input, bins.output, strict=True))


def names_a_layer(case: Case) -> bool:
    """Whether the size is that of another layer, which a network of one layer lacks."""
    like = getattr(case.attrs, "like", None)
    sides = case.types[0].spatial
    return (
        declaration_of(case.attrs).name == "upsample"
        and like is not None
        and any(to % n for n, to in zip(sides, like[:-1], strict=True))
    )


CASES = [case for case in all_cases() if exported(case)]


@pytest.mark.parametrize("case", [case for case in CASES if not names_a_layer(case)], ids=str)
def test_comes_back(case: Case) -> None:
    trial = untouched_trial(case)
    y = {"y": trial.graph.outputs["y"]}
    model = onnx_model(replace(trial.graph, outputs=y, heads=y), Recipe(loss=MeanSquaredError()), trial.state)
    found = back(model.proto)
    name = declaration_of(case.attrs).name
    assert {name, *SAID_OTHERWISE.get(name, ())} >= set(found.ops)
    (head,) = found.spec.graph.heads.values()
    inputs = {
        new.name: trial.inputs[old.name] for new, old in zip(found.spec.graph.inputs, trial.graph.inputs, strict=True)
    }
    graph = replace(found.spec.graph, outputs={"y": head})
    got = interpret(graph, inputs, trial.batch, found.weights).outputs["y"]
    wanted = interpret(trial.graph, trial.inputs, trial.batch, trial.state).outputs["y"]
    assert sum(array.size for array in found.weights.values()) == sum(array.size for array in trial.state.values())
    largest = max(1.0, np.abs(wanted).max(initial=0))
    np.testing.assert_allclose(got, wanted, rtol=SINGLE, atol=SINGLE * largest)


@pytest.mark.parametrize("case", [case for case in CASES if names_a_layer(case)], ids=str)
def test_a_size_that_no_layer_has_is_told(case: Case) -> None:
    trial = untouched_trial(case)
    y = {"y": trial.graph.outputs["y"]}
    model = onnx_model(replace(trial.graph, outputs=y, heads=y), Recipe(loss=MeanSquaredError()), trial.state)
    with pytest.raises(SpecError, match="no earlier layer is of size"):
        back(model.proto)


def test_every_op_that_is_exported_is_tried() -> None:
    assert {declaration_of(case.attrs).name for case in CASES} == FORMS.keys()
