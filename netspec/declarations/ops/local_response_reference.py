"""Local response normalisation by its formula (Krizhevsky et al. 2012, 3.3), and the sums that it is made of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.local_response import Lrn, LrnSquares, LrnSquaresDx

Array = np.ndarray[Any, np.dtype[Any]]


def _axes(lrn: Lrn, x: TensorType) -> tuple[int, ...]:
    """Axes of the logical array that the window lies along."""
    return tuple(range(1, 1 + len(x.spatial))) if lrn.across == "space" else (1 + len(x.spatial),)


def _window_sum(numbers: Array, axes: Sequence[int], sides: Sequence[int], befores: Sequence[int]) -> Array:
    """Sum of the cells from ``before`` before to ``side`` further, along every axis; outside lie zeros."""
    padding = [(0, 0)] * numbers.ndim
    for axis, side, before in zip(axes, sides, befores, strict=True):
        padding[axis] = (before, side - 1 - before)
    padded = np.pad(numbers, padding)
    total = np.zeros_like(numbers)
    for offsets in product(*map(range, sides)):
        place = [slice(None)] * numbers.ndim
        for axis, offset in zip(axes, offsets, strict=True):
            place[axis] = slice(offset, offset + numbers.shape[axis])
        total = total + padded[tuple(place)]
    return total


def lrn(attrs: Lrn, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,...,C)`` to ``x/(k + α·s)^β``, s the sum or mean from ⌊(n−1)/2⌋ cells before to ⌊n/2⌋ after."""
    (x,) = inputs
    sides = attrs.window(context.x)
    squares = _window_sum(x * x, _axes(attrs, context.x), sides, [(side - 1) // 2 for side in sides])
    if attrs.scaling == "mean":
        squares = squares / math.prod(sides)
    return (x / (attrs.k + attrs.alpha * squares) ** attrs.beta,)


def lrn_squares(attrs: LrnSquares, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,...,C)`` to the sum of x² under the window around each number."""
    (x,) = inputs
    sides = attrs.lrn.window(context.x)
    return (_window_sum(x * x, _axes(attrs.lrn, context.x), sides, [(side - 1) // 2 for side in sides]),)


def lrn_squares_dx(attrs: LrnSquaresDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x``, ``ds`` to ``2x·Σ ds`` over the windows that each number lies in: those of the window turned around."""
    x, ds = inputs
    sides = attrs.lrn.window(context.x)
    return (2 * x * _window_sum(ds, _axes(attrs.lrn, context.x), sides, [side // 2 for side in sides]),)


def _cells(context: Context) -> int:
    return math.prod(context.node.attrs.lrn.window(context.x))


BOUNDS = {"lrn.squares": Bound(2, _cells), "lrn.squares.dx": Bound(2, _cells)}


def _cases() -> Iterator[Case]:
    # Strong enough that the squares matter, unlike the defaults.
    for size in (1, 2, 3, 4, 8, 40):
        for x in (TensorType((33,)), TensorType((4, 17))):
            yield Case(Lrn(size=size, alpha=0.5, k=2.0), (x,))
    for size in (1, 2, 4, 7):
        for x in (TensorType((6, 3)), TensorType((5, 4, 17)), TensorType((3, 2, 4, 2))):
            yield Case(Lrn(size=size, across="space", alpha=0.5, k=2.0), (x,))
    yield Case(Lrn(size=(3, 2), across="space", scaling="mean", alpha=0.5), (TensorType((5, 4, 3)),))
    yield Case(Lrn(size=(3,), beta=0.0, alpha=1.0), (TensorType((1, 1, 5)),))
    yield Case(Lrn(beta=2.0, alpha=1.0, scaling="mean"), (TensorType((300, 1)),))


CASES = {"lrn": tuple(_cases())}
