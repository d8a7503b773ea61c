"""Stretched products, their gradients and the scale per channel, in both layouts."""

from __future__ import annotations

from functools import reduce
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernel_operands import close, empty, logical, operand, run, tensor

from netspec.core.types import TensorType
from netspec_numba.host import LANES
from netspec_numba.kernels import products as _  # noqa: F401 - registers the kernels

Array = np.ndarray[Any, np.dtype[Any]]

WHOLES = [(7,), (LANES + 1,), (6, 3), (3, 4, LANES), (3, 4, LANES + 1), (2, 3, 2, 2 * LANES + 3)]


def parts_of(whole: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes that stretch to the whole: a gate in both spellings, a mask, a row, one number."""
    *spatial, channels = whole
    ones = (1,) * len(spatial)
    found = [whole, (channels,), (*ones, channels), (*spatial, 1), (1,)]
    return list(dict.fromkeys([*found, (*spatial[:1], *ones[1:], channels)]))


def kind(shape: tuple[int, ...], plain: bool) -> TensorType:
    return tensor(shape).plain() if plain else tensor(shape)


def aligned(array: Array, rank: int) -> Array:
    return array.reshape(len(array), *(1,) * (rank - array.ndim + 1), *array.shape[1:])


def numbers(shape: tuple[int, ...], seed: int, n: int = 2) -> Array:
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("whole", WHOLES)
def test_products_of_two(whole: tuple[int, ...], plain: bool) -> None:
    x = numbers(whole, 1)
    for part in parts_of(whole):
        factor = numbers(part, 2)
        y = empty(kind(whole, plain), 3)
        inputs = [operand(kind(whole, plain), x, 3), operand(kind(part, plain), factor, 3)]
        for order in (inputs, inputs[::-1]):
            run("multiply", None, order, [y], 3, 2)
            np.testing.assert_array_equal(logical(y, 2), x * aligned(factor, len(whole)))


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("whole", WHOLES)
def test_gradients_are_summed_over_what_was_stretched(whole: tuple[int, ...], plain: bool) -> None:
    dy, gate = numbers(whole, 1), numbers((whole[-1],), 3)
    for part in parts_of(whole):
        for others in ([numbers(whole, 2)], [numbers(whole, 2), gate], [numbers((1,), 4), numbers(whole, 2), gate]):
            product = reduce(np.multiply, [aligned(a, len(whole)) for a in (dy, *others)], np.float64(1))
            shape = (1,) * (len(whole) - len(part)) + part
            axes = tuple(axis for axis, side in enumerate(shape, 1) if side < product.shape[axis])
            want = product.sum(axis=axes, keepdims=True).reshape(2, *part)
            given = [operand(kind(a.shape[1:], plain), a, 3) for a in (dy, *others)]
            dx = empty(kind(part, plain), 3)
            run("multiply.dx", SimpleNamespace(x=dx.type), given, [dx], 3, 2)
            close(logical(dx, 2), want, scale=8)  # three factors, each rounded, in sums of up to a few hundred


@pytest.mark.parametrize("op", ["multiply", "multiply.dx"])
@pytest.mark.parametrize("whole", WHOLES)
def test_a_single_factor_is_its_own_product(whole: tuple[int, ...], op: str) -> None:
    x, y = numbers(whole, 1), empty(tensor(whole), 3)
    run(op, SimpleNamespace(x=y.type), [operand(tensor(whole), x, 3)], [y], 3, 2)
    np.testing.assert_array_equal(logical(y, 2), x)


def test_a_number_that_is_not_finite_stays_in_its_channel_and_sample() -> None:
    shape = (3, 4, LANES + 1)
    x, gate = np.ones((2, *shape), np.float32), np.ones((2, LANES + 1), np.float32)
    gate[0, LANES] = np.nan
    y = empty(tensor(shape), 2)
    run("multiply", None, [operand(tensor(shape), x, 2), operand(tensor((LANES + 1,)), gate, 2)], [y], 2, 2)
    assert np.isnan(logical(y, 2)[0, ..., LANES]).all()
    assert np.isnan(logical(y, 2)).sum() == 12


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("by", ["learned", -0.7])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", WHOLES)
def test_scale(shape: tuple[int, ...], bias: bool, by: str | float, plain: bool) -> None:
    x, channels = numbers(shape, 1), shape[-1]
    learned = {"scale": numbers((channels,), 2, 1)[0]} if by == "learned" else {}
    learned |= {"shift": numbers((channels,), 3, 1)[0]} if bias else {}
    y = empty(kind(shape, plain), 3)
    given = [operand(tensor((channels,), batched=False), values, 1) for values in learned.values()]
    run("scale", SimpleNamespace(by=by, bias=bias), [operand(kind(shape, plain), x, 3), *given], [y], 3, 2)
    close(logical(y, 2), x.astype(np.float64) * learned.get("scale", by) + learned.get("shift", 0.0))
