from __future__ import annotations

import math

import numpy as np
import pytest

from netspec.core.declare import REGISTRIES
from netspec.core.graph import Param
from netspec.core.types import TensorType
from netspec.declarations.initializers import Gaussian, Glorot, He, Ones, Zeros
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense

PARAM = Param((200, 300), "he", fan_in=200, fan_out=300)
SPREAD = 5 * math.sqrt(2 / 60_000)
"""Five standard errors of the variance of 60,000 normal numbers, as a share; that of uniform ones is smaller."""


@pytest.mark.parametrize(
    ("initializer", "mean", "variance"),
    [
        (Zeros(), 0, 0),
        (Ones(), 1, 0),
        (Gaussian(), 0, 1e-4),
        (Gaussian(std=2.0, mean=3.0), 3, 4),
        (He(), 0, 2 / 200),
        (Glorot(), 0, 2 / 500),
    ],
    ids=repr,
)
def test_mean_and_variance(initializer: He, mean: float, variance: float) -> None:
    drawn = initializer.draw(np.random.default_rng(0), PARAM)
    assert drawn.shape == PARAM.shape
    assert drawn.dtype == np.float64
    assert drawn.mean() == pytest.approx(mean, abs=5 * math.sqrt(variance / drawn.size))  # five standard errors
    assert drawn.var() == pytest.approx(variance, rel=SPREAD)


def test_glorot_is_uniform_within_its_bound() -> None:
    drawn = Glorot().draw(np.random.default_rng(0), PARAM)
    bound = math.sqrt(6 / 500)
    assert np.abs(drawn).max() <= bound
    assert np.abs(drawn).max() > 0.999 * bound


def test_the_same_generator_draws_the_same() -> None:
    for declaration in REGISTRIES["initializer"].all():
        first, second = (declaration.make().draw(np.random.default_rng(7), PARAM) for _ in range(2))
        assert first.tobytes() == second.tobytes()


def test_fans_count_window_cells_times_channels() -> None:
    conv = Conv(filters=8, kernel=3, groups=2).params(TensorType((9, 9, 6)))["weight"]
    assert (conv.shape, conv.fan_in, conv.fan_out) == ((3, 3, 3, 8), 27, 36)
    dense = Dense(units=8).params(TensorType((6,)))["weight"]
    assert (dense.shape, dense.fan_in, dense.fan_out) == ((6, 8), 6, 8)
