"""Radial basis units and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.rbf import Rbf, RbfDw, RbfDx

Array = np.ndarray[Any, np.dtype[Any]]


def rbf(attrs: Rbf, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,I)``, ``w (I,U)`` to ``Σ_i (x_i − w_ij)² (N,U)``."""
    x, weight = inputs
    return (((x[:, :, None] - weight) ** 2).sum(axis=1),)


def rbf_dx(attrs: RbfDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,I)``, ``w (I,U)``, ``dy (N,U)`` to ``2 Σ_j (x_i − w_ij) dy_j (N,I)``."""
    x, weight, dy = inputs
    return (2 * ((x[:, :, None] - weight) * dy[:, None, :]).sum(axis=2),)


def rbf_dw(attrs: RbfDw, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,I)``, ``w (I,U)``, ``dy (N,U)`` to ``2 Σ_n (w_ij − x_i) dy_j (I,U)``."""
    x, weight, dy = inputs
    return (2 * ((weight - x[:, :, None]) * dy[:, None, :]).sum(axis=0),)


def _apart(inputs: Sequence[Array]) -> list[Array]:
    """Inputs of the same magnitudes whose differences are the sums of the magnitudes."""
    x, weight, *rest = (np.abs(array) for array in inputs)
    return [x, -weight, *rest]


def _scale(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    return rbf(context.node.attrs, _apart(inputs), context)


def _scale_dx(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    return rbf_dx(context.node.attrs, _apart(inputs), context)


def _scale_dw(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    return rbf_dw(context.node.attrs, _apart(inputs), context)


BOUNDS = {
    "rbf": Bound(2, lambda context: context.x.elements, _scale),
    "rbf.dx": Bound(2, lambda context: context.y.elements, _scale_dx),
    "rbf.dw": Bound(2, lambda context: context.samples, _scale_dw),
}

CASES = {
    "rbf": (
        Case(Rbf(units=1), (TensorType((1,)),)),
        Case(Rbf(units=10), (TensorType((84,)),)),
        Case(Rbf(units=17), (TensorType((33,)),)),
    )
}
