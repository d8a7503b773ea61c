"""What is fused, and what must not be; that results stay the same bits is shown by the conformance tests."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import Any

import pytest

from netspec.core.builder import Builder
from netspec.core.expression import inputs, where
from netspec.core.graph import Epilogue, Graph, Node, Value
from netspec.core.types import TensorType
from netspec.core.verify import verify
from netspec.declarations.ops.activations import Relu, Relu6, Silu, Tanh
from netspec.declarations.ops.chain import Chain
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.merge import Add, Concat
from netspec.declarations.ops.normalization import BatchNorm
from netspec.declarations.ops.pooling import MaxPool, MaxPoolValues
from netspec.declarations.recipe import Recipe
from netspec.passes.fusion import clipping, fuse, fuse_chains, fuse_epilogues, fuse_poolings, gating
from netspec.passes.step import training_step
from netspec.testing.networks import hourglass_network, residual_network

IMAGE = TensorType((6, 5, 4))


def takes_epilogue(op: str) -> bool:
    return op.startswith("batch_norm") and op != "batch_norm.dx"


def two_inputs() -> tuple[Builder, Value, Value]:
    g = Builder("test")
    return g, g.input("a", IMAGE), g.input("b", IMAGE)


def ops(graph: Graph) -> list[str]:
    return [node.op.name for node in graph]


def norm(g: Builder, x: Value) -> Value:
    return g.layer(BatchNorm(), x).output


def fused(g: Builder, *outputs: Value) -> Graph:
    graph = fuse_epilogues(g.graph({f"y{i}": value for i, value in enumerate(outputs)}), takes_epilogue)
    verify(graph)
    return graph


def test_sum_and_activation_become_one_epilogue() -> None:
    g, a, b = two_inputs()
    y = g.add(Relu(), g.add(Add(), b, norm(g, a)))
    (node,) = fused(g, y).nodes
    assert node.epilogue == Epilogue(residual=True, low=0.0)
    assert node.inputs[-1] is b
    assert node.output is y
    assert len(node.data) == 1
    assert node.parameter("scale").name.endswith("scale")


def test_of_two_that_could_add_the_later_one_does() -> None:
    g, a, b = two_inputs()
    left, right = norm(g, a), norm(g, b)
    first, second = fused(g, g.add(Add(), left, right)).nodes
    assert (first.epilogue, second.epilogue) == (None, Epilogue(residual=True))
    assert second.inputs[-1] is left


def test_what_others_read_is_stored() -> None:
    g, a, _ = two_inputs()
    x = norm(g, a)
    assert ops(fused(g, g.add(Relu(), x), g.add(Tanh(), x))) == ["batch_norm", "relu", "tanh"]


def test_an_output_is_stored() -> None:
    g, a, _ = two_inputs()
    x = norm(g, a)
    assert ops(fused(g, x, g.add(Relu(), x))) == ["batch_norm", "relu"]


def test_a_sum_behind_the_activation_stays() -> None:
    g, a, b = two_inputs()
    graph = fused(g, g.add(Add(), g.add(Relu(), norm(g, a)), b))
    assert ops(graph) == ["batch_norm", "add"]
    assert graph.nodes[0].epilogue == Epilogue(low=0.0)


@pytest.mark.parametrize(
    ("attrs", "limits"), [(Relu(), (0.0, inf)), (Relu6(), (0.0, 6.0)), (Tanh(), None), (Silu(), None)]
)
def test_clipping_activations_are_known_by_their_formula(attrs: object, limits: tuple[float, float] | None) -> None:
    g, a, _ = two_inputs()
    node = g.node(attrs, a)
    assert clipping(node) == limits
    gradient = _gradient(g, node)
    assert gating(gradient) == limits


def _gradient(g: Builder, node: Node) -> Node:
    node.attrs.grad(g, node, g.input("dy", IMAGE))
    return g.nodes[-1]


def convolution(g: Builder, x: Value) -> Value:
    return g.layer(Conv(filters=3, kernel=3, padding="same"), x).output


def pool(g: Builder, x: Value, **attributes: Any) -> Value:
    return g.add(MaxPoolValues(pool=MaxPool(**{"size": 2} | attributes)), x)


def pooled(*outputs: Value, g: Builder, wanted: bool = True) -> Graph:
    graph = fuse_epilogues(g.graph({f"y{i}": value for i, value in enumerate(outputs)}), lambda op: op == "conv")
    graph = fuse_poolings(graph, lambda convolution, pooled: wanted and convolution.op.name == "conv")
    verify(graph)
    return graph


@pytest.mark.parametrize("place", ["before", "behind", "nowhere"])
def test_a_convolution_takes_in_its_pooling_and_what_clips(place: str) -> None:
    g, a, _ = two_inputs()
    x = convolution(g, a)
    x = pool(g, g.add(Relu6(), x) if place == "before" else x)
    y = g.add(Relu6(), x) if place == "behind" else x
    (node,) = pooled(y, g=g).nodes
    assert node.op.name == "conv.pooled"
    assert node.output is y
    assert [value.name for value in node.inputs[1:]] == [slot.name for slot in g.slots.values()]
    assert node.parameter("weight") is node.inputs[1]
    assert node.epilogue == (None if place == "nowhere" else Epilogue(low=0.0, high=6.0))


def test_only_one_clipping_is_taken_in() -> None:
    g, a, _ = two_inputs()
    y = g.add(Relu6(), pool(g, g.add(Relu(), convolution(g, a))))
    assert ops(pooled(y, g=g)) == ["conv.pooled", "relu6"]


@pytest.mark.parametrize("attributes", [{"size": 3, "stride": 2}, {"stride": (2, 1)}])
def test_windows_that_share_numbers_stay_apart(attributes: dict[str, Any]) -> None:
    g, a, _ = two_inputs()
    assert ops(pooled(pool(g, convolution(g, a), **attributes), g=g)) == ["conv", "max_pool.values"]


def test_a_pooling_stays_where_the_target_does_not_want_it() -> None:
    g, a, _ = two_inputs()
    assert ops(pooled(pool(g, convolution(g, a)), g=g, wanted=False)) == ["conv", "max_pool.values"]


def test_a_map_that_others_read_is_stored() -> None:
    g, a, _ = two_inputs()
    x = convolution(g, a)
    assert ops(pooled(pool(g, x), x, g=g)) == ["conv", "max_pool.values"]
    assert ops(pooled(pool(g, g.add(Tanh(), x)), g=g))[-2:] == ["tanh", "max_pool.values"]


def test_only_convolutions_pool() -> None:
    g, a, _ = two_inputs()
    assert ops(pooled(pool(g, norm(g, a)), g=g)) == ["batch_norm", "max_pool.values"]


def test_a_convolution_that_adds_a_residual_does_not_pool() -> None:
    g, a, b = two_inputs()
    x = convolution(g, a)
    y = pool(g, g.add(Add(), x, convolution(g, b)))
    assert ops(pooled(y, g=g)) == ["conv", "conv", "max_pool.values"]


@pytest.mark.parametrize("place", ["before", "behind"])
def test_a_limit_of_negative_zero_stays_on_its_side(place: str) -> None:
    """Of -1 and 0, clipped to -0.0 and 0, the first is chosen; of -1 and 0 it is 0."""
    (x,) = inputs(1)
    g, a, _ = two_inputs()
    full = convolution(g, a)
    formula = where(x < -0.0, -0.0, x)
    if place == "before":
        y = pool(g, g.add(Chain(formula=formula, output=full.type), full))
        assert ops(pooled(y, g=g)) == ["conv", "max_pool.values"]
    else:
        few = pool(g, full)
        y = g.add(Chain(formula=formula, output=few.type), few)
        assert ops(pooled(y, g=g)) == ["conv.pooled", "chain"]


def test_elementwise_ops_become_a_chain_that_reads_each_value_once() -> None:
    g, a, b = two_inputs()
    total = g.add(Add(), g.add(Tanh(), a), b)
    graph = fuse_chains(g.graph({"y": g.add(Add(), g.add(Silu(), total), b)}))
    verify(graph)
    (node,) = graph.nodes
    assert node.op.name == "chain"
    assert list(node.inputs) == [a, b]


def test_no_chain_across_what_two_read() -> None:
    g, a, b = two_inputs()
    x = g.add(Tanh(), a)
    y = g.add(Concat(), g.add(Relu(), x), g.add(Add(), x, b))
    assert ops(fuse_chains(g.graph({"y": y}))) == ["tanh", "relu", "add", "concat"]


def test_a_training_step_loses_its_passes_over_memory() -> None:
    graph = training_step(residual_network((7, 6, 3)), Recipe(), "uint8")
    done = fuse(graph, takes_epilogue)
    verify(done)
    before, after = Counter(ops(graph)), Counter(ops(done))
    assert after["relu"] < before["relu"]
    assert after["relu.dx"] < before["relu.dx"]
    gated = [node for node in done if node.op.name == "batch_norm.dx" and node.attrs.gate]
    assert [node.attrs.gate for node in gated] == [(0.0, inf)]
    assert [node.epilogue for node in done if node.op.name == "batch_norm.train"] == [
        Epilogue(low=0.0),
        Epilogue(residual=True, low=0.0),
    ]


def test_moments_are_gathered_by_what_makes_the_input() -> None:
    graph = training_step(residual_network((7, 6, 3)), Recipe())
    done = fuse(graph, takes_epilogue, lambda op: op == "conv")
    verify(done)
    makers = done.producer()
    norms = [node for node in done if node.op.name == "batch_norm.train"]
    assert [node.attrs.given for node in norms] == [makers[node.inputs[0]].op.name == "conv" for node in norms]
    given = [node for node in norms if node.attrs.given]
    assert given
    for node in given:
        maker = makers[node.inputs[0]]
        assert maker.epilogue == Epilogue(moments=True)
        assert maker.outputs[-1] is node.operands[-1]
    alike = fuse(graph, takes_epilogue)
    assert not any(node.epilogue and node.epilogue.moments for node in alike)


def test_a_gate_sums_what_it_lets_pass() -> None:
    graph = training_step(hourglass_network(), Recipe())
    done = fuse(graph, takes_epilogue, gathers_sums=lambda op: op == "relu.dx")
    verify(done)
    gates = [node for node in done if node.epilogue == Epilogue(sums=True)]
    assert len(gates) == 1
    before = graph.producer()
    for node in gates:
        assert node.op.name == "relu.dx"
        assert before[node.outputs[1]].op.name == "channel_sum"
        assert before[node.outputs[1]].inputs[0] is node.output
    assert Counter(ops(done))["channel_sum"] == Counter(ops(graph))["channel_sum"] - 1
    assert not any(node.epilogue and node.epilogue.sums for node in fuse(graph, takes_epilogue))
