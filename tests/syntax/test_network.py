"""Inputs and heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Read = Callable[..., Any]

TWO = "netspec: 1\ninputs: {left: [8, 8, 1], right: {shape: [8, 8, 1], source: image_b}}\n"


def test_several_inputs_are_taken_by_name(read: Read) -> None:
    reading = read(
        TWO
        + """\
layers:
  - conv: {filters: 4, kernel: 3}
    from: left
    name: a
  - conv: {filters: 4, kernel: 3}
    from: right
    share: a
    name: b
  - subtract:
    from: [a, b]
""".replace("subtract", "concat")
    )
    graph = reading.network.graph
    assert [value.name for value in graph.inputs] == ["left", "right"]
    assert graph.heads["main"].type.shape == (6, 6, 8)
    assert {name: given.source for name, given in reading.network.inputs.items()} == {"left": None, "right": "image_b"}


def test_with_several_inputs_the_first_layer_needs_from(read: Read) -> None:
    reading = read(TWO + "layers:\n  - relu\n")
    assert reading.codes == ["NS235"]
    assert reading.helps == ["add 'from: NAME' with one of left, right"]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("netspec: 1\nlayers: [relu]\n", ["NS103"]),
        ("netspec: 1\ninput: [4]\ninputs: {a: [4]}\nlayers: [relu]\n", ["NS130"]),
        ("netspec: 1\ninputs: {a: {source: x}}\nlayers: [relu]\n", ["NS103"]),
        ("netspec: 1\ninputs: {a b: [4]}\nlayers: [relu]\n", ["NS102"]),
        ("netspec: 1\ninputs: {}\nlayers: [relu]\n", ["NS102"]),
        ("netspec: 1\ninput: [4]\n", ["NS103"]),
    ],
)
def test_inputs_that_cannot_be(read: Read, text: str, codes: list[str]) -> None:
    assert read(text).codes == codes


HEADS = """\
netspec: 1
input: [8, 8, 3]
layers:
  - conv: {filters: 4, kernel: 3}
    name: trunk
  - relu
  - flatten
  - dense: 10
heads:
  main: {}
  aux:
    from: trunk
    layers: [global_avg_pool, {dense: 10}]
    loss: {cross_entropy: {label_smoothing: 0.1}}
    weight: 0.3
    target: labels
    only: train
"""


def test_heads(read: Read) -> None:
    spec = read(HEADS).network
    assert {name: value.type.shape for name, value in spec.graph.heads.items()} == {"main": (10,), "aux": (10,)}
    assert "aux/dense.weight" in [slot.name for slot in spec.graph.slots]
    aux, main = spec.recipe.head("aux"), spec.recipe.head("main")
    assert (aux.weight, aux.target, aux.train_only, aux.loss.label_smoothing) == (0.3, "labels", True, 0.1)
    assert (main.weight, main.target, main.train_only, main.loss) == (1.0, None, False, spec.recipe.loss)


def test_a_head_of_train_only_is_left_out_of_prediction(read: Read) -> None:
    from netspec.passes.step import evaluation, inference, training_step

    spec = read(HEADS).network
    assert list(inference(spec.graph, spec.recipe).outputs) == ["main"]
    assert not [node for node in inference(spec.graph, spec.recipe) if node.path.startswith("aux")]
    assert [value.name for value in evaluation(spec.graph, spec.recipe).inputs] == ["input", "target"]
    step = training_step(spec.graph, spec.recipe)
    assert [value.name for value in step.inputs] == ["input", "target/main", "target/aux"]
    assert [node.attrs.factor for node in step if node.op.name == "times" and node.region == "forward"] == [0.3]


@pytest.mark.parametrize(
    ("heads", "codes"),
    [
        ("heads: {main: {from: nowhere}}", ["NS206"]),
        ("heads: {main: {}, conv: {layers: [relu]}}", ["NS238"]),
        ("heads: {main: {wieght: 2}}", ["NS101"]),
        ("heads: {main: {only: tets}}", ["NS109"]),
        ("heads: {main: {weight: -1}}", ["NS109"]),
        ("heads: {}", ["NS102"]),
        ("expect: {output: {main: [26, 26, 4], aux: [3]}}", []),
    ],
)
def test_heads_that_cannot_be(read: Read, heads: str, codes: list[str]) -> None:
    assert read(f"layers:\n  - conv: {{filters: 4, kernel: 3}}\n{heads}\n").codes == codes
