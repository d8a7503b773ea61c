from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.declarations.ops.dense import Dense
from netspec.declarations.ops.normalization import BatchNorm
from netspec.declarations.ops.pooling import GlobalAvgPool
from netspec.declarations.recipe import Recipe
from netspec.passes.step import gradients, inference, training_step
from netspec.testing import interpret

Array = np.ndarray[Any, np.dtype[Any]]

SCALARS = {"learning_rate": 0.0, "step": 1}


def network(momentum: float = 0.9, moving_variance: str = "unbiased") -> Graph:
    g = Builder("net")
    x = g.input("x", TensorType((5, 2)))
    g.path = "norm"
    x = g.layer(BatchNorm(momentum=momentum, moving_variance=moving_variance), x).output
    g.path = "pool"
    x = g.layer(GlobalAvgPool(), x).output
    g.path = "dense"
    head = g.layer(Dense(units=3), x).output
    return g.graph({"main": head}, {"main": head})


def images(samples: int = 4) -> Array:
    return np.random.default_rng(5).normal(3.0, 2.0, (samples, 5, 2))


def start(graph: Graph) -> dict[str, Array]:
    ones = {slot.name for slot in graph.slots if slot.param.initializer == "ones"}
    return {s.name: np.full(s.param.shape, 1.0 if s.name in ones else 0.0) for s in graph.slots}


def step(graph: Graph, state: dict[str, Array], x: Array) -> dict[str, Array]:
    inputs = {"x": x, "target": np.zeros(len(x), np.int64)}
    return dict(interpret(graph, inputs, len(x), state, SCALARS).state)


@pytest.mark.parametrize(("moving_variance", "ddof"), [("unbiased", 1), ("biased", 0)])
def test_moving_statistics_follow_the_batches(moving_variance: str, ddof: int) -> None:
    graph = training_step(network(moving_variance=moving_variance), Recipe())
    state, mean, variance = start(graph), np.zeros(2), np.ones(2)
    for _ in range(3):
        state = step(graph, state, images())
        mean = 0.9 * mean + 0.1 * images().mean(axis=(0, 1))
        variance = 0.9 * variance + 0.1 * images().var(axis=(0, 1), ddof=ddof)
    np.testing.assert_allclose(state["norm.moving_mean"], mean, rtol=1e-12)
    np.testing.assert_allclose(state["norm.moving_variance"], variance, rtol=1e-12)


def test_only_live_samples_count() -> None:
    graph = training_step(network(momentum=0.0), Recipe())
    after = step(graph, start(graph), images(3))
    np.testing.assert_allclose(after["norm.moving_mean"], images(3).mean(axis=(0, 1)), rtol=1e-12)


def test_one_number_per_channel_has_no_spread() -> None:
    g = Builder("net")
    x = g.input("x", TensorType((2,)))
    g.path = "norm"
    head = g.layer(BatchNorm(momentum=0.0), x).output
    graph = training_step(g.graph({"main": head}, {"main": head}), Recipe())
    inputs = {"x": np.array([[4.0, -3.0]]), "target": np.zeros(1, np.int64)}
    state = interpret(graph, inputs, 1, start(graph), SCALARS).state
    assert state["norm.moving_variance"].tolist() == [0.0, 0.0]
    assert state["norm.moving_mean"].tolist() == [4.0, -3.0]


def test_training_normalises_the_batch() -> None:
    graph = training_step(network(), Recipe())
    inputs = {"x": images(), "target": np.zeros(4, np.int64)}
    result = interpret(graph, inputs, 4, start(graph), SCALARS)
    (normalized,) = (result.values[n.output] for n in graph if n.op.name == "batch_norm.train")
    np.testing.assert_allclose(normalized.mean(axis=(0, 1)), 0, atol=1e-12)
    np.testing.assert_allclose(normalized.var(axis=(0, 1)), 1, rtol=1e-5)  # eps over a variance of 4


def test_inference_uses_the_moving_statistics() -> None:
    graph = inference(network(), Recipe())
    state = start(graph) | {"norm.moving_mean": np.array([1.0, 2.0]), "norm.moving_variance": np.array([4.0, 9.0])}
    result = interpret(graph, {"x": images()}, 4, state)
    (normalized,) = (result.values[n.output] for n in graph if n.op.name == "batch_norm")
    np.testing.assert_allclose(normalized, (images() - [1, 2]) / np.sqrt(np.array([4, 9]) + 1e-5), rtol=1e-12)


def test_gradients_leave_the_statistics_alone() -> None:
    graph = gradients(network(), Recipe())
    assert all(slot.written is None for slot in graph.slots)
    assert "batch_norm.moving" not in {node.op.name for node in graph}


@pytest.mark.parametrize(("scale", "center"), [(True, True), (True, False), (False, True), (False, False)])
def test_parameters(scale: bool, center: bool) -> None:
    wanted = BatchNorm(scale=scale, center=center).params(TensorType((7,)))
    expected = ["scale"] * scale + ["shift"] * center + ["moving_mean", "moving_variance"]
    assert list(wanted) == expected
    assert [p.trained for p in wanted.values()] == [True] * (scale + center) + [False, False]


def test_dialects() -> None:
    found = {
        dialect: {a.name: a.default_in(dialect) for a in BatchNorm().declaration.attributes}
        for dialect in ("textbook", "caffe", "torch", "keras")
    }
    assert [found[d]["momentum"] for d in found] == [0.9, 0.999, 0.9, 0.99]
    assert [found[d]["eps"] for d in found] == [1e-5, 1e-5, 1e-5, 1e-3]
    assert [found[d]["moving_variance"] for d in found] == ["unbiased", "unbiased", "unbiased", "biased"]
