"""What a comparison finds: each change as one, and nothing that follows from a number in a name."""

from __future__ import annotations

import pytest

from netspec.analysis.diff import Change, Difference, compare
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source

BASE = """\
netspec: 1
input: [16, 16, 3]
layers:
  - conv: {filters: 4, kernel: 3, padding: same}
  - relu
  - conv: {filters: 4, kernel: 3, padding: same}
  - relu
  - conv: {filters: 8, kernel: 3, padding: same}
  - relu
  - global_avg_pool
  - dense: 3
train:
  optimizer: {sgd: {momentum: 0.9}}
  epochs: 3
"""


def difference(old: str, new: str, before: str = BASE) -> Difference:
    """What replacing ``old`` by ``new`` in the text of a spec changes."""
    assert before.count(old) == 1
    specs = [load_spec(Source("spec.yaml", text)) for text in (before, before.replace(old, new))]
    return compare(*specs)


def shown(found: Difference) -> list[tuple[str, str | None, str | None]]:
    return [(layer.kind, layer.name, layer.was) for layer in found.layers]


def test_nothing() -> None:
    found = difference("epochs: 3", "epochs: 3  # a comment")
    assert not found
    assert (found.layers, found.network, found.recipe) == ((), (), ())


def test_an_attribute() -> None:
    found = difference("filters: 8, kernel: 3", "filters: 8, kernel: 5")
    (layer,) = found.layers
    assert (layer.kind, layer.name, layer.op) == ("changed", "conv3", "conv")
    assert layer.changes == (
        Change("kernel", 3, 5),
        Change("params", 296, 808),
        Change("macs", 16 * 16 * 288, 16 * 16 * 800),
    )
    totals = {change.what: (change.before, change.after) for change in found.totals}
    assert totals["params"] == (583, 1_095)
    assert totals["layers"] == (8, 8)
    assert totals["flops"] == (2 * totals["macs"][0], 2 * totals["macs"][1])


def test_a_layer_more_is_one_layer_more() -> None:
    # Its relu makes relu of all that follow relu2, relu3, relu4, which nobody wants to hear of.
    assert shown(difference("  - global_avg_pool\n", "  - relu\n  - global_avg_pool\n")) == [("added", "relu4", None)]
    assert shown(difference("layers:\n", "layers:\n  - relu\n")) == [("added", "relu", None)]


def test_a_layer_with_weights_that_gets_another_path_is_said_to() -> None:
    found = difference("layers:\n", "layers:\n  - conv: {filters: 3, kernel: 1}\n")
    assert shown(found) == [
        ("added", "conv", None),
        ("renamed", "conv2", "conv"),
        ("renamed", "conv3", "conv2"),
        ("renamed", "conv4", "conv3"),
    ]
    assert found.layers[1].changes == (Change("name", "conv", "conv2"),)


def test_a_layer_less() -> None:
    found = difference("  - global_avg_pool\n  - dense: 3\n", "  - global_avg_pool\n")
    assert shown(found) == [("removed", None, "dense")]
    assert Change("params", 27, None) in found.layers[0].changes


def test_another_op_is_one_that_went_and_one_that_came() -> None:
    found = difference("  - relu\n  - global", "  - tanh\n  - global")
    assert shown(found) == [("removed", None, "relu3"), ("added", "tanh", None)]


def test_a_written_name_tells_layers_apart() -> None:
    text = BASE.replace("  - global_avg_pool\n", "".join(f"  - {{linear: , name: {n}}}\n" for n in "abc"))
    text = text.replace("  - dense: 3\n", "")
    assert shown(difference("  - {linear: , name: a}\n", "", text)) == [("removed", None, "a")]
    assert shown(difference("  - {linear: , name: b}\n", "", text)) == [("removed", None, "b")]
    assert shown(difference("name: b", "name: d", text)) == []  # a path that no weights have


def test_shapes_that_follow() -> None:
    found = difference("[16, 16, 3]", "[8, 16, 3]")
    assert found.network == (Change("input input", "16x16x3", "8x16x3"),)
    assert {layer.kind for layer in found.layers} == {"changed"}
    assert found.layers[0].changes[0] == Change("output", "16x16x4", "8x16x4")


def test_the_head() -> None:
    assert difference("dense: 3", "dense: 5").network == (Change("head main", "3", "5"),)


def test_wiring() -> None:
    text = """\
netspec: 1
input: [16, 16, 3]
layers:
  - {relu: , name: a}
  - {tanh: , name: b}
  - {sigmoid: , name: c}
  - {add: , from: [a, b]}
"""
    found = difference("from: [a, b]", "from: [a, c]", text)
    (layer,) = found.layers
    assert (layer.name, layer.changes) == ("add", (Change("from", "a, b", "a, c"),))


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("momentum: 0.9", "momentum: 0.8", [Change("optimizer.momentum", "0.9", "0.8")]),
        ("epochs: 3", "epochs: 5", [Change("epochs", 3, 5)]),
        ("{sgd: {momentum: 0.9}}", "adam", [Change("optimizer", "sgd", "adam"), Change("lr", "constant", "constant")]),
        ("epochs: 3", "epochs: 3\n  data: mnist", [Change("data", None, "mnist")]),
        ("epochs: 3", "epochs: 3\n  preprocess: [{divide: 255}]", [Change("preprocess", None, "divide 255")]),
    ],
)
def test_the_recipe(old: str, new: str, changes: list[Change]) -> None:
    found = difference(old, new)
    assert found.layers == ()
    if new == "adam":
        assert [change.what for change in found.recipe] == ["optimizer", "lr.rate"]
    else:
        assert list(found.recipe) == changes


def test_two_long_networks() -> None:
    lines = "".join(f"  - conv: {{filters: {4 + n % 3}, kernel: 1}}\n  - relu\n" for n in range(400))
    text = f"netspec: 1\ninput: [4, 4, 4]\nlayers:\n{lines}  - {{linear: , name: end}}\n"
    assert shown(difference("  - {linear: , name: end}\n", "  - {tanh: , name: end}\n", text)) == [
        ("changed", "end", "end")
    ]
