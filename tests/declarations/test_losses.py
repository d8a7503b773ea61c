from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from onnx_oracle import channels_first, run_onnx

from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.declarations.losses import BinaryCrossEntropy, CrossEntropy, Huber, MeanAbsoluteError, MeanSquaredError
from netspec.declarations.metrics import Accuracy
from netspec.declarations.metrics import MeanSquaredError as MeanSquaredErrorMetric
from netspec.declarations.ops.activations import Sigmoid, Softmax
from netspec.declarations.ops.dense import Dense
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.errors import RunError
from netspec.passes.step import evaluation, gradients, inference, training_step
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


def head_alone(shape: tuple[int, ...]) -> Graph:
    """A network that gives what it is given."""
    g = Builder("net")
    x = g.input("x", TensorType(shape))
    return g.graph({"main": x}, {"main": x})


def loss_of(loss: Any, x: Array, target: Array) -> tuple[float, Array]:
    """The loss, and its gradient by x."""
    graph = gradients(head_alone(x.shape[1:]), Recipe(loss=loss), of_input=True)
    found = interpret(graph, {"x": x, "target": target}, len(x)).outputs
    return float(found["loss"]), np.asarray(found["input"])


WEIGHTS = (0.5, 2.0, 0.0, 1.25, 3.0)


@pytest.mark.parametrize("shape", [(5,), (6, 5), (4, 3, 5)], ids=str)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["even", "weighted"])
def test_cross_entropy_of_class_numbers_is_that_of_onnx(shape: tuple[int, ...], weights: Any) -> None:
    generator = np.random.default_rng(0)
    x, label = generator.normal(0, 3, (4, *shape)), generator.integers(0, 5, (4, *shape[:-1]))
    more = [] if weights is None else [np.array(weights)]
    (expected,) = run_onnx("SoftmaxCrossEntropyLoss", [channels_first(x), label, *more], reduction="mean")
    assert loss_of(CrossEntropy(class_weights=weights), x, label)[0] == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["even", "weighted"])
def test_cross_entropy_of_probabilities_weighs_each_class_and_divides_by_positions(
    smoothing: float, weights: Any
) -> None:
    generator = np.random.default_rng(0)
    x, target = generator.normal(0, 3, (4, 3, 5)), generator.dirichlet(np.ones(5), (4, 3))
    logs = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    blended = (1 - smoothing) * target + smoothing / 5
    expected = -(np.array(weights or 1) * blended * logs).sum() / 12
    loss = CrossEntropy(targets="probabilities", label_smoothing=smoothing, class_weights=weights)
    assert loss_of(loss, x, target)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_one_hot_row_is_a_class_number(smoothing: float) -> None:
    generator = np.random.default_rng(0)
    x, label = generator.normal(0, 3, (4, 3, 5)), generator.integers(0, 5, (4, 3))
    by_number = loss_of(CrossEntropy(label_smoothing=smoothing), x, label)
    by_row = loss_of(CrossEntropy(label_smoothing=smoothing, targets="probabilities"), x, np.eye(5)[label])
    assert by_number[0] == pytest.approx(by_row[0], rel=1e-13)
    np.testing.assert_allclose(by_number[1], by_row[1], rtol=1e-12, atol=1e-16)


def test_smoothing_and_weights_of_class_numbers_go_together_as_in_pytorch() -> None:
    """PyTorch divides the smoothed part, too, by the sum of the weights of the labels."""
    x = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]])
    label, weights = np.array([1, 2]), np.array([1.0, 2.0, 4.0])
    logs = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    chosen = weights[label] * logs[[0, 1], label]
    expected = -(0.9 * chosen.sum() + 0.1 / 3 * (weights * logs).sum()) / weights[label].sum()
    found = loss_of(CrossEntropy(label_smoothing=0.1, class_weights=(1.0, 2.0, 4.0)), x, label)[0]
    assert found == pytest.approx(expected, rel=1e-13)
    assert found == pytest.approx(0.29946196, rel=1e-6)  # PyTorch 2.13, in float32


def test_class_weights_for_another_number_of_classes_are_refused() -> None:
    with pytest.raises(RunError, match=r"NS504.*2 numbers, but head 'main' gives 3"):
        training_step(network(softmax=True), Recipe(loss=CrossEntropy(class_weights=(1.0, 2.0))))


