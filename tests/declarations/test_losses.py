from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.declarations.losses import CrossEntropy
from netspec.declarations.metrics import Accuracy
from netspec.declarations.ops.activations import Softmax
from netspec.declarations.ops.dense import Dense
from netspec.declarations.recipe import Recipe
from netspec.passes.step import gradients, inference, training_step
from netspec.testing import interpret

Array = np.ndarray[Any, np.dtype[Any]]


def network(softmax: bool) -> Graph:
    g = Builder("net")
    x = g.input("x", TensorType((4,)))
    g.path = "dense"
    head = g.layer(Dense(units=3), x).output
    if softmax:
        g.path = "softmax"
        head = g.layer(Softmax(), head).output
    return g.graph({"main": head}, {"main": head})


def numbers() -> tuple[dict[str, Array], dict[str, Array]]:
    generator = np.random.default_rng(3)
    inputs = {"x": generator.normal(size=(5, 4)), "target": generator.integers(0, 3, 5)}
    return inputs, {"dense.weight": generator.normal(size=(4, 3)), "dense.bias": generator.normal(size=3)}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_head_with_and_without_softmax_trains_alike(smoothing: float) -> None:
    recipe = Recipe(loss=CrossEntropy(label_smoothing=smoothing))
    inputs, state = numbers()
    first, second = (
        interpret(gradients(network(softmax), recipe, of_input=True), inputs, 5, state).outputs
        for softmax in (True, False)
    )
    assert set(first) == {"loss", "dense.weight", "dense.bias", "input"}
    for name in first:
        assert first[name].tobytes() == second[name].tobytes()


def test_a_head_with_and_without_softmax_predicts_the_same_probabilities() -> None:
    inputs, state = numbers()
    first, second = (interpret(inference(network(softmax), Recipe()), inputs, 5, state) for softmax in (True, False))
    np.testing.assert_array_equal(first.outputs["main"], second.outputs["main"])
    np.testing.assert_allclose(first.outputs["main"].sum(axis=-1), 1, rtol=1e-14)


def test_the_training_step_yields_the_head_before_its_softmax() -> None:
    graph = training_step(network(softmax=True), Recipe())
    assert "softmax" not in {node.op.name for node in graph}
    assert graph.producer()[graph.outputs["main"]].op.name == "dense"


def test_loss_is_the_mean_of_minus_log_probability() -> None:
    inputs, state = numbers()
    loss = interpret(gradients(network(softmax=True), Recipe()), inputs, 5, state).outputs["loss"]
    probabilities = interpret(inference(network(softmax=True), Recipe()), inputs, 5, state).outputs["main"]
    chosen = probabilities[np.arange(5), inputs["target"]]
    assert loss == pytest.approx(-np.log(chosen).mean(), rel=1e-12)


def test_smoothed_loss_mixes_in_the_mean_over_classes() -> None:
    inputs, state = numbers()
    recipe = Recipe(loss=CrossEntropy(label_smoothing=0.3))
    loss = interpret(gradients(network(softmax=True), recipe), inputs, 5, state).outputs["loss"]
    logs = -np.log(interpret(inference(network(softmax=True), Recipe()), inputs, 5, state).outputs["main"])
    chosen = logs[np.arange(5), inputs["target"]]
    assert loss == pytest.approx((0.7 * chosen + 0.3 * logs.mean(axis=1)).mean(), rel=1e-12)


def test_even_logits_lose_the_logarithm_of_the_number_of_classes() -> None:
    inputs, state = numbers()
    state = {name: np.zeros_like(array) for name, array in state.items()}
    loss = interpret(gradients(network(softmax=True), Recipe()), inputs, 5, state).outputs["loss"]
    assert loss == pytest.approx(math.log(3), rel=1e-14)


def test_a_label_that_is_no_class_makes_the_loss_nan() -> None:
    inputs, state = numbers()
    for label in (-1, 3):
        broken = inputs | {"target": np.array([0, 1, label, 0, 0])}
        assert np.isnan(interpret(gradients(network(softmax=True), Recipe()), broken, 5, state).outputs["loss"])


def test_accuracy_counts_positions() -> None:
    output = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.3, 0.7], [0.6, 0.4]]])
    assert Accuracy().count(output, np.array([[0, 1], [0, 0]])) == (3.0, 4)
