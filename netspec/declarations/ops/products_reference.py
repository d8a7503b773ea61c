"""Products over stretched axes, and a factor and a summand per channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.products import Multiply, MultiplyDx, Scale

Array = np.ndarray[Any, np.dtype[Any]]


def _aligned(inputs: Sequence[Array], context: Context) -> list[Array]:
    """Axes of 1 between the samples and the channels of what has fewer than the most."""
    rank = max(array.ndim for array in inputs)
    types = [value.type for value in context.node.inputs]
    shapes = [
        (len(x), *(1,) * (rank - x.ndim), *x.shape[1:]) if t.batched else x.shape
        for x, t in zip(inputs, types, strict=True)
    ]
    return [array.reshape(shape) for array, shape in zip(inputs, shapes, strict=True)]


def multiply(attrs: Multiply, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The product, by NumPy's broadcasting of what has as many axes."""
    return (reduce(np.multiply, _aligned(inputs, context)),)


def multiply_dx(attrs: MultiplyDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``dy`` times the other factors, summed over the axes along which x was stretched."""
    product = reduce(np.multiply, _aligned(inputs, context))
    shape = (context.samples, *(1,) * (product.ndim - 1 - len(attrs.x.shape)), *attrs.x.shape)
    axes = tuple(axis for axis, side in enumerate(shape) if side < product.shape[axis])
    return (product.sum(axis=axes, keepdims=True).reshape(context.samples, *attrs.x.shape),)


def scale(attrs: Scale, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x·scale + shift`` per channel."""
    x, *parameters = inputs
    y = x * (parameters.pop(0) if isinstance(attrs.by, str) else attrs.by)
    return (y + parameters[0] if attrs.bias else y,)


def _summed(context: Context) -> int:
    return max(context.x.elements // max(context.y.elements, 1), 1)


def _scale_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    attrs = context.node.attrs
    x, *parameters = (np.abs(array) for array in inputs)
    y = x * (parameters.pop(0) if isinstance(attrs.by, str) else abs(attrs.by))
    return (y + parameters[0] if attrs.bias else y,)


BOUNDS = {
    "multiply": Bound(1, lambda context: len(context.node.inputs)),
    "multiply.dx": Bound(2, lambda context: _summed(context) + len(context.node.inputs)),
    "scale": Bound(2, lambda context: 2, _scale_magnitudes),
}

_STRETCHED: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((5,), (1,)),
    ((3, 4, 17),),  # what a merge is when all branches but one are left out
    ((17,), (17,)),
    ((6, 3), (3,)),
    ((6, 3), (6, 1)),
    ((3, 4, 17), (17,)),
    ((17,), (3, 4, 17), (3, 4, 1)),
    ((3, 4, 33), (1, 1, 33)),
    ((3, 4, 16), (3, 4, 1)),
    ((3, 4, 33), (3, 1, 1), (1, 4, 33)),
    ((3, 1, 5), (1, 4, 5)),
    ((2, 3, 1), (1,)),
    ((2, 3, 2, 5), (2, 1, 2, 1), (5,), (1, 1, 1, 1)),
)


def _scale_cases() -> Iterator[Case]:
    for shape in ((5,), (6, 3), (3, 4, 17), (2, 3, 2, 33), (2, 1, 1)):
        for bias in (False, True):
            yield Case(Scale(by=-0.7, bias=bias), (TensorType(shape),))


CASES = {
    "multiply": tuple(Case(Multiply(), tuple(map(TensorType, shapes))) for shapes in _STRETCHED),
    "scale": tuple(_scale_cases()),
}
