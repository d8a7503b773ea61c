"""What people hand to the Python API by mistake, and what it says."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec

SPEC = """\
netspec: 1
name: tiny
input: [4, 4, 1]
layers:
  - conv: {filters: 2, kernel: 3}
  - relu
  - flatten
  - dense: 2
train: {batch: 8, epochs: 1}
"""
BYTES = SPEC.replace("epochs: 1", "epochs: 1, preprocess: [{divide: 255}]")
LABELS = np.arange(8) % 2
IMAGES = np.random.default_rng(2).random((8, 4, 4, 1))


def model(text: str = SPEC) -> netspec.Model:
    return netspec.load(text).compile(threads=1)


def test_floats_up_to_one_are_told_once_where_bytes_are_expected() -> None:
    given = model(BYTES)
    with pytest.warns(netspec.InputWarning, match=r"'input' holds floats from .* divides by 255 once more") as told:
        given.step(IMAGES, LABELS)
    assert told[0].filename == __file__
    given.fit(IMAGES, LABELS)  # a second warning would be an error here
    for call in (given.predict, model(BYTES).predict):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            call(IMAGES)
        assert [each.filename for each in seen] == ([] if call.__self__ is given else [__file__])


@pytest.mark.parametrize(
    ("text", "images"),
    [
        (BYTES, IMAGES * 255),
        (BYTES, (IMAGES * 255).astype(np.uint8)),
        (BYTES, np.zeros_like(IMAGES)),
        (BYTES, IMAGES - 0.5),
        (BYTES.replace("255", "2"), IMAGES),
        (SPEC, IMAGES),
    ],
)
def test_numbers_that_may_be_meant_are_no_warning(text: str, images: np.ndarray) -> None:
    assert model(text).predict(images).shape == (8, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"validation": 0.2}, r"validation is images and labels, validation=\(x, y\), but 0\.2 was given"),
        ({"validation": IMAGES[:2]}, r"validation=\(x, y\), but \(2, 4, 4, 1\) was given"),
        ({"epochs": "3"}, "epochs is '3', but must be a whole number of at least 0"),
        ({"epochs": 1.5}, r"epochs is 1\.5, but must be a whole number"),
    ],
)
def test_what_fit_cannot_take_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(netspec.InputError, match=message):
        model().fit(IMAGES, LABELS, **settings)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda it: it.step(IMAGES, LABELS, rate="a"), "rate is 'a', but must be a finite number"),
        (lambda it: it.predict("img.png"), r"images are a NumPy array, but 'img\.png' \(str\) was given"),
        (lambda it: it.predict(None), r"but None \(NoneType\) was given"),
        (lambda it: it.weights["conv.wieght"], r"no weights called 'conv\.wieght'; did you mean conv\.weight\?"),
        (lambda it: it.activations(IMAGES, ["denze"]), r"no layer 'denze' when it predicts; did you mean dense\?"),
    ],
)
def test_what_a_model_cannot_take_is_named(call: Callable[[netspec.Model], Any], message: str) -> None:
    with pytest.raises(netspec.InputError, match=message):
        call(model())


def test_a_name_that_weights_have_not_is_a_key_error_too() -> None:
    weights = model().weights
    with pytest.raises(KeyError):
        weights["nope"]
    assert "nope" not in weights


def test_a_layer_may_be_named_without_a_list() -> None:
    assert list(model().activations(IMAGES, "conv")) == ["conv"]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(netspec.RunError, match=r"nodir/x\.safetensors' cannot be written: No such file"):
        model().save(tmp_path / "nodir" / "x.safetensors")


def test_a_seed_that_is_no_number_is_named() -> None:
    with pytest.raises(netspec.InputError, match="seed is 'a', but must be a whole number"):
        netspec.load(SPEC).compile(seed="a")


def test_what_is_no_spec_is_named() -> None:
    with pytest.raises(netspec.InputError, match="a spec is a path, a text, a mapping or zoo:NAME, but None was given"):
        netspec.load(None)
    with pytest.raises(netspec.NetspecError, match=r"no spec called 'resnt20' ships.*did you mean zoo:resnet20\?"):
        netspec.load("zoo:resnt20")


def test_one_override_needs_no_list() -> None:
    assert netspec.load(SPEC, "train.epochs=4").recipe.epochs == 4


def test_a_mapping_may_hold_numbers_of_numpy() -> None:
    spec = netspec.load({"netspec": 1, "input": [np.int64(5)], "layers": [{"dense": np.int32(3)}]})
    assert spec.graph.heads["main"].type.shape == (3,)


def test_a_prompt_shows_what_a_model_and_a_spec_are() -> None:
    assert repr(netspec.load(SPEC)) == "<Spec tiny: 4 nodes, heads main>"
    shown = repr(model())
    assert shown == "<Model tiny: input (N, 4, 4, 1) -> main (N, 2), 38 weights, batch 8, threads 1>"


@pytest.mark.parametrize("overrides", [5, [5], ("train.epochs=2", None), {"train.epochs": 2}])
def test_overrides_that_are_no_texts_are_told(overrides: Any) -> None:
    if isinstance(overrides, dict):
        overrides = overrides.items()
    with pytest.raises(netspec.InputError, match=r"overrides are texts such as 'train\.lr=0\.1', but .* was given"):
        netspec.load(SPEC, overrides)
    assert netspec.load(SPEC, (each for each in ("train.epochs=2",))).recipe.epochs == 2


@pytest.mark.parametrize("path", [None, 5, b"weights.safetensors"])
def test_a_place_of_weights_that_is_no_path_is_told(path: Any) -> None:
    given = model()
    with pytest.raises(netspec.InputError, match="what weights are saved to is a path"):
        given.save(path)
    with pytest.raises(netspec.InputError, match="what weights are read from is a path"):
        given.load_weights(path)
