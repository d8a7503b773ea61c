"""Softmax and cross-entropy against float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_operands import close, empty, logical, operand, run, tensor

from netspec.core.types import TensorType, scalar
from netspec.declarations.ops.loss_nodes import CrossEntropyNode
from netspec_numba.host import LANES
from netspec_numba.kernels import cross_entropy as _  # noqa: F401 - registers the kernels, those of softmax too

SHAPES = [(1,), (3,), (10,), (LANES,), (1000,), (9, 5), (4, 3, LANES), (5, 7, LANES + 1), (2, 3, 4, 21)]
BATCH, N = 7, 5


def reference(x: Any) -> Any:
    shifted = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def labels_of(shape: tuple[int, ...]) -> tuple[TensorType, Any]:
    kind = TensorType(shape[:-1], "int32")
    return kind, np.random.default_rng(1).integers(0, shape[-1], (N, *shape[:-1]))


def label_operand(kind: TensorType, values: Any) -> Any:
    made = empty(kind, BATCH)
    made.array[: values.size] = values.reshape(-1)
    return made


@pytest.mark.parametrize("shape", SHAPES)
def test_softmax_and_its_gradient(shape: tuple[int, ...]) -> None:
    rng, kind = np.random.default_rng(2), tensor(shape)
    x = rng.normal(0, 3, (N, *shape)).astype(np.float32)
    dy = rng.normal(size=x.shape).astype(np.float32)
    y, dx = empty(kind, BATCH), empty(kind, BATCH)
    run("softmax", None, [operand(kind, x, BATCH)], [y], BATCH, N)
    close(logical(y, N), reference(x))
    probabilities = logical(y, N).astype(np.float64)
    run("softmax.dx", None, [y, operand(kind, dy, BATCH)], [dx], BATCH, N)
    close(logical(dx, N), probabilities * (dy - (probabilities * dy).sum(-1, keepdims=True)))


def test_softmax_of_extremes() -> None:
    x = np.array([[1e30, 1e30, -1e30], [-np.inf, 0.0, 0.0], [500.0, -500.0, 0.0], [np.nan, 1.0, 2.0]], np.float32)
    kind = tensor((3,))
    made = operand(kind, x, 4)
    run("softmax", None, [made], [made], 4, 4)
    want = [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [np.nan] * 3]
    np.testing.assert_array_equal(logical(made, 4), np.array(want, np.float32))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy_and_its_gradient(shape: tuple[int, ...], smoothing: float) -> None:
    kind, channels = tensor(shape), shape[-1]
    label_kind, labels = labels_of(shape)
    x = np.random.default_rng(3).normal(0, 3, (N, *shape)).astype(np.float32)
    attrs = CrossEntropyNode(label_smoothing=smoothing)
    target = (1 - smoothing) * np.eye(channels)[labels] + smoothing / channels
    count = labels.size
    exact = x.astype(np.float64)
    top = exact.max(-1)
    each = top + np.log(np.exp(exact - top[..., None]).sum(-1)) - (target * exact).sum(-1)
    given = [operand(kind, x, BATCH), label_operand(label_kind, labels)]
    loss, divisor, dx = empty(scalar(), 1), empty(scalar(), 1), empty(kind, BATCH)
    run("cross_entropy", attrs, given, [loss, divisor], BATCH, N)
    assert divisor.array[0] == count
    close(loss.array[0], each.sum() / count)
    dloss = operand(scalar(), [2.5], 1)
    run("cross_entropy.dx", attrs, [*given, divisor, dloss], [dx], BATCH, N)
    want = (reference(x) - target) * 2.5 / count
    np.testing.assert_allclose(logical(dx, N), want, rtol=0, atol=4 * 2.0**-23 * 2.5 / count)


def test_cross_entropy_of_large_logits_is_finite() -> None:
    x = np.array([[3e38, -3e38, 0.0], [1000.0, 0.0, 0.0]], np.float32)
    kind, loss, divisor = tensor((3,)), empty(scalar(), 1), empty(scalar(), 1)
    labels = operand(TensorType((), "int32"), np.array([0, 1]), 2)
    run("cross_entropy", CrossEntropyNode(), [operand(kind, x, 2), labels], [loss, divisor], 2, 2)
    assert loss.array[0] == np.float32(500.0)


def test_a_label_out_of_range_is_seen_and_nothing_else_is_touched() -> None:
    kind, attrs = tensor((3,)), CrossEntropyNode()
    x = operand(kind, np.zeros((3, 3), np.float32), 3)
    labels = operand(TensorType((), "int32"), np.array([0, 3, -1]), 3)
    loss, divisor, dx = empty(scalar(), 1), empty(scalar(), 1), empty(kind, 3)
    run("cross_entropy", attrs, [x, labels], [loss, divisor], 3, 3)
    run("cross_entropy.dx", attrs, [x, labels, divisor, operand(scalar(), [1.0], 1)], [dx], 3, 3)
    assert np.isnan(loss.array[0])
    np.testing.assert_array_equal(np.isnan(logical(dx, 3)), [[False] * 3, [True] * 3, [True] * 3])
