"""Normalisation within samples: far from zero, constant, not finite, and across several parts of a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_operands import close, empty, logical, operand, run, tensor

from netspec.core.types import TensorType
from netspec.declarations.ops.group_normalization import SampleNorm, SampleNormDx
from netspec_numba.host import LANES
from netspec_numba.kernels import sample_normalization  # noqa: F401 - registers the kernels

EPS = 1e-3
BY_POSITION = SampleNorm(eps=EPS, scale=False, center=False, groups=1, by_position=True)


def by_group(groups: int) -> SampleNorm:
    return SampleNorm(eps=EPS, scale=False, center=False, groups=groups)


def normalise(norm: SampleNorm, x: Any, batch: int) -> list[Any]:
    """y, mean and variance of the samples."""
    kind = tensor(x.shape[1:])
    statistic = TensorType((norm.statistics(kind),))
    outputs = [empty(kind, batch), empty(statistic, batch), empty(statistic, batch)]
    run("sample_norm", norm, [operand(kind, x, batch)], outputs, batch, len(x))
    return [logical(each, len(x)) for each in outputs]


def cut(norm: SampleNorm, x: Any) -> Any:
    """x as (N, places, positions, groups, channels)."""
    places = int(np.prod(x.shape[1:-1])) if norm.by_position else 1
    return x.reshape(len(x), places, -1, norm.groups, x.shape[-1] // norm.groups)


@pytest.mark.parametrize(
    ("shape", "norm"),
    [
        ((40, 30, LANES + 1), by_group(1)),
        ((40, 30, 3 * LANES), by_group(2)),
        ((700, 6), by_group(3)),
        ((700, LANES + 4), by_group(LANES + 4)),
        ((40, 30, LANES + 1), BY_POSITION),
        ((700, 3), BY_POSITION),
        ((1, 1, 17), by_group(1)),
        ((2 * LANES + 1,), BY_POSITION),
    ],
)
def test_far_from_zero_no_digit_is_lost(shape: tuple[int, ...], norm: SampleNorm) -> None:
    x = (np.random.default_rng(1).normal(0, 0.25, (2, *shape)) + 4096.0).astype(np.float32)
    exact = cut(norm, x.astype(np.float64))
    mean, variance = exact.mean((2, 4), keepdims=True), exact.var((2, 4), keepdims=True)
    y, got_mean, got_variance = normalise(norm, x, 3)
    np.testing.assert_allclose(got_mean, mean.reshape(2, -1), rtol=1e-7)  # one rounding to float32
    np.testing.assert_allclose(got_variance, variance.reshape(2, -1), rtol=1e-6)
    close(y, ((exact - mean) / np.sqrt(variance + EPS)).reshape(x.shape))


@pytest.mark.parametrize("norm", [by_group(1), by_group(LANES + 2), BY_POSITION], ids=repr)
def test_what_is_constant_becomes_zero(norm: SampleNorm) -> None:
    y, mean, variance = normalise(norm, np.full((1, 5, LANES + 2), 3.0, np.float32), 1)
    np.testing.assert_array_equal(y, 0)
    np.testing.assert_array_equal(mean, 3)
    np.testing.assert_array_equal(variance, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("norm", [by_group(1), by_group(2), by_group(LANES + 2), BY_POSITION], ids=repr)
def test_what_is_not_finite_spoils_its_group_and_nothing_else(norm: SampleNorm, bad: float) -> None:
    x = np.random.default_rng(2).normal(size=(3, 4, 5, LANES + 2)).astype(np.float32)
    x[1, 2, 3, LANES] = bad
    spoilt = cut(norm, np.zeros(x.shape))
    spoilt += ~np.isfinite(cut(norm, x)).all((2, 4), keepdims=True)
    y, _, variance = normalise(norm, x, 3)
    np.testing.assert_array_equal(~np.isfinite(y), spoilt.reshape(x.shape) > 0)
    assert np.isnan(variance).sum() == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("norm", [by_group(2), BY_POSITION], ids=repr)
def test_a_gradient_that_is_not_finite_spoils_its_group_and_nothing_else(norm: SampleNorm, bad: float) -> None:
    x = np.random.default_rng(3).normal(size=(2, 3, 4, LANES + 2)).astype(np.float32)
    dy = x[::-1].copy()
    dy[1, 2, 3, 0] = bad
    kind, (_, mean, variance) = tensor(x.shape[1:]), normalise(norm, x, 2)
    statistic = TensorType((norm.statistics(kind),))
    given = [operand(kind, x, 2), operand(statistic, mean, 2), operand(statistic, variance, 2), operand(kind, dy, 2)]
    dx = empty(kind, 2)
    run("sample_norm.dx", SampleNormDx(norm=norm), given, [dx], 2, 2)
    spoilt = cut(norm, np.zeros(x.shape)) + ~np.isfinite(cut(norm, dy)).all((2, 4), keepdims=True)
    np.testing.assert_array_equal(~np.isfinite(logical(dx, 2)), spoilt.reshape(x.shape) > 0)
