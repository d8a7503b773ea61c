"""The length of all gradients, at the ends of float32 and at every remainder of a vector."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_operands import empty, operand, run

from netspec.core.types import TensorType, scalar
from netspec.declarations.ops.clipping import GlobalNorm
from netspec_numba.host import LANES
from netspec_numba.kernels import clipping as _  # noqa: F401 - registers the kernels


def norm_of(*arrays: np.ndarray) -> float:
    given = [operand(TensorType(array.shape, batched=False), array, 1) for array in arrays]
    norm = empty(scalar(), 1)
    run("global_norm", GlobalNorm(), given, [norm], 1, 1)
    return float(norm.array[0])


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 16 * LANES - 1, 16 * LANES, 33 * LANES + 5])
def test_every_number_counts_once(size: int) -> None:
    numbers = np.random.default_rng(0).normal(size=size).astype(np.float32)
    expected = np.sqrt((numbers.astype(np.float64) ** 2).sum() + 4)
    assert norm_of(numbers, np.array([2.0], np.float32)) == pytest.approx(expected, rel=2e-7)  # one rounding


@pytest.mark.parametrize("magnitude", [1e-30, 1e30])
def test_squares_neither_vanish_nor_overflow(magnitude: float) -> None:
    assert norm_of(np.full((2, 2), magnitude, np.float32)) == pytest.approx(2 * magnitude, rel=2e-7)


def test_a_nan_makes_the_length_nan() -> None:
    assert np.isnan(norm_of(np.array([1.0, np.nan], np.float32)))
