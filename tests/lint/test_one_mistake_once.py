"""A mistake is told once: what only follows from it is not told as another."""

from __future__ import annotations

import textwrap
from collections import Counter

import pytest

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import lint
from netspec.syntax.source import Source
from netspec.zoo import zoo_path


def findings(text: str) -> list[Diagnostic]:
    source = Source("s.yaml", "netspec: 1\n" + textwrap.dedent(text))
    return [found for found in lint(source) if found.severity != "info"]


def codes(text: str) -> list[str]:
    return [found.code for found in findings(text)]


def test_axes_in_another_order_are_no_shape_of_other_data() -> None:
    data = "layers: [{conv: {filters: 10, kernel: 3}}, relu, {max_pool: 2}]\ntrain: {data: cifar10}\n"
    preprocess = data.replace("cifar10", "cifar10, preprocess: [{divide: 255}]")
    assert codes("input: [3, 32, 32]\n" + preprocess) == ["NS207"]
    assert codes("input: [28, 28]\n" + preprocess.replace("cifar10", "mnist")) == ["NS208"]


SMALL = """
    input: INPUT
    layers:
      - conv: {filters: 6, kernel: 5, padding: same}
      - relu
      - max_pool: 2
      - conv: {filters: 8, kernel: 5}
      - relu
      - flatten
      - dense: 10
      - softmax
    train: {data: mnist, preprocess: [{divide: 255}], batch: 64, epochs: 5}
    """


def all_codes(text: str) -> Counter[str]:
    return Counter(found.code for found in lint(Source("s.yaml", text)))


@pytest.mark.parametrize("shape", ["[28, 28]", "[1, 28, 28]"])
def test_advice_on_a_network_that_was_not_meant_is_none(shape: str) -> None:
    text = "netspec: 1\n" + textwrap.dedent(SMALL)
    doubt = {"[28, 28]": "NS208", "[1, 28, 28]": "NS207"}[shape]
    assert all_codes(text.replace("INPUT", shape)) <= all_codes(text.replace("INPUT", "[28, 28, 1]")) + Counter([doubt])


@pytest.mark.parametrize(
    ("name", "side", "channels"),
    [("lenet5", 28, 1), ("cifar10_full", 32, 3), ("resnet18", 224, 3), ("xception", 299, 3)],
)
def test_neither_are_totals_rules_nor_data_that_only_the_misread_input_breaks(
    name: str, side: int, channels: int
) -> None:
    text = zoo_path(name).read_text(encoding="utf-8")
    as_written = f"input: [{side}, {side}, {channels}]"
    assert as_written in text
    known = all_codes(text)
    assert all_codes(text.replace(as_written, f"input: [{side}, {side}]")) <= known + Counter(["NS208"])
    assert all_codes(text.replace(as_written, f"input: [{channels}, {side}, {side}]")) <= known + Counter(["NS207"])


def test_another_mistake_is_told_as_if_the_input_were_right() -> None:
    found = findings("input: [28, 28]\nlayers: [{conv: {filters: 4, kernel: 3}}, relu, {dense: 10}]\n")
    assert [each.code for each in found] == ["NS208", "NS205"]
    assert "26x26x4" in found[1].message
    several = "inputs: {a: {shape: [28, 28], source: image}}\nlayers: [{conv: {filters: 6, kernel: 5}}, relu]\n"
    assert codes(several) == ["NS208"]


def test_an_input_that_is_meant_as_it_is_written_is_taken_so() -> None:
    text = "netspec: 1\ninput: [28, 28]  # netspec: ignore[NS208]\nlayers: [{conv: {filters: 8, kernel: 5}}, relu]\n"
    assert set(all_codes(text)) == {"NS310"}


def test_the_missing_axis_is_as_long_as_the_data_says() -> None:
    text = "input: [32, 32]\nlayers: [flatten, {dense: 10}]\ntrain: {data: cifar10, preprocess: [{divide: 255}]}\n"
    (found,) = findings(text)
    assert found.help_text == "write [32, 32, 3]"


def test_a_misplaced_layer_does_not_blame_the_next() -> None:
    assert codes(
        """
        input: [8, 8, 3]
        layers: [flatten, {conv: {filters: 4, kernel: 3}}, relu, {dense: 2}]
        """
    ) == ["NS212"]


def test_an_unknown_key_may_have_been_the_activation() -> None:
    assert codes("input: [8]\nlayers: [{dense: {units: 4, activation: relu}}, {dense: 2}]\n") == ["NS101"]
    assert codes("input: [8]\nlayers: [{dense: {units: 4}}, {dense: 2}]\n") == ["NS301"]


def test_which_input_is_taken_is_asked_once() -> None:
    assert codes("inputs: {a: [8], b: [8]}\nlayers: [{dense: 2}]\n") == ["NS235"]


def test_a_refused_transform_is_not_a_missing_one() -> None:
    text = """
        input: [28, 28, 1]
        layers: [flatten, {dense: 10}]
        train:
          data: mnist
          preprocess:
            - divide: 255
            - normalize: {mean: [0.5, 0.5, 0.5], std: [1, 1, 1]}
        """
    (found,) = findings(text)
    assert (found.code, found.span.line) == ("NS503", 9)
    assert codes(text.replace("divide: 255", "divide: much").replace("[0.5, 0.5, 0.5]", "0.5")) == ["NS102"]


def test_a_stride_that_skips_says_so_alone() -> None:
    assert codes("input: [64, 64, 3]\nlayers: [{conv: {filters: 4, kernel: 3, stride: 5}}, relu]\n") == ["NS307"]


def test_shapes_that_do_not_merge_are_told_where_their_layers_are_named() -> None:
    (found,) = findings(
        """
        input: [8, 8, 3]
        layers:
          - conv: {filters: 4, kernel: 3}
            name: small
          - relu
          - add:
            from: [small, input]
        """
    )
    assert (found.code, found.span[1:3]) == ("NS203", (9, 11))
    assert [note.text for note in found.notes] == ["'small' makes 6x6x4 here"]
