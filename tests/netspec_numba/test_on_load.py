"""Convolutions that normalise and clip what they read: the same bits as in steps of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.backend import find_backend
from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.core.verify import verify
from netspec.declarations.ops.activations import Relu, Relu6
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.normalization import BatchNorm
from netspec.declarations.recipe import Recipe
from netspec.passes.step import inference
from netspec.plan import Plan, make_plan
from netspec.testing.networks import dense_network
from netspec.testing.trials import tapped

BATCH = 3
LAYERS = {
    "plain": (Conv(filters=33, kernel=1), (14, 13, 20), BatchNorm()),
    "no bias": (Conv(filters=16, kernel=1, bias=False), (6, 7, 35), BatchNorm(scale=False)),
    "strided": (Conv(filters=40, kernel=1, stride=2), (31, 30, 17), BatchNorm(center=False)),
    "padded": (Conv(filters=24, kernel=1, padding=1), (12, 9, 16), BatchNorm(eps=0.1)),
    "tiles of padding": (Conv(filters=24, kernel=1, padding=1), (12, 60, 16), BatchNorm()),
    "many runs": (Conv(filters=20, kernel=1), (20, 20, 520), BatchNorm()),
    "signal": (Conv(filters=20, kernel=1), (150, 18), BatchNorm()),
}


def network(name: str, activation: Any) -> Graph:
    layer, shape, norm = LAYERS[name]
    g = Builder("test")
    g.path = "norm"
    x = g.layer(norm, g.input("x", TensorType(shape))).output
    if activation is not None:
        x = g.add(activation, x)
    g.path = "conv"
    return g.graph({"y": g.add(Relu(), g.layer(layer, x).output)})


def planned(graph: Graph, threads: int = 1) -> Plan:
    plan = make_plan(graph, find_backend("numba").target(threads), BATCH, "infer")
    verify(plan.graph)
    return plan


def run(plan: Plan, samples: int, threads: int = 1) -> Any:
    backend, random = find_backend("numba"), np.random.default_rng(4)
    state = backend.state(plan)
    for slot in plan.graph.slots:
        numbers = random.normal(size=slot.param.shape).astype(np.float32)
        state.write(slot.name, np.abs(numbers) if slot.name.endswith("variance") else numbers)
    inputs = {v.name: random.normal(1, 3, (samples, *v.type.shape)).astype(np.float32) for v in plan.graph.inputs}
    next(iter(inputs.values()))[-1].reshape(-1)[5] = np.nan
    executable = backend.load(plan, state, threads)
    executable.run(inputs, {}, samples)
    return executable.output(next(reversed(plan.graph.outputs)))


@pytest.mark.parametrize("activation", [None, Relu(), Relu6()], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_what_is_made_on_load_has_the_same_bits(name: str, activation: Any) -> None:
    graph = network(name, activation)
    plan, stepwise = planned(graph), planned(tapped(graph))
    assert [step.node.op.name for step in plan.steps if step.node.prologue] == ["conv"]
    assert not any(step.node.prologue for step in stepwise.steps)
    assert plan.arena_bytes < stepwise.arena_bytes
    for samples in (1, BATCH):
        alone = run(plan, samples)
        assert np.isnan(alone).any()
        np.testing.assert_array_equal(alone, run(stepwise, samples))
        np.testing.assert_array_equal(alone, run(planned(graph, 2), samples, 2))


def test_the_plan_says_what_is_made_on_load() -> None:
    (said,) = (step["prologue"] for step in planned(network("no bias", Relu6())).computation() if "prologue" in step)
    assert (said["op"], said["low"], said["high"]) == ("batch_norm", 0, 6)
    assert said["attributes"]["scale"] == "False"


def test_a_convolution_of_few_rows_is_given_them_normalised() -> None:
    g = Builder("test")
    x = g.layer(BatchNorm(), g.input("x", TensorType((3, 3, 64)))).output
    graph = g.graph({"y": g.layer(Conv(filters=256, kernel=1), x).output})
    assert not any(step.node.prologue for step in planned(graph).steps)


def test_slices_are_normalised_where_they_lie() -> None:
    graph = inference(dense_network(), Recipe())
    plan = planned(graph)
    read = [step.node.inputs[0].type.pitch for step in plan.steps if step.node.prologue]
    assert len(read) == 3
    assert any(pitch is not None for pitch in read)
    np.testing.assert_array_equal(run(plan, BATCH), run(planned(tapped(graph)), BATCH))
