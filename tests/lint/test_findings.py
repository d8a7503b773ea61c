"""What the rules say beyond their examples, and what they leave alone."""

from __future__ import annotations

import textwrap

import pytest

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import lint
from netspec.syntax.source import Source


def findings(layers: str, shape: str = "[9, 8, 3]", rest: str = "") -> list[Diagnostic]:
    layers = textwrap.indent(textwrap.dedent(layers).strip(), "  ")
    return lint(Source("spec.yaml", f"netspec: 1\ninput: {shape}\nlayers:\n{layers}\n{rest}"))


def codes(layers: str, shape: str = "[9, 8, 3]", rest: str = "") -> list[str]:
    return [diagnostic.code for diagnostic in findings(layers, shape, rest)]


@pytest.mark.parametrize(
    ("shape", "pool", "message"),
    [
        ("[9, 8, 3]", "2", "'max_pool' never reads the last 1 of 9 along the height: only the whole part is kept"),
        ("[8, 9, 3]", "2", "'max_pool' never reads the last 1 of 9 along the width: only the whole part is kept"),
        (
            "[11, 10, 3]",
            "4",
            "'max_pool' never reads the last 3 of 11 along the height and the last 2 of 10 along the width: "
            "only the whole part is kept",
        ),
        ("[9, 3]", "2", "'max_pool' never reads the last 1 of 9 along the length: only the whole part is kept"),
        ("[5, 4, 4, 3]", "2", "'max_pool' never reads the last 1 of 5 along the depth: only the whole part is kept"),
    ],
)
def test_all_axes_that_lose_cells_are_named(shape: str, pool: str, message: str) -> None:
    assert [d.message for d in findings(f"- max_pool: {pool}", shape)] == [message]


@pytest.mark.parametrize(
    "pool",
    [
        "{size: 2, round: ceil}",
        "{size: 3, stride: 2, padding: same}",
        "{size: 3, stride: 2, padding: 1}",
        "{size: [3, 2]}",
        "{size: 1, stride: 2}",
    ],
)
def test_no_cells_are_lost(pool: str) -> None:
    assert "NS306" not in codes(f"- max_pool: {pool}")


def test_cells_lost_to_a_guess_are_no_finding() -> None:
    assert codes("- conv: {filters: 4, kernel: three}\n- relu\n- max_pool: 2") == ["NS102"]


def test_a_linear_bottleneck_before_a_sum_is_no_finding() -> None:
    layers = """
        - conv: {filters: 4, kernel: 1}
        - relu
        - add:
            body: [{conv: {filters: 4, kernel: 1}}]
            rest: []
        - relu
        """
    assert codes(layers) == []


@pytest.mark.parametrize("between", ["flatten", "dropout: 0.5"])
def test_what_keeps_two_layers_linear(between: str) -> None:
    assert codes(f"- dense: 4\n- {between}\n- dense: 4", "[3]") == ["NS301"]


def test_a_layer_that_could_not_be_read_may_be_an_activation() -> None:
    assert codes("- conv: {filters: 4, kernel: 1}\n- rleu\n- conv: {filters: 4, kernel: 1}\n- relu") == ["NS104"]


def test_two_readers_of_one_layer_are_no_chain() -> None:
    layers = """
        - dense: 4
          name: first
        - relu:
          name: left
        - dense: 4
          from: first
          name: right
        - add:
          from: [left, right]
        """
    assert codes(layers, "[4]") == []


def test_a_layer_without_bias_may_stand_before_batch_norm() -> None:
    assert codes("- dense: {units: 4, bias: false}\n- batch_norm\n- relu", "[4]") == []
    (found,) = findings("- dense: {units: 4, bias: true}\n- batch_norm\n- relu", "[4]")
    assert found.help_text == "bias: false saves 4 parameters"
    assert found.span[1:] == (4, 29, 4, 33)


def test_a_projection_of_one_pixel_may_stride() -> None:
    assert codes("- conv: {filters: 4, kernel: 1, stride: 2}\n- relu", "[9, 9, 3]") == []
    assert codes("- conv: {filters: 4, kernel: 3, stride: 4, dilation: 2}\n- relu", "[9, 9, 3]") == []


@pytest.mark.parametrize("shape", ["[32, 32, 3]", "[3, 5, 5]", "[8, 3, 3]", "[28, 28, 1]", "[1, 4]", "[16, 3]"])
def test_an_input_that_is_channels_last(shape: str) -> None:
    assert "NS207" not in codes("- relu", shape)


def test_an_input_that_is_not_names_the_fix() -> None:
    (found,) = findings("- relu", "[3, 224, 224]")
    assert (found.code, found.help_text) == ("NS207", "write [224, 224, 3]")


