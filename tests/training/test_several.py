"""Networks with several inputs and several heads, fed from arrays and from fields."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netspec
from netspec.training.arrays import InputError

Array = np.ndarray[Any, np.dtype[Any]]

SPEC = """
netspec: 1
inputs: {left: [4, 4, 1], right: {shape: [4, 4, 2], source: other}}
layers:
  - conv: {filters: 4, kernel: 3, padding: same}
    from: left
    name: a
  - conv: {filters: 4, kernel: 3, padding: same}
    from: right
    name: b
  - add:
    from: [a, b]
  - relu
    name: trunk
heads:
  main: {layers: [flatten, {dense: 3}]}
  mask: {from: trunk, layers: [{conv: {filters: 2, kernel: 1}}], weight: 0.5, metrics: [iou]}
  number: {from: trunk, layers: [global_avg_pool, {dense: 1}], loss: mean_squared_error}
  aux: {from: a, layers: [flatten, {dense: 3}], only: train}
train: {optimizer: adam, lr: 0.02, batch: 5, seed: 1}
""".replace("  - relu\n    name", "  - relu:\n    name")

RANDOM = np.random.default_rng(0)
LEFT = RANDOM.normal(size=(8, 4, 4, 1)).astype(np.float32)
RIGHT = RANDOM.normal(size=(8, 4, 4, 2)).astype(np.float32)
X = {"left": LEFT, "right": RIGHT}
LABELS = np.arange(8) % 3
Y = {"main": LABELS, "mask": (LEFT[..., 0] > 0).astype(int), "number": LEFT.mean(axis=(1, 2, 3)), "aux": LABELS}


@pytest.fixture(scope="module")
def model() -> netspec.Model:
    return netspec.load(SPEC).compile(threads=1)


def test_mappings_feed_several_inputs_and_heads(model: netspec.Model) -> None:
    history = model.fit(X, Y, epochs=40, validation=(X, Y))
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    names = ["main/accuracy", "mask/iou", "number/mean_absolute_error"]
    assert list(history[0]["metrics"]) == [*names, "aux/accuracy"]
    assert list(history[0]["validation"]["metrics"]) == names  # what is there for training only is not scored


def test_what_heads_predict_is_a_mapping_without_those_for_training(model: netspec.Model) -> None:
    found = model.predict(X)
    assert {name: array.shape for name, array in found.items()} == {
        "main": (8, 3),
        "mask": (8, 4, 4, 2),
        "number": (8, 1),
    }
    np.testing.assert_allclose(found["main"].sum(axis=1), 1, rtol=1e-6)  # rounding of eight sums of float32


def test_metrics_are_those_of_what_is_predicted(model: netspec.Model) -> None:
    found, scores = model.predict(X), model.evaluate(X, Y)["metrics"]
    assert scores["main/accuracy"] == (found["main"].argmax(axis=-1) == LABELS).mean()
    distance = np.abs(found["number"][:, 0].astype(float) - Y["number"]).mean()
    assert scores["number/mean_absolute_error"] == pytest.approx(distance, rel=1e-6)  # in another order


def test_gradients_of_every_input(model: netspec.Model) -> None:
    few = {name: array[:5] for name, array in X.items()}
    found = model.gradients(few, {name: array[:5] for name, array in Y.items()}, input=True)
    assert found["input/left"].shape == (5, 4, 4, 1)
    assert found["input/right"].shape == (5, 4, 4, 2)


def test_one_array_of_labels_is_learnt_by_every_head() -> None:
    spec = """
netspec: 1
input: [4, 4, 1]
layers: [flatten, {dense: 3}]
heads: {main: {}, aux: {weight: 0.3, only: train}}
"""
    model = netspec.load(spec).compile(threads=1, batch=8)
    assert list(model.fit(LEFT, LABELS, epochs=1)[0]["metrics"]) == ["main/accuracy", "aux/accuracy"]
    assert model.predict(LEFT).shape == (8, 3)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (LEFT, Y, "several inputs: give a mapping of left, right to arrays"),
        ({"left": LEFT}, Y, "inputs are left, right, but right is missing"),
        ({**X, "up": LEFT}, Y, "but up is none of them"),
        ({**X, "right": LEFT}, Y, r"input 'right' wants \(N, 4, 4, 2\)"),
        ({**X, "right": RIGHT[:7]}, Y, "8 of 'left', 7 of 'right'"),
        (X, {**Y, "mask": LABELS}, r"head 'mask' wants labels \(8, 4, 4\)"),
        (X, {"main": LABELS}, "mask, number, aux is missing"),
        (X, LABELS, "head 'mask' wants labels"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(model: netspec.Model, x: Any, y: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        model.fit(x, y, epochs=1)
