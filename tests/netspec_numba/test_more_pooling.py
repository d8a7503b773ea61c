"""Norms and medians at the ends of float32, and in a plain layout; the rest is the conformance suite's."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_operands import empty, logical, operand, run, tensor

from netspec.core.types import TensorType
from netspec.declarations.ops.lp_pooling import LpPool, LpPoolDx
from netspec.declarations.ops.median_pooling import MedianPool
from netspec_numba.kernels import lp_pooling, median_pooling  # noqa: F401 - registers the kernels


@pytest.mark.parametrize("p", [1, 2, 6])
@pytest.mark.parametrize("magnitude", [1e-37, 1.0, 1e38])
def test_a_norm_neither_overflows_nor_vanishes(p: int, magnitude: float) -> None:
    kind, out = tensor((2, 1)), tensor((1, 1))
    attrs = LpPool(size=2, p=p)
    x = (np.array([[[0.5], [-1.0]]]) * magnitude).astype(np.float32)
    y = empty(out, 1)
    run("lp_pool", attrs, [operand(kind, x, 1)], [y], 1, 1)
    exact = np.abs(x.astype(np.float64))
    norm = (exact**p).sum() ** (1 / p)
    np.testing.assert_allclose(logical(y).item(), norm, rtol=2e-7)  # a rounding to float32, and pow's last bits

    dx, dy = empty(kind, 1), operand(out, np.full((1, 1, 1), 2.0), 1)
    run("lp_pool.dx", LpPoolDx(pool=attrs), [operand(kind, x, 1), y, dy], [dx], 1, 1)
    expected = 2 * np.sign(x) * (exact / norm) ** (p - 1)
    np.testing.assert_allclose(logical(dx), expected, rtol=1e-6)  # six roundings of y to the power of p - 1


@pytest.mark.parametrize("channels", [1, 3, 33])
@pytest.mark.parametrize("plain", [False, True])
def test_a_median_of_any_layout(channels: int, plain: bool) -> None:
    kind, out = tensor((5, 4, channels)), tensor((3, 2, channels))
    taps = tensor((3, 2, channels), "uint8")
    if plain:
        kind, out, taps = kind.plain(), out.plain(), taps.plain()
    x = np.random.default_rng(0).integers(-2, 3, (2, 5, 4, channels)).astype(np.float32)
    y, lower, upper = empty(out, 2), empty(taps, 2), empty(taps, 2)
    attrs = MedianPool(size=3, stride=2, padding=((1, 1), (0, 1)))
    run("median_pool", attrs, [operand(kind, x, 2)], [y, lower, upper], 2, 2)
    padded = np.pad(x, ((0, 0), (1, 1), (0, 1), (0, 0)), constant_values=np.nan)
    for row in range(3):
        for column in range(2):
            window = padded[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            np.testing.assert_array_equal(logical(y, 2)[:, row, column], np.nanmedian(window, axis=(1, 2)))


@pytest.mark.parametrize(
    ("numbers", "median"),
    [
        ([3e38, 3e38, 1.0, 3.2e38], 3e38),  # the sum of the middle two would overflow
        ([-np.inf, 1.0, 2.0, np.inf], 1.5),
        ([-np.inf, -np.inf, np.inf, np.inf], np.nan),
        ([1.0, np.nan, 2.0, 3.0], np.nan),
        ([0.0, -0.0, 5.0, -5.0], 0.0),
    ],
    ids=str,
)
def test_medians_at_the_ends_of_float32(numbers: list[float], median: float) -> None:
    kind = TensorType((4, 1))
    results = [empty(TensorType((1, 1), dtype), 1) for dtype in ("float32", "uint8", "uint8")]
    run("median_pool", MedianPool(size=4), [operand(kind, np.array(numbers).reshape(1, 4, 1), 1)], results, 1, 1)
    np.testing.assert_array_equal(logical(results[0]).item(), np.float32(median))