def test_classes_and_head() -> None:
    rest = "train: {data: digits, preprocess: [{divide: 255}]}\n"
    assert codes("- flatten\n- dense: 10\n- softmax", "[8, 8, 1]", rest) == []
    (found,) = findings("- flatten\n- dense: {units: 12}\n- softmax", "[8, 8, 1]", rest)
    assert found.message == "data 'digits' has 10 classes, but 'dense' gives 12 numbers"
    assert found.help_text == "write units: 10"
    assert found.span[1:3] == (5, 20)
    assert codes("- flatten\n- dense: many\n- softmax", "[8, 8, 1]", rest) == ["NS102"]


@pytest.mark.parametrize(
    "layer", ["conv_transpose: {filters: 4, kernel: 3}", "depthwise_conv: 3", "separable_conv: {filters: 4, kernel: 3}"]
)
def test_every_bias_per_channel_is_told_before_a_batch_norm(layer: str) -> None:
    assert codes(f"- {layer}\n- batch_norm\n- relu") == ["NS303"]


def test_a_bias_per_place_has_an_effect_before_a_batch_norm() -> None:
    assert codes("- locally_connected: {filters: 4, kernel: 3}\n- batch_norm\n- relu") == []


def test_bounds_the_wrong_way_round() -> None:
    (found,) = findings("- relu", rest="expect: {params: {min: 3, max: 2}}\n")
    assert (found.code, found.message) == ("NS242", "nothing is at least 3 and at most 2, as 'params' is said to be")


@pytest.mark.parametrize(
    ("layers", "rest"),
    [
        ("- relu\n- layers: []", ""),
        ("- relu\n- nothing", "blocks: {nothing: {layers: []}}\n"),
        ("- relu", "heads: {main: {layers: []}}\n"),
    ],
)
def test_an_empty_list_of_layers(layers: str, rest: str) -> None:
    (found,) = findings(layers, rest=rest)
    assert (found.code, found.severity) == ("NS243", "warning")
    assert found.message.startswith("this list of layers is empty")


def test_an_empty_branch_is_the_identity() -> None:
    assert codes("- add: {body: [{conv: {filters: 3, kernel: 3, padding: same}}, relu], shortcut: []}") == []


def test_a_last_layer_that_no_head_takes() -> None:
    rest = "heads: {side: {from: stem, layers: [global_avg_pool]}}\n"
    found, *_ = findings("- relu:\n  name: stem\n- max_pool: 1", rest=rest)
    assert (found.code, found.message) == ("NS239", "nothing takes the output of 'max_pool'")
    assert found.help_text is not None
    assert found.help_text.startswith("none of the heads, side, takes the last layer: write 'main:' among them")
    assert "NS239" not in codes("- relu:\n  name: stem\n- max_pool: 1", rest=rest.replace("{side", "{main: , side"))


def test_a_name_within_a_block_does_not_come_later() -> None:
    block = "blocks: {b: {layers: [{relu: , name: inner}]}}\n"
    (found,) = findings("- b\n- add:\n  from: [inner, input]", rest=block)
    assert found.message == "no layer before this one is called 'inner'"
    (found,) = findings("- add:\n  from: [inner, input]\n- relu:\n  name: inner", rest=block.replace("b:", "unused:"))[
        :1
    ]
    assert found.message == "layer 'inner' comes after this one, so its output is not there yet"


def test_defaults_and_vars_of_unused_blocks_are_looked_through() -> None:
    block = "blocks: {b: {args: {n: $(1 +)}, vars: {m: $(n + widht)}, layers: [{dense: $(n + m)}]}}\n"
    found = codes("- relu", rest=block)
    assert sorted(found) == ["NS106", "NS107", "NS128"]


def test_a_single_metric_stands_without_a_list() -> None:
    assert codes("- flatten\n- dense: 10", rest="train: {metrics: accuracy}\n") == []
    assert codes("- flatten\n- dense: 10", rest="train: {metrics: {top_k: 3}}\n") == []
    assert codes("- flatten\n- dense: 10", rest="heads: {main: {metrics: accuracy}}\n") == []
    assert codes("- flatten\n- dense: 10", rest="train: {metrics: acuracy}\n") == ["NS109"]


def test_digits_are_grey() -> None:
    rest = "train: {data: digits, preprocess: [{divide: 255}]}\n"
    found = findings("- flatten\n- dense: 12", "[16, 16, 3]", rest)
    assert [one.code for one in found] == ["NS502", "NS501"]
    assert found[0].message == "data 'digits' gives 16x16x1, but the input is 16x16x3: 1 channel, not 3"


def test_a_sketch_of_two_windows_may_see_little_of_the_image() -> None:
    conv = "- conv: {filters: 8, kernel: 3, padding: same}\n- relu\n"
    one = "- conv: {filters: 8, kernel: 1}\n- relu\n"
    ending = "- global_avg_pool\n- dense: 2\n"
    for layers in (conv + ending, 2 * conv + ending, 2 * conv + 3 * one + ending):
        assert "NS313" not in codes(layers, "[64, 64, 3]")
    assert "NS313" in codes(3 * conv + ending, "[64, 64, 3]")
