"""What is computed from weights alone: kept from one prediction to the next, and never past a change of the weights."""

from __future__ import annotations

from typing import Any

import kernel_operands  # noqa: F401 - selects the kernel cache, before any kernel is imported
import numpy as np
import pytest

import netspec
from netspec.analysis.memory import plan_for
from netspec.passes.step import inference
from netspec.plan import Mode, Plan, make_plan
from netspec.target import DIRECT
from netspec_numba.backend import NumbaBackend

SPEC = """\
netspec: 1
name: tiled
input: [20, 20, 6]
layers:
  - conv: {filters: 32, kernel: 3, padding: same}
  - relu
  - conv: {filters: 32, kernel: 3}
  - global_avg_pool
  - dense: 3
  - softmax
train: {lr: 0.5, batch: 8, seed: 3}
"""
RANDOM = np.random.default_rng(5)
IMAGES = RANDOM.standard_normal((8, 20, 20, 6)).astype(np.float32)
LABELS = np.arange(8) % 3


def model() -> Any:
    return netspec.load(SPEC).compile(threads=1)


def plan(mode: Mode, *overrides: str) -> Plan:
    return plan_for(netspec.load(SPEC, overrides), NumbaBackend().target(1), 8, mode)


def algorithms(made: Plan) -> set[str]:
    return {step.algorithm for step in made.steps if step.node.op.name.startswith("conv")}


def test_predictions_follow_the_weights_through_training_and_writing() -> None:
    trained = model()
    before = trained.predict(IMAGES)
    np.testing.assert_array_equal(before, trained.predict(IMAGES))
    trained.fit(IMAGES, LABELS, epochs=2)
    after = trained.predict(IMAGES)
    assert not np.array_equal(before, after)
    fresh = model()
    fresh.predict(IMAGES)
    for name, weights in trained.weights.items():
        fresh.weights[name] = weights
    np.testing.assert_array_equal(after, fresh.predict(IMAGES))


def test_prepared_weights_are_kept_where_no_step_writes_weights() -> None:
    predicting, training = plan("infer"), plan("train")
    convolutions = [step for step in predicting.steps if step.node.op.name == "conv"]
    end = len(predicting.steps)
    for step in convolutions:
        buffer = predicting.buffers[step.scratch["weights"]]
        assert (buffer.first, buffer.last) == (0, end)
    assert not any(step.kept for step in training.steps if step.node.op.name.startswith("conv"))


def test_the_plan_names_its_algorithms_and_exact_math_has_one() -> None:
    assert algorithms(plan("train")) - {DIRECT}
    assert algorithms(plan("train", "train.math=exact")) == algorithms(plan("infer", "train.math=exact")) == {DIRECT}
    said = [step["algorithm"] for step in plan("infer").document()["steps"] if step["op"] == "conv"]
    assert said == [step.algorithm for step in plan("infer").steps if step.node.op.name == "conv"]


def test_what_a_plan_says_of_its_computation_has_all_that_decides_the_bits() -> None:
    fast, exact = (plan("infer", f"train.math={math}") for math in ("fast", "exact"))
    assert fast.computation() != exact.computation()
    said = [step for step in exact.computation() if step["op"] == "conv"]
    assert [step.get("epilogue") for step in said] == [{"residual": False, "low": 0, "high": None}, None]
    wider = plan_for(netspec.load(SPEC), NumbaBackend().target(2), 8, "infer")
    assert wider.computation() == fast.computation()


def test_an_algorithm_can_be_asked_for_and_one_that_does_not_fit_is_refused() -> None:
    spec, target = netspec.load(SPEC), NumbaBackend().target(1)
    graph = inference(spec.graph, spec.recipe, "float32")
    unfused, value = (node.outputs[0].name for node in graph.nodes if node.op.name == "conv")
    for wanted in (DIRECT, "winograd-2"):
        made = make_plan(graph, target, 8, "infer", algorithms={value: wanted})
        assert next(step.algorithm for step in made.steps if step.node.outputs[0].name == value) == wanted
    with pytest.raises(ValueError, match="for conv here, not fft"):
        make_plan(graph, target, 8, "infer", algorithms={value: "fft"})
    with pytest.raises(ValueError, match=f"of {unfused}, which no step makes"):
        make_plan(graph, target, 8, "infer", algorithms={unfused: DIRECT})  # its relu is in it: it makes that one's
