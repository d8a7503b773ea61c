"""A mistake is told once: what only follows from it is not told as another."""

from __future__ import annotations

import textwrap

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import lint
from netspec.syntax.source import Source


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
