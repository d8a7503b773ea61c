"""Frozen layers: stored and used, but moved by nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.analysis.cost import cost
from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.core.verify import verify
from netspec.declarations.ops.activations import Relu
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense
from netspec.declarations.ops.normalization import BatchNorm
from netspec.declarations.ops.pooling import GlobalAvgPool
from netspec.declarations.optimizers import Adam
from netspec.declarations.recipe import Recipe
from netspec.passes.step import gradients, training_step
from netspec.testing import interpret

Array = np.ndarray[Any, np.dtype[Any]]

ALL = ("first", "norm", "second", "dense")
DATA = {"x": np.random.default_rng(0).normal(1.0, 2.0, (4, 5, 3)), "target": np.array([0, 1, 1, 0])}
SCALARS = {"learning_rate": 0.1, "step": 1}


def network(*frozen: str) -> Graph:
    """Two convolutions around a batch normalisation, then a dense layer; those named are frozen."""
    g = Builder("net")
    x = g.input("x", TensorType((5, 3)))
    layers = (("first", Conv(filters=4, kernel=2)), ("norm", BatchNorm()), ("relu", Relu()))
    layers += (("second", Conv(filters=4, kernel=2)), ("pool", GlobalAvgPool()), ("dense", Dense(units=2)))
    for g.path, attrs in layers:
        x = g.layer(attrs, x, frozen=g.path in frozen).output
    return g.graph({"main": x}, {"main": x})


def state_of(graph: Graph) -> dict[str, Array]:
    generator = np.random.default_rng(1)
    return {s.name: np.abs(generator.normal(1.0, 0.5, s.param.shape)) for s in graph.slots}


def layer_of(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("frozen", [(), ("first",), ("second",), ("norm",), ("norm", "second"), ("dense",), ALL])
def test_what_is_frozen_stays_and_all_else_moves(frozen: tuple[str, ...]) -> None:
    graph = training_step(network(*frozen), Recipe(optimizer=Adam(weight_decay=0.1)))
    verify(graph)
    start = state_of(graph)
    after = interpret(graph, DATA, 4, start, SCALARS).state
    for slot in graph.slots:
        same = bool((after[slot.name] == start[slot.name]).all())
        assert same == (layer_of(slot.name) in frozen), slot.name


def test_a_frozen_layer_has_no_moments_and_no_gradient_of_its_weights() -> None:
    graph = training_step(network("second", "norm"), Recipe(optimizer=Adam()))
    assert not [s.name for s in graph.slots if s.kind == "moment" and layer_of(s.name) in ("second", "norm")]
    of_second = {node.op.name for node in graph if node.path == "second"}
    assert of_second == {"conv", "conv.dx"}
    of_norm = {node.op.name for node in graph if node.path == "norm"}
    assert of_norm == {"batch_norm", "batch_norm.frozen_dx"}


def test_no_gradient_reaches_behind_the_first_trained_layer() -> None:
    graph = training_step(network("first", "norm", "second"), Recipe())
    backward = {node.path for node in graph if node.region == "backward" and node.path}
    assert backward == {"dense", "loss"}


def test_the_gradient_before_frozen_layers_is_that_of_the_network_as_it_is_used() -> None:
    graph = gradients(network("norm", "second"), Recipe())
    state = state_of(graph)
    found = interpret(graph, DATA, 4, state).outputs
    assert set(found) == {"loss", "first.weight", "first.bias", "dense.weight", "dense.bias"}
    place, step = (1, 2, 3), 1e-4
    losses = []
    for sign in (1, -1):
        moved = state["first.weight"].copy()
        moved[place] += sign * step
        losses.append(interpret(graph, DATA, 4, state | {"first.weight": moved}).outputs["loss"])
    slope = float(losses[0] - losses[1]) / (2 * step)
    assert found["first.weight"][place] == pytest.approx(slope, abs=1e-9)  # noise over step


def test_a_network_that_is_frozen_through_and_through_has_nothing_to_update() -> None:
    graph = training_step(network(*ALL), Recipe(optimizer=Adam()))
    assert {node.region for node in graph} == {"forward"}
    assert set(graph.outputs) == {"loss", "main"}


def test_frozen_numbers_are_stored_but_not_trained() -> None:
    free, half = cost(network()), cost(network("norm", "second"))
    assert half.params == free.params
    assert free.params_trained - half.params_trained == 2 * 4 + (2 * 4 * 4 + 4)


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True)])
def test_shared_parameters_are_frozen_for_both(first: bool, second: bool) -> None:
    g = Builder("net")
    x = g.input("x", TensorType((3,)))
    g.path = "a"
    a = g.layer(Dense(units=3), x, frozen=first)
    g.path = "b"
    b = g.layer(Dense(units=3), a.output, share=a, frozen=second)
    assert b.frozen
    graph = training_step(g.graph({"main": b.output}, {"main": b.output}), Recipe())
    assert all(slot.written is None for slot in graph.slots)
    assert all(slot.kind == "parameter" for slot in graph.slots)
