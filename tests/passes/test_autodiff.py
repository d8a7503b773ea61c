from __future__ import annotations

import numpy as np

from netspec.core.builder import Builder
from netspec.core.graph import Value
from netspec.core.types import TensorType
from netspec.core.verify import verify
from netspec.declarations.ops.activations import Relu, Sigmoid, Tanh
from netspec.declarations.ops.dense import Dense
from netspec.declarations.ops.merge import Add
from netspec.declarations.ops.pooling import MaxPool
from netspec.passes.autodiff import differentiate
from netspec.testing import interpret
from netspec.testing.weighted_sum import WeightedSum


def builder() -> tuple[Builder, Value]:
    g = Builder("net")
    return g, g.input("x", TensorType((4,)))


def ending(g: Builder, y: Value) -> Value:
    return g.add(WeightedSum(), y, g.input("weight", y.type))


def test_the_gradient_of_a_value_used_twice_is_the_sum() -> None:
    g, x = builder()
    first, second = g.layer(Tanh(), x).output, g.layer(Sigmoid(), x).output
    found = differentiate(g, ending(g, g.layer(Add(), first, second).output), [x])
    graph = g.graph({"gradient": found[x]})
    verify(graph)
    data = {"x": np.linspace(-1, 1, 8).reshape(2, 4), "weight": np.arange(8.0).reshape(2, 4)}
    s = 1 / (1 + np.exp(-data["x"]))
    expected = data["weight"] * (1 - np.tanh(data["x"]) ** 2 + s * (1 - s))
    np.testing.assert_allclose(interpret(graph, data, 2).outputs["gradient"], expected, rtol=1e-12)


def test_an_op_may_take_one_value_twice() -> None:
    g, x = builder()
    found = differentiate(g, ending(g, g.layer(Add(), x, x).output), [x])
    data = {"x": np.ones((1, 4)), "weight": np.arange(4.0)[None]}
    outputs = interpret(g.graph({"gradient": found[x]}), data, 1).outputs
    np.testing.assert_array_equal(outputs["gradient"], 2 * data["weight"])


def test_only_what_leads_from_a_wanted_value_to_the_loss_is_differentiated() -> None:
    g, x = builder()
    g.path = "before"
    hidden = g.layer(Dense(units=3), x)
    g.path = "after"
    last = g.layer(Dense(units=2), g.layer(Relu(), hidden.output).output)
    g.path = "aside"
    g.layer(Tanh(), hidden.output)
    weight = last.parameter("weight")
    found = differentiate(g, ending(g, last.output), [weight])
    assert set(found) == {weight}
    backward = [node for node in g.nodes if node.region == "backward"]
    assert {node.path for node in backward if node.path} == {"after"}


def test_a_value_that_the_loss_does_not_depend_on_has_no_gradient() -> None:
    g, x = builder()
    other = g.input("other", TensorType((4,)))
    g.layer(Relu(), other)
    found = differentiate(g, ending(g, g.layer(Relu(), x).output), [x, other])
    assert set(found) == {x}


def test_gradients_carry_path_region_and_origin() -> None:
    g, x = builder()
    g.path = "stage/act"
    y = g.layer(Tanh(), x).output
    g.path = ""
    found = differentiate(g, ending(g, y), [x])
    (node,) = (n for n in g.nodes if found[x] in n.outputs)
    assert (node.path, node.region, node.derived_from) == ("stage/act", "backward", "gradient")


def test_an_output_that_nothing_uses_brings_no_gradient() -> None:
    g = Builder("net")
    x = g.input("x", TensorType((4, 2)))
    pooled = g.layer(MaxPool(size=2), x)
    found = differentiate(g, ending(g, pooled.output), [x])
    (node,) = (n for n in g.nodes if found[x] in n.outputs)
    assert node.inputs[0] is pooled.outputs[1]


def test_the_same_network_gives_the_same_nodes_in_the_same_order() -> None:
    texts = []
    for _ in range(2):
        g, x = builder()
        branches = [g.layer(op, x).output for op in (Relu(), Tanh(), Sigmoid())]
        differentiate(g, ending(g, g.layer(Add(), *branches).output), [x])
        texts.append([repr(node) for node in g.nodes])
    assert texts[0] == texts[1]
