"""Metrics by hand, and the same however the samples are cut into batches."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from netspec.core.declare import REGISTRIES
from netspec.declarations.metrics import (
    Accuracy,
    BinaryAccuracy,
    Iou,
    MeanAbsoluteError,
    MeanSquaredError,
    Psnr,
    TopK,
)
from netspec.training.scores import Meter

Array = np.ndarray[Any, np.dtype[Any]]


def score(metric: Any, output: Any, target: Any) -> float:
    return float(metric.value(metric.sums(np.array(output), np.array(target))))


def test_accuracy_counts_positions() -> None:
    output = [[[0.9, 0.1], [0.2, 0.8]], [[0.3, 0.7], [0.6, 0.4]]]
    assert score(Accuracy(), output, [[0, 1], [0, 0]]) == 3 / 4


def test_accuracy_takes_one_hot_rows_and_a_single_channel() -> None:
    assert score(Accuracy(), [[0.9, 0.1], [0.2, 0.8]], [[0.0, 1.0], [0.0, 1.0]]) == 1 / 2
    assert score(Accuracy(), [[0.9], [0.2], [0.5]], [1, 0, 1]) == 2 / 3
    assert score(Accuracy(), [[0.9], [0.2]], [[1.0], [1.0]]) == 1 / 2


def test_top_k_looks_for_the_label_among_the_largest() -> None:
    output = [[0.1, 0.4, 0.3, 0.2]] * 4
    assert [score(TopK(k=k), output, [0, 1, 2, 3]) for k in (1, 2, 3, 4, 9)] == [0.25, 0.5, 0.75, 1, 1]
    assert TopK().k == 5


def test_top_k_gives_no_place_to_ties_nan_or_unknown_labels() -> None:
    assert score(TopK(k=1), [[0.5, 0.5, 0.0]], [0]) == 0
    assert score(TopK(k=2), [[0.5, 0.5, 0.0]], [0]) == 1
    assert score(TopK(k=1), [[np.nan, 0.5, 0.0]], [1]) == 0
    assert score(TopK(k=2), [[np.nan, 0.5, 0.0]], [0]) == 0
    assert score(TopK(k=3), [[0.2, 0.5, 0.3]] * 2, [-1, 3]) == 0


def test_top_1_is_accuracy() -> None:
    generator = np.random.default_rng(0)
    output, target = generator.random((50, 4, 7)), generator.integers(0, 7, (50, 4))
    assert score(TopK(k=1), output, target) == score(Accuracy(), output, target)


def test_binary_accuracy_counts_numbers() -> None:
    assert score(BinaryAccuracy(), [[0.9, 0.6], [0.2, 0.5]], [[1, 0], [0, 0]]) == 3 / 4
    assert score(BinaryAccuracy(), [[0.9], [0.2]], [1, 1]) == 1 / 2


def test_errors_are_means_over_numbers() -> None:
    output, target = [[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [4.0, 4.0]]
    assert score(MeanAbsoluteError(), output, target) == 3 / 4
    assert score(MeanSquaredError(), output, target) == 5 / 4
    assert score(MeanSquaredError(), [[1.0, 0.0], [0.0, 0.0]], [0, 1]) == 1 / 4  # class numbers are one-hot rows


def test_psnr_is_the_mean_over_images() -> None:
    target = np.zeros((2, 2, 2, 1))
    output = np.stack([np.full((2, 2, 1), 0.1), np.full((2, 2, 1), 0.01)])
    assert score(Psnr(), output, target) == pytest.approx((20 + 40) / 2, rel=1e-12)
    assert score(Psnr(peak=255), output * 255, target) == pytest.approx(30, rel=1e-12)
    assert score(Psnr(), target, target) == math.inf


def test_iou_is_the_mean_over_the_classes_that_occur() -> None:
    output = np.eye(4)[[[0, 0, 1, 1, 2, 2]]]
    # Of class 0 two of three, of class 1 one of three, of class 2 one of two; class 3 is nowhere.
    assert score(Iou(), output, [[0, 0, 0, 1, 2, 2]]) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert score(Iou(), output, [[0, 0, 1, 1, 2, 2]]) == 1
    assert score(Iou(), output, [[1, 1, 0, 0, 3, 3]]) == 0


def test_iou_of_a_single_channel_is_that_of_object_and_background() -> None:
    output = np.array([[0.9, 0.8, 0.1, 0.2]])[..., None]
    assert score(Iou(), output, [[1, 0, 0, 0]]) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert score(Iou(), output, np.array([[1.0, 0, 0, 0]])[..., None]) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_iou_leaves_out_labels_that_are_no_class() -> None:
    assert score(Iou(), np.eye(2)[[[0, 1, 1]]], [[0, 1, -1]]) == 1
    assert math.isnan(score(Iou(), np.eye(2)[[[0]]], [[-1]]))


@pytest.mark.parametrize("declaration", tuple(REGISTRIES["metric"].public()), ids=lambda d: d.name)
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_batches_do_not_matter(declaration: Any, kind: str) -> None:
    generator = np.random.default_rng(1)
    output = generator.random((37, 4, 3, 6))
    target = generator.integers(0, 6, (37, 4, 3)) if kind == "classes" else generator.random(output.shape)
    metric = declaration.make()
    at_once = score(metric, output, target)
    for size in (1, 5, 36):
        meter = Meter({"main": [(declaration.name, metric)]})
        for start in range(0, 37, size):
            if start in (20, 36):  # as a run that is interrupted and goes on
                meter = Meter({"main": [(declaration.name, metric)]}, json.loads(json.dumps(meter.sums())))
            part = slice(start, start + size)
            samples = len(target[part])
            meter.add(0.0, samples, meter.measured({"main": output[part]}, {"main": target[part]}))
        found = meter.scores().metrics[declaration.name]
        assert found == pytest.approx(at_once, rel=1e-13)  # sums of float64 in another order
