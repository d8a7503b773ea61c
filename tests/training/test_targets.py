"""From labels as people have them to the targets of each loss, and training with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.types import TensorType
from netspec.training.arrays import InputError, as_target

Array = np.ndarray[Any, np.dtype[Any]]

SPEC = """
netspec: 1
input: [4, 4, 1]
layers:
  - conv: {{filters: 4, kernel: 3, padding: same}}
  - relu
{head}
train: {{loss: {loss}, optimizer: adam, lr: 0.02, batch: 5, seed: 1{more}}}
"""
ROW = "  - flatten\n  - dense: {units}"
IMAGE = "  - conv: {{filters: {units}, kernel: 1}}"


def model(loss: str, units: int, head: str = ROW, more: str = "") -> Any:
    text = SPEC.format(head=head.format(units=units), loss=loss, more=more)
    return netspec.load(text).compile(threads=1)


def images(samples: int = 8) -> Array:
    return np.random.default_rng(0).normal(size=(samples, 4, 4, 1)).astype(np.float32)


def test_class_numbers_become_one_hot_rows_or_one_channel() -> None:
    labels = np.array([2, 0], np.int32)
    assert as_target(labels, TensorType((), "int32")) is labels
    np.testing.assert_array_equal(as_target(labels, TensorType((3,))), [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(as_target(labels, TensorType((1,))), [[2], [0]])
    rows = np.ones((2, 3), np.float32)
    assert as_target(rows, TensorType((3,))) is rows
    assert as_target(np.zeros((2, 4, 5), np.int32), TensorType((4, 5, 6))).shape == (2, 4, 5, 6)


@pytest.mark.parametrize(
    ("loss", "units", "head", "labels"),
    [
        ("cross_entropy", 3, ROW, np.arange(8) % 3),
        ("{cross_entropy: {class_weights: [1, 2, 0.5]}}", 3, ROW, np.arange(8) % 3),
        ("{cross_entropy: {targets: probabilities}}", 3, ROW, np.eye(3)[np.arange(8) % 3]),
        ("{cross_entropy: {targets: probabilities}}", 3, ROW, np.arange(8) % 3),
        ("cross_entropy", 3, IMAGE, (images()[..., 0] > 0).astype(int)),
        ("binary_cross_entropy", 1, ROW, np.arange(8) % 2),
        ("binary_cross_entropy", 1, ROW, np.arange(8) % 2 == 1),
        ("binary_cross_entropy", 1, IMAGE, (images() > 0).astype(int)),
        ("binary_cross_entropy", 3, ROW, np.random.default_rng(1).random((8, 3)).round()),
        ("mean_squared_error", 1, IMAGE, images() * 2),
        ("mean_squared_error", 3, ROW, np.arange(8) % 3),
        ("mean_absolute_error", 1, ROW, images().sum(axis=(1, 2, 3))),
        ("huber", 1, ROW, images().sum(axis=(1, 2, 3))[:, None]),
        ("{huber: 0.1}", 1, IMAGE, images()),
    ],
    ids=str,
)
def test_every_loss_is_learnt_from(loss: str, units: int, head: str, labels: Array) -> None:
    history = model(loss, units, head).fit(images(), labels, epochs=40)
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]


@pytest.mark.parametrize(
    ("loss", "metric"),
    [
        ("cross_entropy", "accuracy"),
        ("binary_cross_entropy", "binary_accuracy"),
        ("mean_squared_error", "mean_absolute_error"),
        ("huber", "mean_absolute_error"),
    ],
)
def test_a_loss_brings_its_usual_metric(loss: str, metric: str) -> None:
    found = model(loss, 3).evaluate(images(), np.arange(8) % 3)
    assert list(found["metrics"]) == [metric]
    assert list(model(loss, 3, more=", metrics: [top_k]").evaluate(images(), np.arange(8) % 3)["metrics"]) == ["top_k"]


def test_metrics_see_what_is_predicted() -> None:
    net = model("binary_cross_entropy", 1, IMAGE, ", metrics: [mean_squared_error, psnr, iou, accuracy]")
    target = (images(7) > 0).astype(np.float32)
    predicted = net.predict(images(7))
    assert ((predicted > 0) & (predicted < 1)).all()
    found = net.evaluate(images(7), target)["metrics"]
    errors = (predicted.astype(float) - target) ** 2
    assert found["mean_squared_error"] == pytest.approx(errors.mean(), rel=1e-6)  # the sigmoid rounds to float32
    assert found["psnr"] == pytest.approx(-10 * np.log10(errors.mean(axis=(1, 2, 3))).mean(), rel=1e-6)
    assert found["accuracy"] == ((predicted > 0.5) == (target > 0.5)).mean()


@pytest.mark.parametrize(
    ("loss", "units", "labels", "message"),
    [
        ("cross_entropy", 3, np.ones(8), "integer type"),
        ("cross_entropy", 3, np.ones((8, 3)), "integer type"),
        ("cross_entropy", 3, np.ones((8, 3), int), r"wants labels \(8,\)"),
        ("{cross_entropy: {targets: probabilities}}", 3, np.ones((8, 2)), r"wants labels \(8, 3\)"),
        ("mean_squared_error", 3, np.arange(8), "label 7 is no class"),
        ("mean_squared_error", 3, np.ones((8, 4), int), r"wants labels \(8, 3\)"),
        ("mean_squared_error", 1, np.ones((8, 2)), r"wants labels \(8, 1\)"),
        ("huber", 1, np.array(["a"] * 8), "labels are numbers"),
        ("huber", 1, np.array([0, 0, np.nan, 0, 0, 0, 0, 0]), "the target of head 'main' holds nan in sample 2"),
    ],
    ids=str,
)
def test_what_fits_no_head_is_refused(loss: str, units: int, labels: Array, message: str) -> None:
    with pytest.raises(InputError, match=message):
        model(loss, units).fit(images(), labels, epochs=1)


def test_an_image_that_is_not_finite_is_named_before_training() -> None:
    given = images()
    given[5, 0] = np.inf
    with pytest.raises(InputError, match="input 'input' holds inf in sample 5"):
        model("cross_entropy", 3).fit(given, np.arange(8) % 3, epochs=1)
