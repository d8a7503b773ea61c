"""After a mistake the walk goes on with the best guess, and what only the guess causes is not reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netspec.core.attributes import KINDS
from netspec.core.declare import REGISTRIES
from netspec.syntax.guesses import another, stand_in

Read = Callable[..., Any]

TAIL = "- relu\n- conv: {filters: 16, kernel: 5}\n- relu\n- flatten\n- dense: 120\n- relu\n- dense: 10"


@pytest.mark.parametrize(
    ("line", "code", "marked"),
    [
        ("- conv: {filters: 6, kernal: 5}", "NS101", "kernal"),
        ("- conv: {filters: 6, window: 5}", "NS101", "window"),  # the only key that is missing
        ("- conv: {filters: 6, kernel_size: 5}", "NS101", "kernel_size"),
        ("- conv: {filters: 6}", "NS103", "{filters: 6}"),
        ("- conv: 6", "NS103", "conv"),
        ("- cnov: {filters: 6, kernel: 5}", "NS104", "cnov"),
        ("- Conv2D: {filters: 6, kernel: 5}", "NS104", "Conv2D"),
        ("- rleu", "NS104", "rleu"),
        ("- transmogrify: {by: 3}", "NS104", "transmogrify"),
        ("- $act", "NS107", "act"),
        ("- $pool: {size: 2}", "NS107", "pool"),
        ("- conv: {filters: six, kernel: 5}", "NS102", "six"),
        ("- conv: {filters: 6.5, kernel: 5}", "NS102", "6.5"),
        ("- conv: {filters: -6, kernel: 5}", "NS109", "-6"),
        ("- conv: {filters: $(13 / 2), kernel: 5}", "NS108", "$(13 / 2)"),
        ("- conv: {filters: $(13 -), kernel: 5}", "NS106", ")"),
        ("- conv: {filters: $nothing, kernel: 5}", "NS107", "nothing"),
        ("- conv: {filters: 6, kernel: [5, 0]}", "NS109", "0"),
        ("- conv: {filters: 6, kernel: [5, 5, 5]}", "NS210", "[5, 5, 5]"),
        ("- conv: {filters: 6, kernel: 99}", "NS201", "99"),
        ("- conv: {filters: 6, kernel: 5, groups: 4}", "NS202", "4"),
        ("- conv: {filters: 6, kernel: 5, padding: smae}", "NS109", "smae"),
        ("- conv: {filters: 6, kernel: 5, padding: causal}", "NS213", "causal"),
        ("- max_pool: 99", "NS201", "99"),
        ("- max_pool", "NS103", "max_pool"),
        ("- dense: 10", "NS205", "dense: 10"),
        ("- add: {a: [{max_pool: 2}], b: []}", "NS203", "add: {a: [{max_pool: 2}], b: []}"),
        ("- concat: {a: [{max_pool: 2}], b: []}", "NS204", "concat: {a: [{max_pool: 2}], b: []}"),
        ("- concat: {axis: depth, a: [], b: []}", "NS214", "depth"),
        ("- concat: {axs: channels, a: [], b: []}", "NS101", "axs"),
        ("- group_norm: 2", "NS202", "2"),
        ("- layer_norm", "NS225", "layer_norm"),
        ("- lrn: {size: [3, 3]}", "NS226", "[3, 3]"),
        ("- lrn: {size: [3, 3, 3], across: space}", "NS210", "[3, 3, 3]"),
        ("- add", "NS211", "add"),
        ("- relu:\n  from: nowhere", "NS206", "nowhere"),
        ("- relu:\n  nmae: x", "NS101", "nmae"),
        ("- relu:\n  name: a b", "NS102", "a b"),
        ("- 5", "NS102", "5"),
        ("- {}", "NS103", "{}"),
        ("- {name: x}", "NS103", "{name: x}"),
        ("- conv:\n  filters: 6\n  kernel: 5", "NS118", "filters"),
        ("- conv: 6\n  kernel: 5", "NS118", "kernel"),
        ("- conv: {filters: 6, kernel: 5, name: x}", "NS118", "name"),
        ("- add: {a: [], b: [], name: x}", "NS118", "name"),
        ("- layers: relu", "NS102", "relu"),
    ],
)
def test_one_mistake_comes_out_once(read_layers: Read, line: str, code: str, marked: str) -> None:
    reading = read_layers(f"{line}\n{TAIL}")
    assert reading.codes == [code], reading.messages
    if "\n" not in marked:
        assert reading.marked == [marked]


def test_a_name_at_the_wrong_depth_is_a_name(read_layers: Read) -> None:
    reading = read_layers("- conv: {filters: 6, kernel: 5, name: first}\n- tanh\n- relu:\n  from: first")
    assert reading.codes == ["NS118"]
    assert reading.messages == ["indented too deep to stand beside 'conv': name"]


def test_attributes_at_the_wrong_depth_are_attributes(read_layers: Read) -> None:
    reading = read_layers("- conv:\n  filters: 6\n  kernel: 0\n- relu")
    assert reading.messages == [
        "indented too little to belong to 'conv': filters, kernel",
        "'kernel' must be at least 1, but is 0",
    ]


def test_mistakes_inside_a_misspelt_op_are_found(read_layers: Read) -> None:
    reading = read_layers("- cnov: {fitlers: 6, kernel: 0}")
    assert reading.marked == ["cnov", "fitlers", "0"]


def test_a_misspelt_op_keeps_its_place_in_the_numbering(read_layers: Read) -> None:
    reading = read_layers("- rleu\n- relu\n- tanh")
    assert reading.codes == ["NS104"]
    assert [line.path for line in reading.spec.layers] == ["relu", "relu2", "tanh"]


def test_what_is_wrong_whatever_the_guess_is_reported(read_layers: Read) -> None:
    reading = read_layers("- conv: {filters: six, kernel: 3}\n- dense: 10")
    assert reading.codes == ["NS102", "NS205"]
    assert reading.messages[1] == "'dense' wants one row of features, but a 26x26x? image comes in"
    assert reading.helps[1] == "put 'flatten' or 'global_avg_pool' before it"


def test_what_is_wrong_under_the_guess_only_is_not(read_layers: Read) -> None:
    # With seven filters the groups would divide the channels, and nobody knows how many are meant.
    assert read_layers("- conv: {filters: six, kernel: 3}\n- conv: {filters: 7, kernel: 3, groups: 7}").codes == [
        "NS102"
    ]


def test_a_window_behind_one_that_does_not_fit_may_fit_once_that_is_mended(read_layers: Read) -> None:
    # 28, 14, 7, 3, 1: the image is used up, and one pooling less would mend all that follows.
    assert read_layers("\n".join(["- max_pool: 2"] * 7 + ["- conv: {filters: 4, kernel: 3}"])).codes == ["NS201"]


def test_a_window_larger_than_the_input_is_wrong_wherever_it_stands(read_layers: Read) -> None:
    assert read_layers("- max_pool: 29\n- max_pool: 2\n- conv: {filters: 4, kernel: 99}").codes == ["NS201", "NS201"]


def test_an_axis_on_which_both_guesses_agree_is_certain(read_layers: Read) -> None:
    reading = read_layers("- max_pool: 99\n- conv: {filters: 6, kernel: 3}\n- conv: {filters: 6, kernel: 3, groups: 4}")
    assert reading.codes == ["NS201", "NS202"]
    assert reading.messages[1] == "groups: 4 does not divide the 6 input channels of 'conv2'"


def test_behind_a_dense_layer_all_is_certain_again(read_layers: Read) -> None:
    spec = read_layers("- cnov: {filters: 6, kernel: 3}\n- flatten\n- dense: 12\n- relu").spec
    head = spec.graph.heads["main"]
    assert head.type.shape == (12,)
    assert head not in spec.guessed
    assert not spec.complete


def test_channels_that_are_guessed_are_unknown_to_expressions(read_layers: Read) -> None:
    reading = read_layers(
        "- conv: {filters: six, kernel: 3}\n- conv: {filters: $(channels // 0 + 1), kernel: 3}\n- relu"
    )
    assert reading.codes == ["NS102"]


def test_the_known_axes_of_an_input_are_kept(read: Read) -> None:
    reading = read("input: [28, -28, 3]\nlayers:\n  - conv: {filters: 4, kernel: 3, groups: 2}\n  - dense: 3\n")
    assert reading.codes == ["NS109", "NS202", "NS205"]
    assert reading.messages[2] == "'dense' wants one row of features, but a 26x?x4 image comes in"


@pytest.mark.parametrize("shape", ["big", "{}", "[]", "[1, 2, 3, 4, 5]", "$nothing"])
def test_an_input_that_cannot_be_read_leaves_shapes_alone(read: Read, shape: str) -> None:
    reading = read(f"input: {shape}\nlayers:\n  - dense: 3\n  - conv: {{filters: 3, kernel: 0}}\n")
    assert len(reading.codes) == 2
    assert reading.codes[1] == "NS109"


def test_a_var_that_is_misspelt_counts_as_used_and_gives_its_value(read: Read) -> None:
    reading = read("vars: {width: 8}\nlayers:\n  - conv: {filters: $widht, kernel: 3}\n")
    assert reading.codes == ["NS107"]


def test_a_var_in_a_value_that_is_refused_counts_as_used(read: Read) -> None:
    assert read("vars: {k: 3}\nlayers:\n  - conv: {filters: 1, kernel: [$k, -1]}\n").codes == ["NS109"]


def test_a_guess_is_no_reason_to_doubt_an_expectation_or_the_data(read: Read) -> None:
    text = (
        "vars: {classes: 10}\nlayers:\n  - flatten\n  - dense: $clases\ntrain: {data: mnist}\nexpect: {output: [9]}\n"
    )
    assert read(text).codes == ["NS107"]


def test_two_guesses_at_an_attribute_are_values_of_it() -> None:
    """Whatever is declared: the op can be made with either, and they differ where that makes another shape."""
    for registry in REGISTRIES.values():
        for declaration in registry.public():
            for attribute in declaration.attributes:
                first = stand_in(attribute)
                second = another(attribute, first)
                assert attribute.kind in KINDS
                assert first != second or attribute.kind in ("float", "str", "Numbers", "NumberTree"), (
                    declaration.name,
                    attribute,
                )


def test_a_size_of_which_nothing_is_known_is_not_shown(read_layers: Read) -> None:
    reading = read_layers("- conv: {filters: 8, kernel: 99}\n- conv: {filters: 8, kernel: 99}")
    assert reading.messages[1].startswith("kernel 99 does not fit what comes into 'conv2', whatever size")