def test_binary_cross_entropy_is_minus_the_log_of_the_probability_of_the_target() -> None:
    generator = np.random.default_rng(0)
    z, target = generator.normal(0, 3, (4, 3, 2)), generator.random((4, 3, 2))
    p = 1 / (1 + np.exp(-z))
    expected = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
    loss, slope = loss_of(BinaryCrossEntropy(), z, target)
    assert loss == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(slope, (p - target) / z.size, rtol=1e-12)


def test_losses_of_large_logits_are_finite() -> None:
    z = np.array([[1000.0], [-1000.0], [1000.0]])
    loss, slope = loss_of(BinaryCrossEntropy(), z, np.array([[1.0], [0.0], [0.0]]))
    assert loss == pytest.approx(1000 / 3, rel=1e-14)
    np.testing.assert_array_equal(slope, np.array([[0.0], [0.0], [1 / 3]]))
    rows = np.array([[1e300, -1e300, 0.0]])
    assert loss_of(CrossEntropy(targets="probabilities"), rows, np.array([[1.0, 0.0, 0.0]]))[0] == 0


@pytest.mark.parametrize(
    ("loss", "value", "slope"),
    [
        (MeanSquaredError(), lambda d: d**2, lambda d: 2 * d),
        (MeanAbsoluteError(), abs, np.sign),
        (Huber(), lambda d: np.where(abs(d) <= 1, d**2 / 2, abs(d) - 0.5), lambda d: np.clip(d, -1, 1)),
        (
            Huber(delta=0.5),
            lambda d: np.where(abs(d) <= 0.5, d**2 / 2, 0.5 * (abs(d) - 0.25)),
            lambda d: np.clip(d, -0.5, 0.5),
        ),
    ],
    ids=lambda given: repr(given) if hasattr(given, "declaration") else None,
)
@pytest.mark.parametrize("shape", [(1,), (4, 3, 2)], ids=str)
def test_errors_are_averaged_over_all_numbers(loss: Any, value: Any, slope: Any, shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    x, target = generator.normal(size=(5, *shape)), generator.normal(size=(5, *shape))
    x.flat[0] = target.flat[0]
    found = loss_of(loss, x, target)
    assert found[0] == pytest.approx(value(x - target).mean(), rel=1e-12)
    np.testing.assert_allclose(found[1], slope(x - target) / x.size, rtol=1e-12)


@pytest.mark.parametrize("loss", [CrossEntropy(targets="probabilities"), BinaryCrossEntropy(), MeanSquaredError()])
def test_targets_are_like_the_head(loss: Any) -> None:
    assert loss.target(TensorType((4, 3, 5), block=16)) == TensorType((4, 3, 5))
    assert CrossEntropy().target(TensorType((4, 3, 5))) == TensorType((4, 3), "int32")


def sigmoid_network(written: bool) -> Graph:
    g = Builder("net")
    x = g.input("x", TensorType((4,)))
    g.path = "dense"
    head = g.layer(Dense(units=3), x).output
    g.path = "sigmoid"
    head = g.layer(Sigmoid(), head).output if written else head
    return g.graph({"main": head}, {"main": head})


def test_a_head_with_and_without_sigmoid_trains_and_predicts_alike() -> None:
    inputs, state = numbers()
    inputs["target"] = np.random.default_rng(0).random((5, 3))
    recipe = Recipe(loss=BinaryCrossEntropy(), metrics=BinaryCrossEntropy.metrics)
    for make in (gradients, inference, evaluation):
        first, second = (
            interpret(make(sigmoid_network(written), recipe), inputs, 5, state).outputs for written in (True, False)
        )
        assert {name: a.tobytes() for name, a in first.items()} == {name: a.tobytes() for name, a in second.items()}
    predicted = interpret(inference(sigmoid_network(False), recipe), inputs, 5, state).outputs["main"]
    assert ((predicted > 0) & (predicted < 1)).all()


@pytest.mark.parametrize("softmax", [False, True])
def test_metrics_are_given_probabilities_where_more_than_their_order_matters(softmax: bool) -> None:
    inputs, state = numbers()
    metrics = ("accuracy", Accuracy()), ("mean_squared_error", MeanSquaredErrorMetric())
    recipe = Recipe(metrics=metrics)
    found = interpret(evaluation(network(softmax), recipe), inputs, 5, state).outputs["main"]
    predicted = interpret(inference(network(softmax), recipe), inputs, 5, state).outputs["main"]
    np.testing.assert_array_equal(found, predicted)
