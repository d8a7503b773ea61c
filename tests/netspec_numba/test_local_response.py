"""Window sums of local response normalisation: exactly what lies in the window, in either layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_operands import close, empty, logical, operand, run, tensor

from netspec.core.types import TensorType
from netspec.declarations.ops.local_response import Lrn, LrnSquares, LrnSquaresDx
from netspec_numba.host import LANES
from netspec_numba.kernels import local_response  # noqa: F401 - registers the kernels


def window(size: int, length: int) -> Any:
    """Row i holds 1 at the places that the window around i covers."""
    offsets = np.arange(length)[None, :] - np.arange(length)[:, None]
    return ((offsets >= -((size - 1) // 2)) & (offsets <= size // 2)).astype(np.float64)


@pytest.mark.parametrize("size", [1, 2, 5, LANES, 2 * LANES + 3])
@pytest.mark.parametrize("shape", [(1,), (LANES + 1,), (5, 3), (3, 4, 17), (2, 3, 3 * LANES), (1, 1, 1)])
def test_sums_across_channels(shape: tuple[int, ...], size: int) -> None:
    rng = np.random.default_rng(1)
    x, ds = (rng.normal(size=(3, *shape)).astype(np.float32) for _ in range(2))
    cells, lrn = window(size, shape[-1]), Lrn(size=size)
    for kind in {tensor(shape), TensorType(shape)}:
        s, dx = empty(kind, 4), empty(kind, 4)
        run("lrn.squares", LrnSquares(lrn=lrn), [operand(kind, x, 4)], [s], 4, 3)
        run("lrn.squares.dx", LrnSquaresDx(lrn=lrn), [operand(kind, x, 4), operand(kind, ds, 4)], [dx], 4, 3)
        close(logical(s, 3), x.astype(np.float64) ** 2 @ cells.T, 8)  # one rounding for each of up to 35 summands
        close(logical(dx, 3), 2 * x * (ds.astype(np.float64) @ cells), 8)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("shape", [(5, 3), (4, 6, LANES + 1), (3, 2, 4, 2)])
def test_sums_across_space(shape: tuple[int, ...], size: int) -> None:
    rng = np.random.default_rng(2)
    x, ds = (rng.normal(size=(3, *shape)).astype(np.float32) for _ in range(2))
    want, turned = x.astype(np.float64) ** 2, ds.astype(np.float64)
    for axis, length in enumerate(shape[:-1], start=1):
        cells = window(size, length)
        want = np.moveaxis(np.moveaxis(want, axis, -1) @ cells.T, -1, axis)
        turned = np.moveaxis(np.moveaxis(turned, axis, -1) @ cells, -1, axis)
    kind, lrn = tensor(shape), Lrn(size=size, across="space")
    s, dx = empty(kind, 4), empty(kind, 4)
    run("lrn.squares", LrnSquares(lrn=lrn), [operand(kind, x, 4)], [s], 4, 3)
    run("lrn.squares.dx", LrnSquaresDx(lrn=lrn), [operand(kind, x, 4), operand(kind, ds, 4)], [dx], 4, 3)
    close(logical(s, 3), want, 8)
    close(logical(dx, 3), 2 * x * turned, 8)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_within_its_window(bad: float) -> None:
    kind = tensor((3, 3, LANES + 4))
    x = np.ones((2, 3, 3, LANES + 4), np.float32)
    x[0, 1, 1, LANES] = bad
    s = empty(kind, 2)
    run("lrn.squares", LrnSquares(lrn=Lrn(size=4)), [operand(kind, x, 2)], [s], 2, 2)
    places = np.argwhere(~np.isfinite(logical(s, 2)))
    assert places.tolist() == [[0, 1, 1, channel] for channel in range(LANES - 2, LANES + 2)]
