"""Changes of layout and flattening."""

from __future__ import annotations

import math

import numpy as np
import pytest
from kernel_operands import empty, logical, operand, request, run, tensor

from netspec.core.types import TensorType
from netspec_numba.contract import KERNELS
from netspec_numba.host import LANES
from netspec_numba.kernels import layout  # noqa: F401 - registers the kernels

SHAPES = [(9, 1), (5, 3), (4, 3, LANES), (3, 5, LANES + 1), (2, 3, 4, 3 * LANES), (1, 1, 5), (40, 40, 3)]


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", SHAPES)
def test_conversion_there_and_back(shape: tuple[int, ...], dtype: str) -> None:
    x = np.random.default_rng(1).integers(0, 200, (2, *shape)).astype(dtype)
    blocked = tensor(shape, dtype)
    for source in (blocked, blocked.plain()):
        for target in (blocked, blocked.plain()):
            y = empty(target, 3)
            run("layout.convert", None, [operand(source, x, 3)], [y], 3, 2)
            np.testing.assert_array_equal(logical(y, 2), x)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("shape", [*SHAPES, (7,)])
def test_flatten_puts_the_channels_last_and_its_gradient_puts_them_back(shape: tuple[int, ...], plain: bool) -> None:
    x = np.random.default_rng(2).normal(size=(2, *shape)).astype(np.float32)
    kind = tensor(shape).plain() if plain else tensor(shape)
    flat = empty(TensorType((math.prod(shape),)), 3)
    run("flatten", None, [operand(kind, x, 3)], [flat], 3, 2)
    np.testing.assert_array_equal(logical(flat, 2), x.reshape(2, -1))
    back = empty(kind, 3)
    run("flatten.dx", None, [flat], [back], 3, 2)
    np.testing.assert_array_equal(logical(back, 2), x)


def test_other_shapes_and_blocks_are_refused() -> None:
    given = empty(tensor((4, 3)), 1)
    with pytest.raises(ValueError, match="keeps the shape"):
        KERNELS["layout.convert"].build(request("layout.convert", None, [given], [empty(tensor((3, 4)), 1)], 1))
    with pytest.raises(ValueError, match="flattened"):
        KERNELS["flatten"].build(request("flatten", None, [given], [empty(TensorType((11,)), 1)], 1))
    odd = empty(TensorType((4, 3), block=5), 1)
    with pytest.raises(ValueError, match="blocks of"):
        KERNELS["layout.convert"].build(request("layout.convert", None, [odd], [given], 1))
