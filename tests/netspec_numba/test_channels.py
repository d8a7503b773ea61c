"""Concatenation, sums per channel, and the affine map per channel."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernel_operands import empty, logical, operand, run, tensor

from netspec.core.types import TensorType
from netspec_numba.host import LANES
from netspec_numba.kernels import channels as _  # noqa: F401 - registers the kernels


@dataclass(frozen=True)
class Along:
    """Attributes of concat: an axis counted from the back, and the offset of a slice."""

    axis: int
    offset: int = 0

    def axis_index(self, axes: int) -> int:
        """The place of the axis in a shape with ``axes`` spatial ones, as the declaration says it."""
        return axes + 1 + self.axis


def check_concat(shapes: list[tuple[int, ...]], axis: int, plain: bool) -> None:
    rng, batch, n = np.random.default_rng(1), 3, 2
    parts = [rng.normal(size=(n, *shape)).astype(np.float32) for shape in shapes]
    want = np.concatenate(parts, axis)

    def kind(shape: tuple[int, ...]) -> TensorType:
        return tensor(shape).plain() if plain else tensor(shape)

    y = empty(kind(want.shape[1:]), batch)
    given = [operand(kind(shape), part, batch) for shape, part in zip(shapes, parts, strict=True)]
    run("concat", Along(axis), given, [y], batch, n)
    np.testing.assert_array_equal(logical(y, n), want)
    offset = 0
    for shape, part in zip(shapes, parts, strict=True):
        slice_of_dy = empty(kind(shape), batch)
        run("concat.dx", Along(axis, offset), [operand(kind(want.shape[1:]), want, batch)], [slice_of_dy], batch, n)
        np.testing.assert_array_equal(logical(slice_of_dy, n), part)
        offset += shape[axis]


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    "counts", [(1, 1), (LANES, LANES), (3, LANES, 17), (2 * LANES, 5, 1), (LANES + 1, LANES - 1), (40, 24)]
)
@pytest.mark.parametrize("spatial", [(), (5,), (3, 4), (2, 1, 3)])
def test_concat_of_any_channel_counts(spatial: tuple[int, ...], counts: tuple[int, ...], plain: bool) -> None:
    check_concat([(*spatial, count) for count in counts], -1, plain)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("axis", [-3, -2])
@pytest.mark.parametrize("channels", [3, LANES + 1])
def test_concat_along_a_spatial_axis(axis: int, channels: int, plain: bool) -> None:
    shapes = [(3, 4, channels), (3, 4, channels), (3, 4, channels)]
    lengths = (2, 1, 5)
    for at, length in enumerate(lengths):
        shape = list(shapes[at])
        shape[axis] = length
        shapes[at] = tuple(shape)
    check_concat(shapes, axis, plain)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("shape", [(1,), (10,), (LANES + 1,), (9, 3), (20, 19, LANES + 1), (2, 3, 4, LANES)])
def test_channel_sum(shape: tuple[int, ...], plain: bool) -> None:
    kind = tensor(shape).plain() if plain else tensor(shape)
    n = 5
    dy = np.random.default_rng(2).normal(2, 1, (n, *shape)).astype(np.float32)
    total = empty(TensorType((shape[-1],), batched=False), 1)
    run("channel_sum", None, [operand(kind, dy, 6)], [total], 6, n)
    want = dy.sum(tuple(range(dy.ndim - 1)), dtype=np.float64)
    np.testing.assert_array_equal(logical(total), want.astype(np.float32))  # summed in float64, rounded once


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("one", [False, True])
@pytest.mark.parametrize("shape", [(3,), (7, 7, 1), (12, 13, 3), (5, 3, LANES + 1), (8, 4 * LANES)])
def test_affine(shape: tuple[int, ...], one: bool, dtype: Any) -> None:
    rng, n, batch = np.random.default_rng(3), 2, 3
    count = 1 if one else shape[-1]
    scale, shift = rng.normal(size=count).astype(np.float32), rng.normal(size=count).astype(np.float32)
    attrs = SimpleNamespace(scale=tuple(map(float, scale)), shift=tuple(map(float, shift)))
    x = rng.integers(0, 256, (n, *shape)).astype(dtype)
    for kind in {tensor(shape, dtype), tensor(shape, dtype).plain()}:
        y = empty(TensorType(kind.shape, block=kind.block), batch)
        run("affine", attrs, [operand(kind, x, batch)], [y], batch, n)
        np.testing.assert_array_equal(logical(y, n), x * scale + shift)
