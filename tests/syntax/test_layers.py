"""Expansion of layer lists: names, paths, flow, ``from``, branches and groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Read = Callable[..., Any]


def test_unnamed_layers_are_numbered_among_the_unnamed_ones_of_their_op(read_layers: Read) -> None:
    shapes = read_layers(
        """
        - conv: {filters: 4, kernel: 3}
        - relu
        - conv: {filters: 4, kernel: 3}
          name: second
        - relu
        - conv: {filters: 4, kernel: 3}
        """
    ).shapes
    assert list(shapes) == ["conv", "relu", "second", "relu2", "conv2"]


def test_a_name_that_is_taken_is_passed_over_in_numbering(read_layers: Read) -> None:
    shapes = read_layers("- relu:\n  name: relu2\n- relu\n- relu").shapes
    assert list(shapes) == ["relu2", "relu", "relu3"]


def test_numbering_begins_anew_in_every_list(read_layers: Read) -> None:
    shapes = read_layers(
        """
        - relu
        - add:
            left: [relu, relu]
            right: [relu]
        - relu
        """
    ).shapes
    assert list(shapes) == ["relu", "add/left/relu", "add/left/relu2", "add/right/relu", "add", "relu2"]


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("- dense: 10", (10,)),
        ("- dense: {units: 10}", (10,)),
        ("- dense:\n    units: 10", (10,)),
        ("- {dense: 10}", (10,)),
        ("- dense: 10.0", (10,)),
    ],
)
def test_a_layer_can_be_written_in_several_ways(read_layers: Read, text: str, shape: tuple[int, ...]) -> None:
    assert read_layers(text, "[4]").shapes == {"dense": shape}


def test_the_main_attribute_may_be_a_list(read_layers: Read) -> None:
    assert read_layers("- max_pool: [1, 2]").shapes == {"max_pool": (28, 14, 1)}


@pytest.mark.parametrize("bare", ["- relu", "- relu:", "- relu: {}", "- relu: null"])
def test_an_op_without_attributes(read_layers: Read, bare: str) -> None:
    assert read_layers(bare).network.graph.nodes[0].op.name == "relu"


def test_from_takes_a_named_output_instead_of_the_flow(read_layers: Read) -> None:
    graph = read_layers(
        """
        - conv: {filters: 4, kernel: 3}
          name: first
        - conv: {filters: 8, kernel: 3}
        - relu:
          from: first
        - relu:
          from: input
        """
    ).network.graph
    first, _, relu, other = graph.nodes
    assert relu.data == (first.output,)
    assert other.data == graph.inputs
    assert graph.heads["main"] is other.output


def test_from_with_several_names_feeds_a_merge(read_layers: Read) -> None:
    graph = read_layers(
        """
        - conv: {filters: 4, kernel: 3}
          name: left
        - conv: {filters: 4, kernel: 3}
          name: right
          from: input
        - concat:
          from: [left, right]
        """
    ).network.graph
    left, right, concat = graph.nodes
    assert concat.data == (left.output, right.output)
    assert concat.output.type.shape == (26, 26, 8)


def test_branches_run_on_the_same_input_and_an_empty_one_is_the_identity(read_layers: Read) -> None:
    graph = read_layers(
        """
        - relu
        - add:
            body:
              - conv: {filters: 1, kernel: 3, padding: same}
            shortcut: []
        """
    ).network.graph
    relu, conv, add = graph.nodes
    assert conv.data == (relu.output,)
    assert add.data == (conv.output, relu.output)
    assert [node.path for node in graph.nodes] == ["relu", "add/body/conv", "add"]


def test_branches_in_a_list_are_called_by_their_number(read_layers: Read) -> None:
    shapes = read_layers("- concat: [[relu], [], [tanh, tanh]]").shapes
    assert list(shapes) == ["concat/0/relu", "concat/2/tanh", "concat/2/tanh2", "concat"]
    assert shapes["concat"] == (28, 28, 3)


def test_attributes_stand_beside_branches(read_layers: Read) -> None:
    assert read_layers("- concat: {axis: height, a: [], b: [relu]}").shapes["concat"] == (56, 28, 1)


def test_branches_nest(read_layers: Read) -> None:
    shapes = read_layers(
        """
        - add:
            deep:
              - add: [[relu], [tanh]]
              - relu
            flat: []
          name: block
        """
    ).shapes
    assert list(shapes) == [
        "block/deep/add/0/relu",
        "block/deep/add/1/tanh",
        "block/deep/add",
        "block/deep/relu",
        "block",
    ]


def test_a_single_branch_passes_as_it_is(read_layers: Read) -> None:
    assert read_layers("- add: [[relu]]").network.graph.nodes[1].data[0].name == "add/0/relu"


def test_a_group_is_used_as_one_layer(read_layers: Read) -> None:
    reading = read_layers(
        """
        - layers:
            - conv: {filters: 4, kernel: 3}
            - relu
          name: stem
        - conv: {filters: 4, kernel: 3}
          name: wide
        - concat:
          from: [wide, wide]
        - layers: [relu]
          from: stem
        """
    )
    assert list(reading.shapes) == ["stem/conv", "stem/relu", "wide", "concat", "layers/relu"]
    stem, group = reading.network.graph.nodes[1], reading.network.graph.nodes[-1]
    assert group.data == (stem.output,)
    assert {line.path for line in reading.network.layers} >= {"stem", "layers"}


def test_a_path_reaches_into_groups_and_branches(read_layers: Read) -> None:
    graph = read_layers(
        """
        - layers:
            - add:
                body:
                  - relu:
                    name: bent
                  - tanh
                other: []
              name: sum
          name: stem
        - relu:
          from: stem/sum/body/bent
        """
    ).network.graph
    assert graph.nodes[-1].data == (graph.nodes[0].output,)


def test_names_are_looked_up_outward(read_layers: Read) -> None:
    graph = read_layers(
        """
        - relu:
          name: early
        - tanh
        - layers:
            - relu:
              from: early
              name: near
            - layers:
                - sigmoid:
                  from: near
        """
    ).network.graph
    early, _, inner, innermost = graph.nodes
    assert inner.data == (early.output,)
    assert innermost.data == (inner.output,)


def test_the_same_name_may_stand_in_different_lists(read_layers: Read) -> None:
    reading = read_layers("- add:\n    a:\n      - relu:\n        name: x\n    b:\n      - relu:\n        name: x")
    assert list(reading.shapes) == ["add/a/x", "add/b/x", "add"]
    assert reading.codes == []


@pytest.mark.parametrize("name", ["conv", "input"])
def test_a_name_that_is_taken(read_layers: Read, name: str) -> None:
    reading = read_layers(f"- conv: {{filters: 1, kernel: 1}}\n- relu:\n  name: {name}")
    assert reading.codes == ["NS111"]
    assert reading.marked == [name]
    assert f"'{name}2' would be free" in reading.helps[0]


def test_a_name_from_another_list_cannot_be_seen(read_layers: Read) -> None:
    reading = read_layers("- add: {a: [relu], b: [{relu: , name: hidden}]}\n- tanh:\n  from: hidden")
    assert reading.codes == ["NS206"]
    assert reading.marked == ["hidden"]


def test_a_layer_that_comes_later_is_told_from_one_that_is_not_there(read_layers: Read) -> None:
    reading = read_layers("- relu:\n  from: later\n- tanh:\n  name: later")
    assert reading.messages == ["layer 'later' comes after this one, so its output is not there yet"]


def test_a_misspelt_source_is_guessed(read_layers: Read) -> None:
    reading = read_layers("- conv: {filters: 4, kernel: 3}\n  name: first\n- relu\n- tanh:\n  from: fisrt")
    assert reading.codes == ["NS206"]
    assert reading.helps == ["did you mean 'first'?"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- relu:\n  name: a\n- tanh:\n  from: [a, input]", "'tanh' takes one input, but 'from' names 2"),
        ("- relu:\n  name: a\n- layers: [tanh]\n  from: [a, input]", "'layers' takes one input, but 'from' names 2"),
        ("- relu:\n  name: a\n- add: [[], []]\n  from: [a, input]", "but has both"),
        ("- relu\n- add", "but has neither"),
        ("- relu:\n  name: a\n- add:\n  from: a", "but has neither"),
    ],
)
def test_inputs_that_an_op_cannot_take(read_layers: Read, text: str, words: str) -> None:
    reading = read_layers(text)
    assert reading.codes == ["NS211"]
    assert reading.messages[0].endswith(words)


def test_several_ops_in_one_layer(read_layers: Read) -> None:
    reading = read_layers("- conv: {filters: 4, kernel: 3}\n  relu: {}\n- flatten\n- dense: 2")
    assert reading.codes == ["NS105"]
    assert reading.marked == ["relu"]


@pytest.mark.parametrize(("name", "position"), [("relu", "relu"), ("group/relu", "group/relu")])
def test_an_automatic_name_cannot_be_referred_to(read_layers: Read, name: str, position: str) -> None:
    reading = read_layers(f"- relu\n- layers: [relu]\n  name: group\n- tanh:\n  from: {name}")
    assert reading.codes == ["NS206"]
    assert reading.messages[0].startswith(f"'{position}' is the automatic name of a layer")
    assert reading.spec.graph.nodes[2].data[0].name == name


def test_parameters_are_called_by_the_path_of_their_layer(read_layers: Read) -> None:
    graph = read_layers("- add: {body: [{conv: {filters: 1, kernel: 1}}], rest: []}\n- batch_norm").network.graph
    assert [slot.name for slot in graph.slots] == [
        "add/body/conv.weight",
        "add/body/conv.bias",
        "batch_norm.scale",
        "batch_norm.shift",
        "batch_norm.moving_mean",
        "batch_norm.moving_variance",
    ]


def test_every_layer_knows_where_it_is_written(read_layers: Read) -> None:
    graph = read_layers("- conv: {filters: 4, kernel: 3}\n- relu").network.graph
    conv, relu = graph.nodes
    assert conv.where.layer[1:] == (4, 5, 4, 34)
    assert conv.where.attributes["kernel"][1:] == (4, 32, 4, 33)
    assert relu.where.layer[1:] == (5, 5, 5, 9)


def test_the_network_without_layers_is_its_input(read: Read) -> None:
    graph = read("layers: []\n").network.graph
    assert graph.heads["main"] is graph.inputs[0]
