"""The two forms of a network, what is left out of them, and the steps that are made of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.core.verify import verify
from netspec.declarations.ops.activations import Relu, Tanh
from netspec.declarations.ops.dense import Dense
from netspec.declarations.recipe import Recipe
from netspec.declarations.transforms import Divide, Normalize
from netspec.passes.dead_code import remove_dead_code
from netspec.passes.forms import inference_form, training_form
from netspec.passes.step import gradients, inference, prepare, training_step
from netspec.testing import interpret
from netspec.testing.networks import flat_network, hourglass_network, residual_network

NETWORKS = (residual_network((9, 3)), residual_network((7, 6, 3)), hourglass_network(), flat_network())


def names(graph: Graph) -> list[str]:
    return [node.op.name for node in graph]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_every_pass_leaves_a_sound_graph(network: Graph) -> None:
    recipe = Recipe(preprocess=(Divide(by=255.0),))
    verify(network)
    for made in (
        prepare(network, recipe, "uint8"),
        training_form(network),
        inference_form(network),
        inference(network, recipe, "uint8"),
        training_step(network, recipe, "uint8"),
        gradients(network, recipe, "uint8"),
        gradients(network, replace(recipe, preprocess=()), of_input=True),
    ):
        verify(made)
        verify(remove_dead_code(made))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_a_pass_changes_nothing_of_what_it_is_given(network: Graph) -> None:
    before = [repr(node) for node in network]
    training_step(network, Recipe(preprocess=(Divide(by=255.0),)), "uint8")
    inference(network, Recipe())
    assert [repr(node) for node in network] == before
    assert all(slot.written is None for slot in network.slots)


def test_training_and_inference_forms() -> None:
    network = residual_network((7, 6, 3))
    training, inferring = names(training_form(network)), names(inference_form(network))
    assert {"batch_norm", "dropout"} <= set(names(network))
    assert {"batch_norm.train", "batch_norm.moving", "dropout.mask"} <= set(training)
    assert not {"batch_norm", "dropout"} & set(training)
    assert "batch_norm" in inferring
    assert not {"dropout", "dropout.mask"} & set(inferring)


def test_forms_keep_path_and_say_where_nodes_come_from() -> None:
    network = residual_network((7, 6, 3))
    (layer,) = {n.path for n in network if n.op.name == "dropout" and n.attrs.drop == "channel"}
    (mask,) = (n for n in training_form(network) if n.op.name == "dropout.mask" and n.attrs.drop == "channel")
    assert (mask.path, mask.derived_from) == (layer, "training form")


def test_regions_of_a_training_step() -> None:
    graph = training_step(residual_network((7, 6, 3)), Recipe())
    assert [r for i, r in enumerate(n.region for n in graph) if i == 0 or graph.nodes[i - 1].region != r] == [
        "forward",
        "backward",
        "update",
    ]
    updated = {n.path for n in graph if n.op.name == "update.sgd"}
    assert updated == {slot.name for slot in graph.slots if slot.param.trained}


def test_a_training_step_and_the_gradients_alone_agree() -> None:
    network = flat_network()
    data = {"x": np.random.default_rng(0).normal(size=(4, 3, 2, 1)), "target": np.array([0, 3, 16, 3])}
    state = {s.name: np.random.default_rng(1).normal(size=s.param.shape) for s in network.slots}
    alone = interpret(gradients(network, Recipe()), data, 4, state).outputs
    step = training_step(network, Recipe())
    moments = {s.name: np.zeros(s.param.shape) for s in step.slots if s.kind == "moment"}
    scalars = {"learning_rate": 0.5, "step": 1}
    after = interpret(step, data, 4, state | moments, scalars)
    assert after.outputs["loss"] == alone["loss"]
    for name, weight in state.items():
        np.testing.assert_allclose(after.state[name], weight - 0.5 * alone[name], rtol=1e-14)


def test_data_is_prepared_inside_the_graph() -> None:
    transforms = Divide(by=255.0), Normalize(mean=(0.5,), std=(0.25, 0.5, 1.0))
    network = residual_network((7, 6, 3))
    graph = prepare(network, Recipe(preprocess=transforms), "uint8")
    assert [v.type.dtype for v in graph.inputs] == ["uint8"]
    assert names(graph)[:2] == ["affine", "affine"]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 7, 6, 3))
    state = {s.name: np.ones(s.param.shape) for s in graph.slots}
    values = interpret(graph, {"x": pixels}, 2, state).values
    expected = (pixels / 255 - 0.5) / np.array([0.25, 0.5, 1.0])
    np.testing.assert_allclose(values[graph.nodes[1].output], expected, rtol=1e-12)


def test_losses_of_several_heads_are_summed() -> None:
    g = Builder("net")
    x = g.input("x", TensorType((4,)))
    heads = {}
    for name in ("main", "aux"):
        g.path = name
        heads[name] = g.layer(Dense(units=3), x).output
    graph = gradients(g.graph(heads, heads), Recipe())
    assert [v.name for v in graph.inputs] == ["x", "target/main", "target/aux"]
    data = {"x": np.ones((2, 4)), "target/main": np.zeros(2, int), "target/aux": np.ones(2, int)}
    state = {s.name: np.zeros(s.param.shape) for s in graph.slots}
    assert interpret(graph, data, 2, state).outputs["loss"] == pytest.approx(2 * np.log(3))


def test_dead_code_is_what_no_output_and_no_state_needs() -> None:
    g = Builder("net")
    x = g.input("x", TensorType((4,)))
    g.scalar("unread")
    g.path = "kept"
    kept = g.layer(Dense(units=2), x).output
    g.path = "lost"
    g.layer(Tanh(), g.layer(Dense(units=3), x).output)
    graph = remove_dead_code(g.graph({"main": g.layer(Relu(), kept).output}))
    assert names(graph) == ["dense", "relu"]
    assert [slot.name for slot in graph.slots] == ["kept.weight", "kept.bias"]
    assert graph.scalars == ()
    assert graph.inputs == (x,)


def test_what_writes_state_is_alive() -> None:
    graph = training_form(residual_network((9, 3)))
    assert names(remove_dead_code(graph)).count("batch_norm.moving") == 2
