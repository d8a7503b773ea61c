"""Batch normalisation folded into the layer before it: where it may be, and that the network computes the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backend import find_backend
from netspec.core.builder import Builder
from netspec.core.graph import Graph, Value
from netspec.core.types import TensorType
from netspec.core.verify import verify
from netspec.declarations.ops.activations import Relu
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense
from netspec.declarations.ops.normalization import BatchNorm
from netspec.declarations.ops.transposed import ConvTranspose
from netspec.passes.folding import fold_batch_norm
from netspec.passes.forms import inference_form
from netspec.plan import make_plan
from netspec.testing.interpreter import interpret

IMAGE = TensorType((6, 5, 4))


def network(layer: object, shape: TensorType = IMAGE, between: bool = False) -> tuple[Builder, Value, Value]:
    """A layer, perhaps an activation, and a normalisation: the builder, the layer's output, and the whole's."""
    g = Builder("test")
    g.path = "layer"
    y = g.layer(layer, g.input("x", shape)).output
    g.path = "norm"
    return g, y, g.layer(BatchNorm(eps=1e-3), g.add(Relu(), y) if between else y).output


def folded(graph: Graph) -> Graph:
    result = fold_batch_norm(inference_form(graph))
    verify(result)
    return result


def test_the_network_computes_the_same() -> None:
    layers = (
        Conv(filters=3, kernel=3),
        Conv(filters=8, kernel=1, groups=4, bias=False),
        ConvTranspose(filters=3, kernel=2),
    )
    for layer in (*layers, Dense(units=5)):
        shape = TensorType((7,)) if isinstance(layer, Dense) else IMAGE
        g, _, y = network(layer, shape)
        graph = g.graph({"y": y}, {"y": y})
        result = folded(graph)
        assert "batch_norm" not in [node.op.name for node in result]
        rng = np.random.default_rng(1)
        state = {slot.name: np.abs(rng.normal(size=slot.param.shape)) for slot in graph.slots}
        x = rng.normal(size=(2, *shape.shape))
        before, after = (interpret(each, {"x": x}, 2, state).outputs["y"] for each in (graph, result))
        np.testing.assert_allclose(after, before, rtol=1e-12, atol=1e-12)  # float64 in another order


def test_what_something_else_reads_stays() -> None:
    g, y, normalised = network(Conv(filters=3, kernel=3))
    graph = folded(g.graph({"a": g.add(Relu(), y), "b": normalised}))
    assert [node.op.name for node in graph] == ["conv", "batch_norm", "relu"]


def test_an_output_stays() -> None:
    g, y, normalised = network(Conv(filters=3, kernel=3))
    assert [node.op.name for node in folded(g.graph({"a": y, "b": normalised}))] == ["conv", "batch_norm"]


def test_nothing_is_folded_through_an_activation() -> None:
    g, _, normalised = network(Conv(filters=3, kernel=3), between=True)
    assert [node.op.name for node in folded(g.graph({"y": normalised}))] == ["conv", "relu", "batch_norm"]


def test_folded_weights_are_computed_when_the_state_has_changed_and_not_for_each_batch() -> None:
    g, _, y = network(Conv(filters=3, kernel=3))
    backend = find_backend("numba")
    plan = make_plan(folded(g.graph({"y": y}, {"y": y})), backend.target(1), 2, "infer")
    assert [step.node.op.name for step in plan.steps if step.constant] == ["fold_norm"]
    state = backend.state(plan)
    executable = backend.load(plan, state, 1)
    x = np.random.default_rng(2).normal(size=(2, *IMAGE.shape)).astype(np.float32)

    def predict(scale: float) -> Any:
        state.write("norm.scale", np.full(3, scale, np.float32))
        executable.run({"x": x}, {}, 2)
        executable.run({"x": x}, {}, 2)
        return executable.output("y")

    for slot in plan.graph.slots:
        state.write(slot.name, np.full(slot.param.shape, 0.5 if slot.name != "norm.shift" else 0.0, np.float32))
    np.testing.assert_array_equal(predict(2.0), 2 * predict(1.0))
