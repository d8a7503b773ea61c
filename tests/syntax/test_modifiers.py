"""What stands beside an op: when, repeat, share, freeze, init."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Read = Callable[..., Any]


def test_when_leaves_a_layer_out_and_the_flow_passes_by(read_layers: Read) -> None:
    reading = read_layers(
        """
        - conv: {filters: 4, kernel: 3}
        - max_pool: 2
          when: $(channels > 4)
          name: shrink
        - relu:
          from: shrink
        """
    )
    assert reading.shapes == {"conv": (26, 26, 4), "relu": (26, 26, 4)}
    assert reading.codes == []


def test_a_branch_that_is_left_out_is_not_merged(read_layers: Read) -> None:
    graph = read_layers(
        """
        - add:
            body: [relu]
            extra: {when: $(channels > 1), layers: [tanh]}
            always: {when: true, layers: []}
        """
    ).network.graph
    assert [len(node.data) for node in graph.nodes] == [1, 2]


def test_a_merge_of_which_no_branch_is_left_passes_by(read_layers: Read) -> None:
    reading = read_layers("- add: {a: {when: false, layers: [relu]}}\n- tanh")
    assert list(reading.shapes) == ["tanh"]
    assert reading.codes == []


def test_repeat_makes_a_chain_of_copies_with_parameters_of_their_own(read_layers: Read) -> None:
    reading = read_layers(
        """
        - conv: {filters: $(4 * (i + 1)), kernel: 3}
          repeat: 3
          name: stack
        - relu:
          from: stack
        """
    )
    assert reading.shapes == {
        "stack/0": (26, 26, 4),
        "stack/1": (24, 24, 8),
        "stack/2": (22, 22, 12),
        "relu": (22, 22, 12),
    }
    assert "stack/1.weight" in [slot.name for slot in reading.network.graph.slots]
    assert {line.path for line in reading.network.layers} >= {"stack", "stack/0"}


def test_when_is_judged_for_each_copy(read_layers: Read) -> None:
    reading = read_layers("- max_pool: 2\n  repeat: 4\n  when: $(i % 2 == 0)")
    assert list(reading.shapes) == ["max_pool/0", "max_pool/2"]


def test_repeat_0_is_no_layer(read_layers: Read) -> None:
    reading = read_layers("- relu:\n  name: first\n- tanh:\n  repeat: 0\n  name: none\n- relu:\n  from: none")
    assert [node.data[0].name for node in reading.network.graph.nodes] == ["input", "first"]


def test_from_feeds_the_first_copy(read_layers: Read) -> None:
    graph = read_layers("- relu:\n  name: a\n- tanh\n- sigmoid:\n  from: a\n  repeat: 2").network.graph
    assert [node.data[0].name for node in graph.nodes] == ["input", "a", "a", "sigmoid/0"]


def test_a_group_is_repeated_as_a_whole(read_layers: Read) -> None:
    reading = read_layers("- layers: [{dense: $(10 - i)}, relu]\n  repeat: 2\n  name: stage", "[4]")
    assert reading.shapes == {
        "stage/0/dense": (10,),
        "stage/0/relu": (10,),
        "stage/1/dense": (9,),
        "stage/1/relu": (9,),
    }


def test_a_path_reaches_into_copies(read_layers: Read) -> None:
    graph = read_layers(
        """
        - layers:
            - relu:
              name: bent
          repeat: 2
          name: stage
        - tanh:
          from: stage/0/bent
        """
    ).network.graph
    assert graph.nodes[-1].data[0].name == "stage/0/bent"


def test_i_is_there_only_where_a_layer_is_repeated(read_layers: Read) -> None:
    reading = read_layers("- dense: $i", "[4]")
    assert reading.codes == ["NS107"]


def test_shared_layers_use_the_same_parameters(read_layers: Read) -> None:
    graph = read_layers(
        """
        - conv: {filters: 1, kernel: 3, padding: same}
          name: first
        - relu
        - conv: {filters: 1, kernel: 3, padding: same}
          share: first
        """
    ).network.graph
    assert [slot.name for slot in graph.slots] == ["first.weight", "first.bias"]
    assert graph.nodes[0].inputs[1:] == graph.nodes[2].inputs[1:]


def test_groups_and_copies_share_layer_by_layer(read_layers: Read) -> None:
    graph = read_layers(
        """
        - layers: [{dense: 4}, relu]
          repeat: 2
          name: a
        - layers: [{dense: 4}, relu]
          repeat: 2
          share: a
        """,
        "[4]",
    ).network.graph
    assert [slot.name for slot in graph.slots] == [
        "a/0/dense.weight",
        "a/0/dense.bias",
        "a/1/dense.weight",
        "a/1/dense.bias",
    ]


def test_each_copy_of_a_repeated_layer_may_share_one_layer(read_layers: Read) -> None:
    text = "- dense: 4\n  name: once\n- dense: 4\n  repeat: 3\n  share: once"
    graph = read_layers(text, "[4]").network.graph
    assert len(graph.nodes) == 4
    assert [slot.name for slot in graph.slots] == ["once.weight", "once.bias"]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (
            "- dense: 4\n  name: a\n- relu\n- dense: 5\n  share: a",
            "NS233",
            "needs weight 4x5, bias 5, but 'a' has weight 3x4, bias 4",
        ),
        ("- relu:\n  name: a\n- dense: 5\n  share: a", "NS233", "but there is nothing at its place in 'a'"),
        ("- dense: 4\n  name: a\n- relu:\n  share: a", "NS234", "'relu' has no parameters to share with 'a'"),
        ("- dense: 4\n  name: a\n- dense: 4\n  share: b", "NS206", "no layer before this one is called 'b'"),
    ],
)
def test_what_cannot_be_shared(read_layers: Read, text: str, code: str, words: str) -> None:
    reading = read_layers(text, "[3]")
    assert reading.codes == [code]
    assert words in reading.messages[0]


def test_freeze_reaches_all_that_is_inside(read_layers: Read) -> None:
    graph = read_layers(
        """
        - layers: [{conv: {filters: 4, kernel: 3}}, batch_norm]
          freeze: true
        - dense: 3
        """.replace("- dense", "- flatten\n        - dense")
    ).network.graph
    assert [slot.name for slot in graph.slots if slot.param.trained] == ["dense.weight", "dense.bias"]
    assert graph.slots[0].kind == "parameter"


def test_init_says_how_parameters_start(read_layers: Read) -> None:
    graph = read_layers(
        """
        - dense: 4
          init: {gaussian: {std: 0.02}}
        - dense: 4
          init: {bias: ones, weight: {constant: 2}}
        - layers: [{dense: 4}, {dense: 3, init: zeros}]
          init: orthogonal
        """,
        "[4]",
    ).network.graph
    starts = {slot.name: slot.param.initializer for slot in graph.slots}
    assert repr(starts["dense.weight"]) == "gaussian(std=0.02)"
    assert starts["dense.bias"] == "zeros"
    assert [repr(starts[f"dense2.{name}"]) for name in ("weight", "bias")] == ["constant(value=2.0)", "ones()"]
    assert [repr(starts[f"layers/{name}.weight"]) for name in ("dense", "dense2")] == ["orthogonal()", "zeros()"]


@pytest.mark.parametrize(
    ("text", "code", "marked"),
    [
        ("- relu:\n  init: he", "NS131", "he"),
        ("- dense: {units: 4, bias: false}\n  init: {bias: ones}", "NS131", "bias"),
        ("- dense: 4\n  init: hee", "NS109", "hee"),
        ("- dense: 4\n  init: {gausian: {std: 0.1}}", "NS101", "gausian"),
        ("- dense: 4\n  init: {gaussian: {std: -1}}", "NS109", "-1"),
        ("- dense: 4\n  init: {wieght: he}", "NS101", "wieght"),
        ("- dense: 4\n  init: {values: [1, 2, 3]}", "NS229", "values"),
        ("- dense: 4\n  repeat: -1", "NS109", "-1"),
        ("- dense: 4\n  repeat: $(1 / 2)", "NS108", "$(1 / 2)"),
        ("- dense: 4\n  when: 3", "NS102", "3"),
        ("- dense: 4\n  when: $(1 + 1)", "NS102", "$(1 + 1)"),
        ("- dense: 4\n  freeze: perhaps", "NS102", "perhaps"),
        ("- dense: 4\n  share: 3", "NS102", "3"),
    ],
)
def test_mistakes_beside_an_op(read_layers: Read, text: str, code: str, marked: str) -> None:
    reading = read_layers(text, "[4]")
    assert reading.codes == [code], reading.messages
    assert reading.marked == [marked]
