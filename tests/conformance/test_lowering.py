"""Every op that is lowered against its own definition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from netspec.core.builder import Builder
from netspec.core.declare import REGISTRIES
from netspec.core.graph import Graph, Node, Value
from netspec.core.op import op
from netspec.core.reference import Case
from netspec.core.types import TensorType
from netspec.core.verify import verify
from netspec.declarations.ops.activations import Tanh
from netspec.declarations.ops.depthwise import SeparableConv
from netspec.passes.lower import lower
from netspec.testing import all_cases, check_lowering, lowered_cases

CASES = lowered_cases(all_cases())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_lowered_form_is_what_the_op_is_defined_to_be(case: Case) -> None:
    assert check_lowering(case) == []


def test_every_lowered_op_is_among_them() -> None:
    tried = {case.attrs.declaration.name for case in CASES}
    assert tried == {d.name for d in REGISTRIES["op"].all() if d.has("lower")}


@pytest.fixture
def wrong_depthwise() -> Iterator[type[Any]]:
    """Depthwise convolution with an activation that its definition knows nothing of."""
    from netspec.declarations.ops.depthwise import DepthwiseConv

    right = DepthwiseConv.lower
    DepthwiseConv.lower = lambda self, g, node: g.add(Tanh(), right(self, g, node))
    yield DepthwiseConv
    DepthwiseConv.lower = right


def test_a_wrong_lowering_is_told(wrong_depthwise: type[Any]) -> None:
    (complaint,) = check_lowering(Case(wrong_depthwise(kernel=3), (TensorType((5, 4, 3)),)))
    assert "is lowered to numbers that are off by" in complaint


def separable_network() -> tuple[Graph, Node]:
    g = Builder("network")
    x = g.input("x", TensorType((6, 5, 3)))
    g.path = "separable_conv"
    node = g.layer(SeparableConv(filters=4, kernel=3, multiplier=2), x)
    return g.graph({"main": node.output}, {"main": node.output}), node


def test_lowered_nodes_carry_path_and_parameters_of_the_layer() -> None:
    graph, node = separable_network()
    lowered = lower(graph)
    verify(lowered)
    assert [each.op.name for each in lowered] == ["conv", "conv"]
    assert {each.path for each in lowered} == {"separable_conv"}
    assert lowered.nodes[0].parameter("weight") is node.parameter("depthwise_weight")
    assert lowered.nodes[1].parameter("weight") is node.parameter("pointwise_weight")
    assert lowered.nodes[1].parameter("bias") is node.parameter("bias")
    assert lowered.slots == graph.slots
    assert lowered.heads["main"] is lowered.nodes[-1].output
    assert [each.op.name for each in graph] == ["separable_conv"]


def test_parameters_must_fit_the_op_they_are_applied_with() -> None:
    graph, node = separable_network()
    g = Builder.continuing(graph)
    with pytest.raises(ValueError, match="wants parameters"):
        g.apply(SeparableConv(filters=4, kernel=3), graph.inputs[0], weight=node.parameter("bias"))


def test_what_needs_no_lowering_stays_the_same_graph() -> None:
    graph = lower(separable_network()[0])
    assert lower(graph) is graph


def test_op_is_found_by_its_method() -> None:
    @op("test.lowered", public=False, doc="Nothing.")
    class Lowered:
        def infer(self, x: TensorType) -> TensorType:
            return x

        def lower(self, g: Builder, node: Node) -> Value:
            return node.inputs[0]

    try:
        g = Builder("network")
        x = g.input("x", TensorType((2,)))
        graph = lower(g.graph({"y": g.add(Lowered(), x)}))
    finally:
        del REGISTRIES["op"].entries["test.lowered"]
    assert graph.nodes == ()
    assert graph.outputs["y"] is x
