"""Dense layers, their gradients, and flattening."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context, rounded_bounds
from netspec.core.types import TensorType
from netspec.declarations.ops.dense import Dense, DenseDw, DenseDx, Flatten, FlattenDx

Array = np.ndarray[Any, np.dtype[Any]]


def dense(attrs: Dense, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,I)``, ``w (I,U)``, ``b (U)`` to ``xw + b (N,U)``."""
    y = inputs[0] @ inputs[1]
    return (y + inputs[2] if attrs.bias else y,)


def dense_dx(attrs: DenseDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``dy (N,U)``, ``w (I,U)`` to ``dy wᵀ (N,I)``."""
    return (inputs[0] @ inputs[1].T,)


def dense_dw(attrs: DenseDw, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,I)``, ``dy (N,U)`` to ``xᵀ dy (I,U)``."""
    return (inputs[0].T @ inputs[1],)


def flatten(attrs: Flatten, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)`` to ``(N, all)``: the last axis fastest."""
    return (inputs[0].reshape(context.samples, -1),)


def flatten_dx(attrs: FlattenDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``dy (N, all)`` to ``(N,*axes,C)``."""
    return (inputs[0].reshape(context.samples, *attrs.shape),)


BOUNDS = {
    "dense": Bound(2, lambda context: context.x.elements + 1),
    "dense.dx": Bound(2, lambda context: context.x.elements),
    "dense.dw": Bound(2, lambda context: context.samples),
}
_ROUNDED = rounded_bounds(BOUNDS)
ALGORITHM_BOUNDS = _ROUNDED | {"dense": _ROUNDED["dense"] | {"rows": BOUNDS["dense"]}}
"""Plain sums in another order err as these do."""

CASES = {
    "dense": (
        Case(Dense(units=1), (TensorType((1,)),)),
        Case(Dense(units=10), (TensorType((7,)),)),
        Case(Dense(units=17, bias=False), (TensorType((33,)),)),
        Case(Dense(units=33), (TensorType((100,)),)),
    )
}
