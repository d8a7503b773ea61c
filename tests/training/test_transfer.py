"""Starting from the weights of another network: by name, by order and shape, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.diagnostics.errors import RunError, SpecError
from netspec.training.runtime import Runtime
from netspec.training.transfer import _by_shape, _layer_order, take_weights

SPEC = """
netspec: 1
input: [4, 4, 1]
layers: [flatten, {{dense: 5, name: {name}}}, relu, {{dense: {classes}}}]
train: {{seed: {seed}{more}}}
"""


def compiled(name: str = "first", classes: int = 3, seed: int = 1, more: str = "") -> netspec.Model:
    text = SPEC.format(name=name, classes=classes, seed=seed, more=more)
    return netspec.load(text).compile(threads=1)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    compiled().save("old.safetensors")
    return "old.safetensors"


def test_by_name_what_fits_is_taken(file: str) -> None:
    old, new = compiled(), compiled(classes=4, seed=2, more=f", init: {{from: {file}}}")
    drawn = compiled(classes=4, seed=2)
    assert np.array_equal(new.weights["first.weight"], old.weights["first.weight"])
    assert np.array_equal(new.weights["dense.weight"], drawn.weights["dense.weight"])


def runtime(model: netspec.Model) -> Runtime:
    return model._runtime


def test_the_report_says_what_was_not_taken_and_why(file: str) -> None:
    found = take_weights(runtime(compiled(classes=4)), {"from": file}, Path())
    assert found.taken == {"first.weight": "first.weight", "first.bias": "first.bias"}
    assert found.kept == {
        "dense.weight": "it is [5, 4], in the file [5, 3]",
        "dense.bias": "it is [4], in the file [3]",
    }
    assert found.unused == ("dense.bias", "dense.weight")
    assert found.lines()[0].startswith("2 of 4 weights start from ")
    assert "  dense.bias of the file is not used" in found.lines()


def test_by_shape_other_names_are_taken_in_their_order(file: str) -> None:
    other = compiled(name="renamed", seed=2)
    by_name = take_weights(runtime(other), {"from": file}, Path())
    assert by_name.kept["renamed.weight"] == "the file has none of that name"
    found = take_weights(runtime(other), {"from": file, "match": "shape"}, Path())
    assert not found.kept
    assert found.taken["renamed.weight"] == "first.weight"
    assert np.array_equal(other.weights["renamed.weight"], compiled().weights["first.weight"])


def test_by_shape_a_layer_takes_all_of_another_or_nothing() -> None:
    ones = [np.zeros(shape) for shape in ((3, 4), (4,), (4, 4), (4,))]
    arrays = dict(zip(("a.weight", "a.bias", "b.weight", "b.bias"), ones, strict=True))
    shapes = {"x.weight": (4, 4), "x.bias": (4,), "y.weight": (9, 4), "y.bias": (4,), "z.weight": (3, 4)}
    taken, kept = _by_shape(shapes, arrays)
    assert taken == {"x.weight": "b.weight", "x.bias": "b.bias", "z.weight": "a.weight"}
    assert kept == dict.fromkeys(("y.weight", "y.bias"), "the file has no further layer of weight [9, 4], bias [4]")


def test_vgg_16_starts_from_vgg_11_layer_by_layer() -> None:
    """Simonyan and Zisserman 2014, section 3.1: the deeper networks begin with the layers of the shallow one."""
    shapes = [
        {slot.name: slot.param.shape for slot in netspec.load(f"zoo:{name}").graph.slots} for name in ("vgg16", "vgg11")
    ]
    arrays = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes[1].items()}
    taken, kept = _by_shape(shapes[0], arrays)
    assert len(taken) == len(arrays) == 2 * 11  # all of VGG-11 is used
    assert len(kept) == 2 * 5
    layers = {name.rpartition(".")[0]: source.rpartition(".")[0] for name, source in taken.items()}
    assert [shapes[0][f"{a}.weight"] for a in layers] == [shapes[1][f"{b}.weight"] for b in layers.values()]
    convolutions = [source for source in layers.values() if source.startswith("conv")]
    assert convolutions == sorted(convolutions, key=_layer_order)
    assert len(convolutions) == 8


def test_a_trunk_is_shared_by_two_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second task starts from the trunk of the first, keeps it frozen, and learns a head of its own."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(64, 4, 4, 1)).astype(np.float32)
    text = SPEC.replace("{{dense: {classes}}}", "{{dense: {classes}, name: {head}}}").replace("5, name", "16, name")
    first = netspec.load(text.format(name="trunk", head="size", classes=2, seed=1, more=", epochs: 5")).compile(
        threads=1
    )
    first.fit(images, (images.mean(axis=(1, 2, 3)) > 0).astype(int))
    first.save("first.safetensors")
    frozen = text.replace("name: {name}}}", "name: {name}, freeze: true}}", 1)
    more = ", init: {from: first.safetensors}, epochs: 5, lr: 0.1"
    second = netspec.load(frozen.format(name="trunk", head="row", classes=4, seed=2, more=more)).compile(threads=1)
    losses = [entry["loss"] for entry in second.fit(images, images.mean(axis=(2, 3)).argmax(axis=1))]
    assert losses[-1] < losses[0]
    assert np.array_equal(second.weights["trunk.weight"], first.weights["trunk.weight"])


def test_unnamed_layers_of_a_file_come_in_the_order_of_their_numbers() -> None:
    names = ["conv10.weight", "conv2.weight", "conv.weight", "a/conv3.weight"]
    assert sorted(names, key=_layer_order) == ["a/conv3.weight", "conv.weight", "conv2.weight", "conv10.weight"]


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ({"from": "none.safetensors"}, r"none\.safetensors' cannot be read"),
        ({"from": "../old.safetensors"}, "lies outside of the spec's folder"),
        ({"from": "text"}, r"NS904.*not a readable safetensors file"),
    ],
)
def test_files_that_cannot_be_used(file: str, init: dict[str, str], message: str) -> None:
    Path("text").write_text("weights")
    with pytest.raises(RunError, match=message):
        take_weights(runtime(compiled()), init, Path())


def test_a_file_of_which_nothing_fits(file: str) -> None:
    text = "netspec: 1\ninput: [3]\nlayers: [{dense: {units: 2, bias: false}}]\n"
    with pytest.raises(RunError, match=r"no weight in .* fits this network"):
        take_weights(runtime(netspec.load(text).compile(threads=1)), {"from": file}, Path())


@pytest.mark.parametrize("init", ["{}", "{from: a, match: size}", "{from: a, by: name}", "a"])
def test_what_is_refused(init: Any) -> None:
    with pytest.raises(SpecError):
        netspec.load(SPEC.format(name="first", classes=3, seed=1, more=f", init: {init}"))
