"""Which work is done before the gradient of a max pooling, and that its results are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.core.verify import verify
from netspec.declarations.ops.activations import Relu, Relu6, Tanh
from netspec.declarations.ops.adaptive_pooling import AdaptiveMaxPool
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense, Flatten
from netspec.declarations.ops.merge import Concat
from netspec.declarations.ops.normalization import BatchNorm
from netspec.declarations.ops.pooling import AvgPool, MaxPool
from netspec.declarations.recipe import Recipe
from netspec.passes.selection import work_before_selections
from netspec.passes.step import gradients
from netspec.testing.interpreter import interpret

TILED, OVERLAPPING = MaxPool(size=2), MaxPool(size=3, stride=2, padding=1, round="ceil")


def network(*layers: Any) -> Graph:
    """The gradients of a network of these layers and a dense one."""
    g = Builder("test")
    x = g.input("x", TensorType((7, 6, 2)))
    for layer in (*layers, Flatten(), Dense(units=3)):
        g.path = f"{type(layer).__name__.lower()}{len(g.nodes)}"
        x = g.layer(layer, x).output
    return gradients(g.graph({"y": x}, {"y": x}), Recipe())


def steps(graph: Graph, *names: str) -> list[str]:
    return [node.op.name for node in graph if node.op.name in names]


@pytest.mark.parametrize("pooling", [TILED, OVERLAPPING, AdaptiveMaxPool(size=3)])
@pytest.mark.parametrize("activation", [Relu(), Relu6()])
def test_gates_and_sums_go_before_the_gradient(pooling: Any, activation: Any) -> None:
    graph = network(Conv(filters=5, kernel=3), activation, pooling)
    done = work_before_selections(graph)
    verify(done)
    gate, back = (
        next(n for n in done if n.op.name in ("relu.dx", "relu6.dx")),
        next(n for n in done if n.op.has("selects")),
    )
    makers = done.producer()
    pooled = next(n for n in done if n.op.name == pooling_name(pooling))
    assert gate.inputs[0] is pooled.output
    assert back.inputs[1] is gate.output
    (total,) = [n for n in done if n.op.name == "channel_sum" and makers[n.inputs[0]] is gate]
    assert total.output.type.shape == (5,)
    state = {s.name: np.random.default_rng(2).normal(size=s.value.type.shape) for s in graph.slots}
    data = {"x": np.random.default_rng(1).normal(size=(4, 7, 6, 2)), "target": np.array([0, 2, 1, 2])}
    one, other = (interpret(g, data, 4, state).outputs for g in (graph, done))
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(other[name], one[name], rtol=1e-12, atol=1e-14, err_msg=name)  # float64, reordered


def pooling_name(pooling: Any) -> str:
    return "adaptive_max_pool" if isinstance(pooling, AdaptiveMaxPool) else "max_pool"


@pytest.mark.parametrize(
    "layers",
    [
        (Conv(filters=5, kernel=3), Tanh(), TILED),
        (Conv(filters=5, kernel=3), Relu(), AvgPool(size=2)),
        (Conv(filters=5, kernel=3), BatchNorm(), Relu(), TILED),
    ],
    ids=["no gate", "no selection", "the gate goes elsewhere"],
)
def test_what_stays_where_it_is(layers: tuple[Any, ...]) -> None:
    graph = network(*layers)
    names = ("relu.dx", "max_pool.dx", "avg_pool.dx", "tanh.dx")
    assert steps(work_before_selections(graph), *names) == steps(graph, *names)


def test_a_number_that_others_read_too_is_gated_behind() -> None:
    g = Builder("test")
    y = g.add(Relu(), g.layer(Conv(filters=5, kernel=3, padding="same"), g.input("x", TensorType((7, 6, 2)))).output)
    both = g.add(Concat(), g.layer(MaxPool(size=3, stride=1, padding="same"), y).output, y)
    y = g.layer(Dense(units=3), g.add(Flatten(), both)).output
    graph = gradients(g.graph({"y": y}, {"y": y}), Recipe())
    done = work_before_selections(graph)
    assert [n.inputs[0] for n in done if n.op.name == "relu.dx"] == [
        n.inputs[0] for n in graph if n.op.name == "relu.dx"
    ]
