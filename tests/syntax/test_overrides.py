"""``--set name=value``: a var, else a key of the language, and mistakes in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netspec.diagnostics import SpecError
from netspec.syntax.load import load_spec
from netspec.syntax.overrides import override_sources
from netspec.syntax.source import Source

Read = Callable[..., Any]

TEXT = """\
netspec: 1
vars: {classes: 10, name: 3}
input: [28, 28, 1]
layers:
  - flatten
  - dense: $classes
  - relu
  - dense: $(name + 7)
train: {data: digits, optimizer: {sgd: {momentum: 0.9}}}
"""


def test_a_var(read: Read) -> None:
    spec = read(TEXT, ["classes=12"]).network
    assert spec.vars["classes"] == 12
    assert spec.graph.nodes[1].attrs.units == 12
    assert spec.overrides == ("classes=12",)


def test_a_var_comes_before_a_key_of_the_same_name(read: Read) -> None:
    spec = read(TEXT, ["name=4"]).network
    assert spec.name == "spec"
    assert spec.vars["name"] == 4


def test_an_expression(read: Read) -> None:
    assert read(TEXT, ["classes=$(4 * 3)"]).network.vars["classes"] == 12


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("train.epochs=3", "epochs", 3),
        ("train.batch=8", "batch", 8),
        ("train.seed=7", "seed", 7),
        ("train.validation=0.25", "validation", 0.25),
    ],
)
def test_a_dotted_key(read: Read, override: str, key: str, value: float) -> None:
    assert getattr(read(TEXT, [override]).network.recipe, key) == value


def test_a_key_deep_down_keeps_what_stands_beside_it(read: Read) -> None:
    optimizer = read(TEXT, ["train.optimizer.sgd.nesterov=true"]).network.recipe.optimizer
    assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)


def test_a_key_that_the_file_does_not_hold(read: Read) -> None:
    text = "layers:\n  - flatten\n  - dense: 10\n"
    assert read(text, ["train.lr=0.5"]).network.recipe.lr.rate == 0.5
    assert read(text, ["name=mine"]).network.name == "mine"


def test_a_value_may_be_a_mapping_or_a_list(read: Read) -> None:
    reading = read(TEXT, ["train.lr={cosine: {peak: 0.1}}", "input=[14, 14, 1]"])
    assert reading.network.recipe.lr.peak == 0.1
    assert reading.network.graph.inputs[0].type.shape == (14, 14, 1)


def test_the_last_of_two_counts(read: Read) -> None:
    assert read(TEXT, ["classes=oops", "classes=12"]).network.vars["classes"] == 12


def test_nothing_behind_the_sign_is_null(read: Read) -> None:
    assert read(TEXT, ["train.epochs="]).messages == [
        "'epochs' wants a whole number of at least 1, but got nothing (null)"
    ]


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("clases", "classes"),
        ("epochs", "train.epochs"),
        ("train.epohcs", "train.epochs"),
        ("tran.lr", "train.lr"),
        ("inptu", "input"),
        ("layers.0.dense", None),
        ("train.epochs.deeper", None),
        ("nothing_like_it", None),
        ("", None),
    ],
)
def test_a_name_that_is_not_known(read: Read, name: str, guess: str | None) -> None:
    reading = read(TEXT, [f"{name}=3"])
    assert reading.codes == ["NS112"]
    assert reading.found[0].span.file == f"--set {name}"
    if guess:
        assert reading.helps == [f"did you mean '{guess}'?"]
    else:
        assert reading.helps[0].startswith("vars and keys that can be set: classes, name, ")


def test_a_value_that_is_refused_is_shown(read: Read) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(Source("spec.yaml", TEXT), ["train.epochs=many"])
    assert str(caught.value) == (
        "--set train.epochs:1:1: error[NS102] 'epochs' wants a whole number of at least 1, but got 'many'\n"
        "  |\n"
        "1 | many\n"
        "  | ^^^^\n"
    )


def test_a_value_that_is_no_yaml_leaves_the_rest_as_it_is(read: Read) -> None:
    reading = read(TEXT, ["train.lr={a", "classes=12"])
    assert reading.codes == ["NS001"]
    assert reading.found[0].span.file == "--set train.lr"
    assert reading.spec.vars["classes"] == 12


def test_override_sources() -> None:
    assert override_sources(["a=1", "b=x=y", "a=2"]) == {"--set a": "2", "--set b": "x=y"}
