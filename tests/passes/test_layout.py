from __future__ import annotations

import numpy as np
import pytest

from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.core.verify import verify
from netspec.declarations.ops.activations import Relu
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense, Flatten
from netspec.declarations.ops.merge import Add
from netspec.passes.layout import LayoutRules, assign_layouts
from netspec.testing import Trial, interpret, network_trials


def network(channels: int = 3) -> Graph:
    g = Builder("net")
    x = g.input("x", TensorType((6, 6, channels)))
    x = g.layer(Conv(filters=10, kernel=3, padding="same"), x).output
    x = g.layer(Relu(), x).output
    x = g.layer(Conv(filters=10, kernel=3), x).output
    x = g.layer(Flatten(), x).output
    return g.graph({"main": g.layer(Dense(units=5), x).output})


def conversions(graph: Graph) -> list[str]:
    return [f"{n.inputs[0].type} -> {n.output.type}" for n in graph if n.op.name == "layout.convert"]


def test_images_are_blocked_and_features_plain(target: LayoutRules) -> None:
    graph = assign_layouts(network(), target)
    assert [node.output.type.block for node in graph] == [8, 8, 8, None, None]
    assert conversions(graph) == []  # three plain channels are read as they are


def test_what_a_kernel_does_not_read_is_converted(target: LayoutRules) -> None:
    graph = assign_layouts(network(channels=4), target)
    assert conversions(graph) == ["6x6x4 -> 6x6x4/8"]


def test_a_value_is_converted_once_for_all_readers(target: LayoutRules) -> None:
    g = Builder("net")
    x = g.input("x", TensorType((6, 6, 4)))
    both = [g.layer(Conv(filters=2, kernel=3), x).output for _ in range(2)]
    graph = assign_layouts(g.graph({"main": g.layer(Add(), *both).output}), target)
    assert conversions(graph) == ["6x6x4 -> 6x6x4/8", "4x4x2/8 -> 4x4x2"]


def test_outputs_are_plain(target: LayoutRules) -> None:
    g = Builder("net")
    x = g.input("x", TensorType((6, 6, 3)))
    y = g.layer(Conv(filters=10, kernel=3), x).output
    graph = assign_layouts(g.graph({"main": y}, {"main": y}), target)
    assert graph.outputs["main"].type.block is None
    assert graph.heads["main"] is graph.outputs["main"]


def test_the_inputs_of_an_elementwise_op_agree(target: LayoutRules) -> None:
    g = Builder("net")
    x = g.input("x", TensorType((6, 6, 3)))
    y = g.layer(Conv(filters=3, kernel=3, padding="same"), x).output
    graph = assign_layouts(g.graph({"main": g.layer(Add(), x, y).output}), target)
    (add,) = (node for node in graph if node.op.name == "add")
    assert {value.type.block for value in (*add.inputs, add.output)} == {8}


def test_an_elementwise_op_on_plain_numbers_stays_plain(target: LayoutRules) -> None:
    g = Builder("net")
    x = g.input("x", TensorType((6, 6, 3)))
    graph = assign_layouts(g.graph({"main": g.layer(Relu(), x).output}), target)
    assert conversions(graph) in ([], ["6x6x3 -> 6x6x3/8", "6x6x3/8 -> 6x6x3"])
    verify(graph)


def test_a_layout_without_rules_changes_nothing(target: LayoutRules) -> None:
    class Plain:
        def preferred_block(self, type: TensorType) -> int | None:
            return None

        def accepts(self, op: str, position: int, type: TensorType) -> bool:
            return True

    graph = network()
    assert [repr(n) for n in assign_layouts(graph, Plain())] == [repr(n) for n in graph]


@pytest.mark.parametrize("trial", network_trials(), ids=str)
def test_layouts_change_no_number(trial: Trial, target: LayoutRules) -> None:
    laid_out = assign_layouts(trial.graph, target)
    verify(laid_out)
    first, second = (
        interpret(graph, trial.inputs, trial.batch, trial.state, trial.scalars) for graph in (trial.graph, laid_out)
    )
    for name in first.outputs:
        np.testing.assert_array_equal(first.outputs[name], second.outputs[name])
    for name in first.state:
        np.testing.assert_array_equal(first.state[name], second.state[name])
