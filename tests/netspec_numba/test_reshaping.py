"""Channels laid out as cells, and back, in both layouts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernel_operands import empty, logical, operand, run, tensor

from netspec_numba.host import LANES
from netspec_numba.kernels import reshaping as _  # noqa: F401 - registers the kernels


def laid_out(x: Any, factors: tuple[int, ...], channels: int) -> Any:
    sides = [side * factor for side, factor in zip(x.shape[1:-1], factors, strict=True)]
    y = np.zeros((len(x), *sides, channels), x.dtype)
    for number, cell in enumerate(np.ndindex(*factors)):
        for place in np.ndindex(*x.shape[1:-1]):
            to = tuple(p * f + c for p, f, c in zip(place, factors, cell, strict=True))
            y[(slice(None), *to)] = x[(slice(None), *place)][:, number * channels : (number + 1) * channels]
    return y


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("channels", [1, 3, LANES, LANES + 1, 2 * LANES])
@pytest.mark.parametrize(
    ("spatial", "factors"), [((5,), (2,)), ((3, 2), (2, 2)), ((1, 4), (3, 1)), ((2, 1, 2), (1, 2, 2)), ((2, 2), (1, 1))]
)
def test_depth_to_space_and_back(
    spatial: tuple[int, ...], factors: tuple[int, ...], channels: int, plain: bool
) -> None:
    batch, n = 3, 2
    x = np.random.default_rng(1).normal(size=(n, *spatial, channels * int(np.prod(factors)))).astype(np.float32)
    want = laid_out(x, factors, channels)
    deep, wide = tensor(x.shape[1:]), tensor(want.shape[1:])
    if plain:
        deep, wide = deep.plain(), wide.plain()
    y, dx = empty(wide, batch), empty(deep, batch)
    forward = SimpleNamespace(factors=lambda kind: factors)
    run("depth_to_space", forward, [operand(deep, x, batch)], [y], batch, n)
    np.testing.assert_array_equal(logical(y, n), want)
    run("depth_to_space.dx", SimpleNamespace(factors=factors), [operand(wide, want, batch)], [dx], batch, n)
    np.testing.assert_array_equal(logical(dx, n), x)
