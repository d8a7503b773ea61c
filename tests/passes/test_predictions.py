"""What predictions end in: what the loss takes in where training is spoken of, else what the layers give."""

from __future__ import annotations

import numpy as np
import pytest

import netspec

PLAIN = {"netspec": 1, "input": [4], "layers": [{"dense": 3}]}


@pytest.mark.parametrize(
    ("train", "probable"),
    [(None, False), ({"loss": "mean_squared_error"}, False), ({}, True), ({"loss": "cross_entropy"}, True)],
)
def test_only_a_loss_that_is_meant_adds_a_softmax(train: dict[str, str] | None, probable: bool) -> None:
    model = netspec.load(PLAIN if train is None else {**PLAIN, "train": train}).compile(batch=2)
    x = np.array([[1.0, -2.0, 3.0, -4.0], [0.5, 0.25, -1.0, 2.0]], np.float32)
    logits = x @ model.weights["dense.weight"] + model.weights["dense.bias"]
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True) if probable else logits
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-6)
