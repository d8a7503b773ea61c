"""Convolutions and dense layers that add a residual and clip before they store: the same bits as in three steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.backend import find_backend
from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.declarations.ops.activations import Relu, Relu6
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense
from netspec.declarations.ops.merge import Add
from netspec.declarations.ops.transposed import ConvTranspose
from netspec.plan import make_plan
from netspec.testing.trials import tapped

LAYERS = {
    "direct": (Conv(filters=19, kernel=3, stride=2, padding="same"), (9, 8, 5)),
    "point": (Conv(filters=33, kernel=1, bias=False), (4, 5, 17)),
    "lane sums": (Conv(filters=3, kernel=(3, 2), padding="same"), (13, 9, 32)),
    "lane positions": (Conv(filters=6, kernel=(3, 5), padding="same"), (13, 9, 1)),
    "winograd": (Conv(filters=35, kernel=3, padding="same"), (13, 9, 33)),
    "depthwise": (Conv(filters=20, kernel=3, groups=20, padding="same"), (6, 7, 20)),
    "groups": (Conv(filters=12, kernel=3, groups=3), (6, 7, 6)),
    "filters for each channel": (Conv(filters=60, kernel=3, groups=20, padding="same"), (6, 7, 20)),
    "narrow groups": (ConvTranspose(filters=68, kernel=3, groups=17, stride=2), (6, 7, 34)),
    "transposed": (ConvTranspose(filters=5, kernel=3, stride=2), (4, 3, 18)),
    "dense": (Dense(units=21), (30,)),
    "signal": (Conv(filters=3, kernel=5, padding="same"), (31, 2)),
}


def network(layer: Any, shape: tuple[int, ...], activation: Any, adds: bool) -> Graph:
    g = Builder("test")
    g.path = "layer"
    y = g.layer(layer, g.input("x", TensorType(shape))).output
    fused = g.add(Add(), y, g.input("residual", y.type)) if adds else y
    return g.graph({"y": g.add(activation, fused)})


@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("activation", [Relu(), Relu6()], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_fused_results_are_the_same_bits(name: str, activation: Any, adds: bool) -> None:
    layer, shape = LAYERS[name]
    graph = network(layer, shape, activation, adds)
    backend, batch = find_backend("numba"), 3
    random = np.random.default_rng(5)
    inputs = {v.name: random.normal(0, 3, (2, *v.type.shape)).astype(np.float32) for v in graph.inputs}
    inputs["x"][1].reshape(-1)[0] = np.nan
    weights = {slot.name: random.normal(size=slot.param.shape).astype(np.float32) for slot in graph.slots}
    results = []
    for each in (graph, tapped(graph)):
        plan = make_plan(each, backend.target(1), batch, "infer")
        state = backend.state(plan)
        for key, array in weights.items():
            state.write(key, array)
        executable = backend.load(plan, state, 1)
        executable.run(inputs, {}, 2)
        results.append((len(plan.steps), executable.output(next(reversed(each.outputs)))))
    (fewer, fused), (more, stepwise) = results
    assert fewer <= more - 1 - adds
    assert np.isnan(fused).any()
    np.testing.assert_array_equal(fused, stepwise)
