"""Batch normalisation against its definition in float64."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernel_operands import close, empty, logical, operand, run, tensor

from netspec.core.types import TensorType
from netspec_numba.host import LANES
from netspec_numba.kernels import normalization  # noqa: F401 - registers the kernels

SHAPES = [
    (1,), (3,), (LANES,), (LANES + 1,), (3 * LANES + 5,),
    (7, 1), (5, 3, 3), (9, 7, LANES), (20, 19, LANES + 1), (3, 4, 5, LANES + 1), (1, 1, 4),
]  # fmt: skip
EPS = 1e-3


def vector(channels: int) -> TensorType:
    return TensorType((channels,), batched=False)


def attributes(scale: bool = True, center: bool = True, gate: tuple[float, float] | None = None) -> Any:
    return SimpleNamespace(eps=EPS, scale=scale, center=center, gate=gate, given=False)


def parameters(channels: int, scale: bool, center: bool) -> tuple[Any, Any, list[Any]]:
    """Scale, shift, and the operands of those that are wanted."""
    rng = np.random.default_rng(5)
    gamma = rng.normal(1, 0.5, channels).astype(np.float32) if scale else np.ones(channels, np.float32)
    beta = rng.normal(0, 0.5, channels).astype(np.float32) if center else np.zeros(channels, np.float32)
    wanted = [values for values, given in ((gamma, scale), (beta, center)) if given]
    return gamma, beta, [operand(vector(channels), values, 1) for values in wanted]


def train(x: Any, kind: TensorType, batch: int, scale: bool = True, center: bool = True) -> list[Any]:
    """Run batch_norm.train and return y, mean, variance, factor, summand."""
    given = parameters(kind.channels, scale, center)[2]
    outputs = [empty(kind, batch), *(empty(vector(kind.channels), 1) for _ in range(4))]
    run("batch_norm.train", attributes(scale, center), [operand(kind, x, batch), *given], outputs, batch, len(x))
    return [logical(each, len(x)) for each in outputs]


def test_factor_and_summand_make_y_of_x() -> None:
    x = np.random.default_rng(4).normal(1.5, 2, (3, 5, 4, LANES + 1)).astype(np.float32)
    y, mean, _, factor, summand = train(x, tensor((5, 4, LANES + 1)), 3)
    np.testing.assert_array_equal((x - mean) * factor + summand, y)  # to the bit, since gates rely on it


@pytest.mark.parametrize(("scale", "center"), [(True, True), (False, True), (True, False), (False, False)])
@pytest.mark.parametrize("shape", SHAPES)
def test_training_statistics_and_output(shape: tuple[int, ...], scale: bool, center: bool) -> None:
    n, kind = 3, tensor(shape)
    x = np.random.default_rng(6).normal(1.5, 2, (n, *shape)).astype(np.float32)
    gamma, beta, _ = parameters(shape[-1], scale, center)
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes, np.float64), x.astype(np.float64).var(axes)
    y, got_mean, got_variance, *_ = train(x, kind, 5, scale, center)
    # Half a rounding for the result, the rest for sums of 16 rows in float32.
    close(got_mean, mean)
    close(got_variance, variance)
    close(y, (x - mean) / np.sqrt(variance + EPS) * gamma + beta)


def test_a_channel_far_from_zero_keeps_its_digits() -> None:
    x = (np.random.default_rng(7).normal(0, 0.25, (8, 16, 16, 3)) + 4096.0).astype(np.float32)
    mean, variance = x.mean((0, 1, 2), np.float64), x.astype(np.float64).var((0, 1, 2))
    y, _, got_variance, *_ = train(x, tensor((16, 16, 3)), 8, False, False)
    np.testing.assert_allclose(got_variance, variance, rtol=4e-6)  # sums of 16 rows in float32, as much off at 0
    close(y, (x - mean) / np.sqrt(variance + EPS))


def test_one_row_and_a_constant_channel_have_no_variance() -> None:
    y, mean, variance, *_ = train(np.full((1, 4), 3.0, np.float32), tensor((4,)), 2, False, False)
    np.testing.assert_array_equal(y, np.zeros((1, 4)))
    np.testing.assert_array_equal(mean, np.full(4, 3.0))
    np.testing.assert_array_equal(variance, np.zeros(4))


def test_nan_and_infinity_stay_in_their_channel_and_are_seen() -> None:
    x = np.random.default_rng(8).normal(size=(4, 3, 3, LANES + 2)).astype(np.float32)
    x[1, 2, 0, 3], x[2, 0, 0, LANES] = np.nan, np.inf
    y, mean, variance, *_ = train(x, tensor((3, 3, LANES + 2)), 4)
    bad = np.zeros(LANES + 2, bool)
    bad[[3, LANES]] = True
    np.testing.assert_array_equal(np.isnan(variance), bad)
    assert np.isnan(mean[3])
    assert not np.isfinite(mean[LANES])
    np.testing.assert_array_equal(np.isnan(y).all((0, 1, 2)), bad)
    np.testing.assert_array_equal(np.isnan(y).any((0, 1, 2)), bad)


def reference_gradient(x: Any, dy: Any, gamma: Any) -> tuple[Any, Any, Any]:
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    deviation = np.sqrt(variance + EPS)
    normal = (x - mean) / deviation
    dscale, dshift = (dy * normal).sum(axes), dy.sum(axes)
    dx = gamma / deviation * (dy - dy.mean(axes) - normal * (dy * normal).mean(axes))
    return dx, dscale, dshift


@pytest.mark.parametrize(("scale", "center"), [(True, True), (False, True), (True, False), (False, False)])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradient(shape: tuple[int, ...], scale: bool, center: bool) -> None:
    n, batch, kind, channels = 3, 5, tensor(shape), shape[-1]
    rng = np.random.default_rng(9)
    x = rng.normal(1.5, 2, (n, *shape)).astype(np.float32)
    dy = rng.normal(size=x.shape).astype(np.float32)
    gamma, _, _ = parameters(channels, scale, center)
    axes = tuple(range(x.ndim - 1))
    statistics = [
        operand(vector(channels), x.mean(axes, np.float64), 1),
        operand(vector(channels), x.astype(np.float64).var(axes), 1),
    ]
    inputs = [operand(kind, x, batch), *statistics, operand(kind, dy, batch)]
    if scale:
        inputs.append(operand(vector(channels), gamma, 1))
    outputs = [empty(kind, batch), *[empty(vector(channels), 1) for wanted in (scale, center) if wanted]]
    run("batch_norm.dx", attributes(scale, center), inputs, outputs, batch, n)
    dx, dscale, dshift = reference_gradient(x.astype(np.float64), dy.astype(np.float64), gamma)
    # The mean and variance are given in float32; of few rows, their rounding is worth several of dx.
    close(logical(outputs[0], n), dx, 16)
    wanted = [values for values, given in ((dscale, scale), (dshift, center)) if given]
    for got, want in zip(outputs[1:], wanted, strict=True):
        close(logical(got), want, 16)


@pytest.mark.parametrize("gate", [(0.0, np.inf), (0.0, 0.5), (-np.inf, 0.25)])
def test_a_gated_gradient_is_that_of_the_clipped_output(gate: tuple[float, float]) -> None:
    n, batch, kind, channels = 3, 4, tensor((5, 3, LANES + 1)), LANES + 1
    rng = np.random.default_rng(11)
    x, dy = (rng.normal(0.5, 2, (n, 5, 3, channels)).astype(np.float32) for _ in range(2))
    given = parameters(channels, True, True)[2]
    of_train = [empty(kind, batch), *(empty(vector(channels), 1) for _ in range(4))]
    run("batch_norm.train", attributes(), [operand(kind, x, batch), *given], of_train, batch, n)
    y = logical(of_train[0], n)
    passed = np.where((y > gate[0]) & (y < gate[1]), dy, np.float32(0))
    assert 0 < np.count_nonzero(passed) < passed.size
    inputs = [operand(kind, x, batch), *of_train[1:3], operand(kind, dy, batch), given[0]]
    outputs = [empty(kind, batch), empty(vector(channels), 1), empty(vector(channels), 1)]
    run("batch_norm.dx", attributes(gate=gate), [*inputs, *of_train[3:]], outputs, batch, n)
    inputs[3] = operand(kind, passed, batch)
    wanted = [empty(kind, batch), empty(vector(channels), 1), empty(vector(channels), 1)]
    run("batch_norm.dx", attributes(), inputs, wanted, batch, n)
    for got, want in zip(outputs, wanted, strict=True):
        np.testing.assert_array_equal(logical(got, n), logical(want, n))


def test_the_reference_gradient_is_the_slope() -> None:
    rng = np.random.default_rng(10)
    x, dy, gamma = rng.normal(size=(6, 2)), rng.normal(size=(6, 2)), np.array([0.5, 2.0])

    def value(at: Any) -> float:
        return float((dy * (at - at.mean(0)) / np.sqrt(at.var(0) + EPS) * gamma).sum())

    for place in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[place] = 1e-6
        slope = (value(x + step) - value(x - step)) / 2e-6
        assert abs(slope - reference_gradient(x, dy, gamma)[0][place]) < 1e-7  # step squared, plus float64 noise


@pytest.mark.parametrize(("scale", "center"), [(True, True), (False, True), (True, False)])
@pytest.mark.parametrize("shape", [(3,), (LANES + 1,), (5, 4, 3), (6, 2 * LANES)])
def test_inference_uses_the_moving_statistics(shape: tuple[int, ...], scale: bool, center: bool) -> None:
    n, batch, kind, channels = 2, 3, tensor(shape), shape[-1]
    rng = np.random.default_rng(11)
    x = rng.normal(size=(n, *shape)).astype(np.float32)
    mean, variance = rng.normal(size=channels).astype(np.float32), rng.uniform(0.5, 2, channels).astype(np.float32)
    gamma, beta, given = parameters(channels, scale, center)
    moving = [operand(vector(channels), values, 1) for values in (mean, variance)]
    y = empty(kind, batch)
    run("batch_norm", attributes(scale, center), [operand(kind, x, batch), *given, *moving], [y], batch, n)
    close(logical(y, n), (x.astype(np.float64) - mean) / np.sqrt(variance + EPS) * gamma + beta)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("shape", [(3,), (LANES + 1,), (5, 4, 3), (6, 2 * LANES)])
def test_gradient_of_a_frozen_layer(shape: tuple[int, ...], scale: bool) -> None:
    n, batch, kind, channels = 2, 3, tensor(shape), shape[-1]
    rng = np.random.default_rng(13)
    dy = rng.normal(size=(n, *shape)).astype(np.float32)
    variance = rng.uniform(0.5, 2, channels).astype(np.float32)
    gamma, _, given = parameters(channels, scale, False)
    dx = empty(kind, batch)
    inputs = [operand(kind, dy, batch), *given, operand(vector(channels), variance, 1)]
    run("batch_norm.frozen_dx", attributes(scale), inputs, [dx], batch, n)
    close(logical(dx, n), dy.astype(np.float64) * gamma / np.sqrt(variance + EPS))


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize(("n", "positions"), [(3, 4), (1, 1)])
def test_moving_statistics_in_place(unbiased: bool, n: int, positions: int) -> None:
    rng = np.random.default_rng(12)
    values = [rng.uniform(0.5, 2, 5).astype(np.float32) for _ in range(4)]
    inputs = [operand(vector(5), each, 1) for each in values]
    attrs = SimpleNamespace(momentum=0.9, unbiased=unbiased, positions=positions)
    rows = n * positions
    factor = rows / (rows - 1) if unbiased and rows > 1 else 1.0
    run("batch_norm.moving", attrs, inputs, inputs[:2], 4, n)
    close(logical(inputs[0]), values[0] * 0.9 + 0.1 * values[2].astype(np.float64))
    close(logical(inputs[1]), values[1] * 0.9 + 0.1 * factor * values[3].astype(np.float64))
