"""Small specs in which something went wrong once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.diagnostics import Diagnostics
from netspec.lint.engine import lint
from netspec.syntax.load import load_spec, read_spec
from netspec.syntax.resolved import resolved_text
from netspec.syntax.source import Source

Read = Callable[..., Any]


def resolved_again(text: str) -> list[tuple[str, list[str]]]:
    """Paths and inputs of the layers, which are the same in the resolved spec."""
    spec = load_spec(Source("spec.yaml", text))
    again = load_spec(Source("resolved.yaml", resolved_text(spec)))
    found = [(node.path, [value.name for value in node.data]) for node in spec.graph.nodes]
    assert found == [(node.path, [value.name for value in node.data]) for node in again.graph.nodes]
    return found


HEAD = "netspec: 1\ninput: [8]\nlayers:\n  - {dense: 8, name: a}\n  - {dense: 8, name: b}\n"


@pytest.mark.parametrize(
    "absent",
    [
        "{relu: , from: a, when: false}",
        "{relu: , from: a, repeat: 0}",
        "{relu: , from: a, repeat: 2, when: $(i > 5)}",
        "{add: {x: {when: false, layers: [relu]}}, from: a}",
    ],
)
def test_a_layer_that_is_not_there_leaves_the_flow_as_it_is(absent: str) -> None:
    assert resolved_again(f"{HEAD}  - {absent}\n  - tanh\n")[-1] == ("tanh", ["b"])


def test_from_feeds_the_first_copy_that_is_there() -> None:
    found = resolved_again(f"{HEAD}  - {{relu: , from: a, repeat: 3, when: $(i > 0)}}\n")
    assert found[-2:] == [("relu/1", ["a"]), ("relu/2", ["relu/1"])]


def test_a_layer_that_is_left_out_may_name_another_that_is_left_out() -> None:
    text = "  - {layers: [{dense: 8, name: inner}], name: enc, when: $deep}\n"
    text += "  - {add: , from: [enc/inner, a], when: $deep}\n"
    for deep, last in (("false", "b"), ("true", "add")):
        found = resolved_again(HEAD.replace("input", f"vars: {{deep: {deep}}}\ninput") + text + "  - tanh\n")
        assert found[-1] == ("tanh", [last])


def test_a_single_input_may_have_a_name() -> None:
    text = "netspec: 1\ninputs: {image: [8]}\nlayers:\n  - {dense: 8, name: a}\n  - {add: , from: [a, image]}\n"
    assert resolved_again(text)[-1] == ("add", ["a", "image"])


def test_texts_that_yaml_would_take_for_numbers() -> None:
    spec = load_spec(Source("s", 'netspec: 1\nname: "1e5"\ndoc: "0o17"\ninput: [4]\nlayers: [relu]\n'))
    again = load_spec(Source("r", resolved_text(spec)))
    assert (again.name, again.doc) == ("1e5", "0o17")


def test_an_unused_block_is_no_part_of_the_network() -> None:
    text = """\
netspec: 1
input: [8, 8, 1]
blocks: {unused: {layers: [{conv: {filters: 4, kernel: 1}}]}}
layers: [{conv: {filters: 8, kernel: 3}}]
expect: {shapes: {conv: [1, 1, 1]}}
"""
    assert [d.code for d in lint(Source("s", text))] == ["NS128", "NS209"]


def test_an_unused_block_does_not_count_against_the_limit(read: Read) -> None:
    text = "blocks: {u: {layers: [{relu: , repeat: 300000}]}}\nlayers: [relu]\n"
    assert read(text).codes == ["NS128"]


def test_preprocessing_is_held_against_every_input_and_reported_once() -> None:
    train = "train: {data: cifar10, preprocess: [{normalize: {mean: [1, 2, 3], std: [1, 1, 1]}}]}\n"
    text = "netspec: 1\ninput: [16, 16, 1]\nlayers: [flatten, {dense: 10}]\n" + train
    assert "NS503" in [d.code for d in lint(Source("s", text))]
    two = "netspec: 1\ninputs: {left: [16, 16, 3], right: [16, 16, 1]}\n"
    layers = "layers: [{flatten: , from: left, name: l}, {flatten: , from: right, name: r}, {concat: , from: [l, r]}]\n"
    diagnostics = Diagnostics()
    read_spec(Source("s", two + layers + train), (), diagnostics)
    assert [d.code for d in diagnostics] == ["NS503"]


@pytest.mark.parametrize("init", ["{he: {}, bias: zeros}", "{he: {}, glorot: {}}"])
def test_one_initialiser_or_one_per_parameter(read_layers: Read, init: str) -> None:
    assert read_layers(f"- dense: 4\n  init: {init}", "[4]").codes == ["NS102"]


def test_a_version_that_is_written_with_a_point(read: Read) -> None:
    assert read("netspec: 2.0\ninput: [4]\nlayers: [relu]\n").codes == ["NS114"]


def test_two_files_may_include_the_same_third(tmp_path: Path) -> None:
    (tmp_path / "common.yaml").write_text("netspec: 1\nblocks: {c: {layers: [relu]}}\n")
    for name in ("a", "b"):
        text = f"netspec: 1\ninclude: [common.yaml]\nblocks: {{{name}: {{layers: [c]}}}}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    source = Source(str(tmp_path / "s.yaml"), "netspec: 1\ninclude: [a.yaml, b.yaml]\ninput: [4]\nlayers: [a, b]\n")
    assert [node.path for node in load_spec(source).graph.nodes] == ["a/c/relu", "b/c/relu"]


def test_files_that_include_the_next_twice_are_read_once(tmp_path: Path) -> None:
    for number in range(40):
        text = f"netspec: 1\ninclude: [f{number + 1}.yaml, f{number + 1}.yaml]\n"
        (tmp_path / f"f{number}.yaml").write_text(text)
    (tmp_path / "f40.yaml").write_text("netspec: 1\nblocks: {c: {layers: [relu]}}\n")
    source = Source(str(tmp_path / "s.yaml"), "netspec: 1\ninclude: [f0.yaml]\ninput: [4]\nlayers: [c]\n")
    assert len(load_spec(source).texts) == 42


def test_a_layer_may_not_take_the_name_of_an_input(read: Read) -> None:
    text = "netspec: 1\ninputs: {left: [4], right: [4]}\nlayers:\n  - {relu: , from: left, name: left}\n"
    assert read(text).messages == ["the name 'left' stands for an input of the network"]
