"""Activations and their slopes against closed forms, computed number by number with Python's own functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netspec.core import op as ops
from netspec.core.builder import Builder
from netspec.core.declare import declaration_of
from netspec.core.expression import evaluate
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.declarations.ops.activations import (
    Abs,
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Linear,
    PRelu,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Softplus,
    Tanh,
)
from netspec.passes.lower import lower
from netspec.testing import Case, interpret
from netspec.testing.trials import training_trial

Function = Callable[[float], float]

POINTS = (-700.0, -40.0, -6.5, -3.5, -2.0, -1e-3, 1e-3, 0.5, 2.5, 3.5, 5.5, 6.5, 40.0, 700.0)
"""Both sides of every corner, near zero, and where a careless power overflows."""


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def normal_distribution(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def normal_density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


ACTIVATIONS: list[tuple[Any, Function, Function]] = [
    (Relu(), lambda x: max(x, 0), lambda x: float(x > 0)),
    (Relu6(), lambda x: min(max(x, 0), 6), lambda x: float(0 < x < 6)),
    (LeakyRelu(), lambda x: x if x > 0 else 0.01 * x, lambda x: 1 if x > 0 else 0.01),
    (LeakyRelu(slope=0.0), lambda x: max(x, 0), lambda x: float(x > 0)),
    (LeakyRelu(slope=2.0), lambda x: x if x > 0 else 2 * x, lambda x: 1 if x > 0 else 2),
    (Elu(), lambda x: x if x > 0 else math.expm1(x), lambda x: 1 if x > 0 else math.exp(x)),
    (Elu(alpha=0.5), lambda x: x if x > 0 else math.expm1(x) / 2, lambda x: 1 if x > 0 else math.exp(x) / 2),
    (Gelu(), lambda x: x * normal_distribution(x), lambda x: normal_distribution(x) + x * normal_density(x)),
    (Silu(), lambda x: x * logistic(x), lambda x: logistic(x) * (1 + x * logistic(-x))),
    (Softplus(), lambda x: math.log1p(math.exp(x)) if x < 100 else x, logistic),
    (Tanh(), math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    (
        Tanh(scale=1.7159, slope=2 / 3),
        lambda x: 1.7159 * math.tanh(2 * x / 3),
        lambda x: 1.7159 * 2 / 3 * (1 - math.tanh(2 * x / 3) ** 2),
    ),
    (Sigmoid(), logistic, lambda x: logistic(x) * logistic(-x)),
    (HardSigmoid(), lambda x: min(max(x + 3, 0), 6) / 6, lambda x: 1 / 6 if abs(x) < 3 else 0),
    (
        HardSwish(),
        lambda x: x * min(max(x + 3, 0), 6) / 6,
        lambda x: (2 * x + 3) / 6 if abs(x) < 3 else float(x > 0),
    ),
    (Abs(), abs, lambda x: math.copysign(1, x)),
]


@pytest.mark.parametrize(
    ("activation", "value", "slope"),
    ACTIVATIONS,
    ids=lambda given: repr(given) if hasattr(given, "declaration") else None,
)
def test_value_and_slope(activation: Any, value: Function, slope: Function) -> None:
    trial = training_trial(Case(activation, (TensorType((len(POINTS),)),)), batch=1)
    inputs = {"x0": np.array([POINTS]), "weight": np.ones((1, len(POINTS)))}
    found = interpret(trial.graph, inputs, 1).outputs
    # Both are float64; where the textbook's 1 + tiny or 1 - nearly 1 loses digits, it loses them of a number around 1.
    np.testing.assert_allclose(found["y"][0], [value(x) for x in POINTS], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found[trial.gradients["x0"]][0], [slope(x) for x in POINTS], rtol=1e-12, atol=1e-14)


def test_prelu_has_one_slope_per_channel_and_starts_as_in_the_paper() -> None:
    trial = training_trial(Case(PRelu(), (TensorType((2, 3)),)), batch=1)
    x, slope = np.array([[[-2.0, 3.0, -4.0], [1.0, -1.0, 0.0]]]), np.array([0.5, 0.25, -1.0])
    found = interpret(trial.graph, {"x0": x, "weight": np.ones((1, 2, 3))}, 1, {"prelu.slope": slope}).outputs
    np.testing.assert_array_equal(found["y"], [[[-1.0, 3.0, 4.0], [1.0, -0.25, 0.0]]])
    np.testing.assert_array_equal(found[trial.gradients["x0"]], [[[0.5, 1.0, -1.0], [1.0, 0.25, -1.0]]])
    np.testing.assert_array_equal(found[trial.gradients["prelu.slope"]], [-2.0, -1.0, -4.0])
    start = PRelu().params(TensorType((2, 3)))["slope"]
    assert start.shape == (3,)
    np.testing.assert_array_equal(start.initializer.draw(np.random.default_rng(0), start), [0.25] * 3)


def test_elu_keeps_its_digits_near_zero() -> None:
    (formula,) = Elu().expressions(1)
    found = evaluate(formula, {"x0": np.float32(-1e-6)}, np)
    assert found == pytest.approx(math.expm1(-1e-6), rel=1e-6)  # a few units of float32


@pytest.mark.parametrize("activation", [each for each, *_ in ACTIVATIONS], ids=repr)
def test_nan_stays_nan(activation: Any) -> None:
    (formula,) = activation.expressions(1)
    assert np.isnan(evaluate(formula, {"x0": np.array(np.nan)}, np))


def test_linear_is_gone_once_the_network_is_lowered() -> None:
    g = Builder("net")
    x = g.input("x", TensorType((4,)))
    g.path = "linear"
    y = g.layer(Linear(), x).output
    network: Graph = g.graph({"main": y}, {"main": y})
    assert lower(network).nodes == ()
    assert lower(network).outputs["main"] is network.inputs[0]


def test_a_gradient_reads_the_output_where_that_tells_it() -> None:
    readers = {
        activation.declaration.name
        for activation, *_ in ACTIVATIONS
        for node in training_trial(Case(activation, (TensorType((3,)),))).graph
        if node.op.name.endswith(".dx") and node.inputs[0].role == "input"
    }
    assert readers == {"gelu", "silu", "hard_swish", "abs"}


def test_an_activation_says_that_it_is_one() -> None:
    marked = {each.declaration.name for each, *_ in ACTIVATIONS if each.declaration.has("activation")}
    assert marked == {each.declaration.name for each, *_ in ACTIVATIONS} - {"abs"}
    assert not declaration_of(Linear()).has("activation")
    assert all(ops.is_elementwise(each) for each, *_ in ACTIVATIONS)
