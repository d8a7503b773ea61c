from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from netspec.core.declare import REGISTRIES
from netspec.core.graph import Param
from netspec.core.op import ShapeError
from netspec.core.types import TensorType
from netspec.declarations.initializers import (
    Constant,
    Gaussian,
    Glorot,
    He,
    LeCun,
    Ones,
    Orthogonal,
    Uniform,
    Values,
    Zeros,
)
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
        (Constant(value=0.25), 0.25, 0),
        (Uniform(), 0, 0.05**2 / 3),
        (Uniform(bound=2.0, mean=3.0), 3, 4 / 3),
        (LeCun(), 0, 1 / 200),
        (LeCun(distribution="uniform"), 0, 1 / 200),
        (He(), 0, 2 / 200),
        (He(distribution="uniform"), 0, 2 / 200),
        (Glorot(), 0, 2 / 500),
        (Glorot(distribution="normal"), 0, 2 / 500),
        (Orthogonal(), 0, 1 / 300),
    ],
    ids=repr,
)
def test_mean_and_variance(initializer: Any, mean: float, variance: float) -> None:
    drawn = initializer.draw(np.random.default_rng(0), PARAM)
    assert drawn.shape == PARAM.shape
    assert drawn.dtype == np.float64
    assert drawn.mean() == pytest.approx(mean, abs=5 * math.sqrt(variance / drawn.size))  # five standard errors
    assert drawn.var() == pytest.approx(variance, rel=SPREAD)


@pytest.mark.parametrize(
    ("initializer", "bound"),
    [
        (Uniform(bound=0.3), 0.3),
        (LeCun(distribution="uniform"), math.sqrt(3 / 200)),
        (He(distribution="uniform"), math.sqrt(6 / 200)),
        (Glorot(), math.sqrt(6 / 500)),
    ],
    ids=repr,
)
def test_uniform_numbers_fill_their_bound(initializer: Any, bound: float) -> None:
    drawn = np.abs(initializer.draw(np.random.default_rng(0), PARAM))
    assert 0.999 * bound < drawn.max() <= bound
    assert (drawn < bound / 2).mean() == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(drawn.size))  # five standard errors


@pytest.mark.parametrize("initializer", [LeCun(), He(), Glorot(distribution="normal"), Gaussian()], ids=repr)
def test_normal_numbers_have_tails(initializer: Any) -> None:
    drawn = initializer.draw(np.random.default_rng(0), PARAM)
    beyond = (np.abs(drawn) > 2 * drawn.std()).mean()
    assert beyond == pytest.approx(math.erfc(math.sqrt(2)), rel=0.1)  # five standard errors of 2730 hits in 60,000


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (3, 3, 2, 8), (1, 2, 3, 8), (5,), (5, 1)], ids=str)
def test_orthogonal_rows_or_columns_are_orthonormal(shape: tuple[int, ...]) -> None:
    drawn = Orthogonal(gain=3.0).draw(np.random.default_rng(0), Param(shape, "orthogonal"))
    assert drawn.shape == shape
    matrix = drawn.reshape(-1, shape[-1]) / 3
    products = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(products, np.eye(len(products)), atol=1e-14)  # some units of float64


def test_orthogonal_matrices_are_turned_either_way() -> None:
    """Without the choice of signs, QR makes the same side of the first axis always the likelier one."""
    generator = np.random.default_rng(0)
    corners = [Orthogonal().draw(generator, Param((3, 3), "orthogonal"))[0, 0] for _ in range(400)]
    assert np.mean(np.array(corners) > 0) == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(400))  # five standard errors


def test_the_same_generator_draws_the_same() -> None:
    for declaration in REGISTRIES["initializer"].all():
        if any(attribute.required for attribute in declaration.attributes):
            continue  # `values`, which draws nothing
        first, second = (declaration.make().draw(np.random.default_rng(7), PARAM) for _ in range(2))
        assert first.tobytes() == second.tobytes()


def test_fans_count_window_cells_times_channels() -> None:
    conv = Conv(filters=8, kernel=3, groups=2).params(TensorType((9, 9, 6)))["weight"]
    assert (conv.shape, conv.fan_in, conv.fan_out) == ((3, 3, 3, 8), 27, 36)
    dense = Dense(units=8).params(TensorType((6,)))["weight"]
    assert (dense.shape, dense.fan_in, dense.fan_out) == ((6, 8), 6, 8)


NUMBERS = np.arange(18.0).reshape(3, 3, 1, 2)


@pytest.mark.parametrize("given", [NUMBERS, NUMBERS.reshape(3, 3, 2), NUMBERS.ravel()], ids=lambda x: str(x.shape))
def test_values_are_taken_nested_or_flat(given: Any) -> None:
    made = Values(values=REGISTRIES["initializer"]["values"].attribute("values").python(given.tolist()))
    drawn = made.draw(np.random.default_rng(0), Param((3, 3, 1, 2), "values"))
    np.testing.assert_array_equal(drawn, NUMBERS)
    assert drawn.dtype == np.float64


def test_one_value_is_enough_for_one_number() -> None:
    assert Values(values=(2.5,)).draw(np.random.default_rng(0), Param((1, 1, 1), "values")).tolist() == [[[2.5]]]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((1.0, 2.0), "2"),
        (((1.0, 2.0), (3.0,)), "lists of different lengths"),
        (((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)), "2x3"),
        ((1.0, (2.0, 3.0)), "lists of different lengths"),
    ],
    ids=str,
)
def test_values_of_another_shape_are_refused(values: Any, found: str) -> None:
    with pytest.raises(ShapeError) as error:
        Values(values=values).check(Param((3, 2), "values"))
    assert (error.value.code, error.value.attr) == ("NS229", "values")
    assert error.value.fields == {"found": found, "expected": "3x2", "count": 6}
