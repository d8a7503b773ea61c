"""The same numbers seen in another way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.reshaping import DepthToSpace, DepthToSpaceDx, Identity, Reshape

Array = np.ndarray[Any, np.dtype[Any]]


def identity(attrs: Identity, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The input."""
    return (inputs[0],)


def reshape(attrs: Reshape, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Row-major, channels last."""
    return (inputs[0].reshape(context.samples, *attrs.shape),)


def depth_to_space(attrs: DepthToSpace, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,H,W,f·f·C)`` to ``(N,H·f,W·f,C)``: the cell is the slower part of a channel's number."""
    factors = attrs.factors(context.x)
    axes = len(factors)
    cells = inputs[0].reshape(*inputs[0].shape[:-1], *factors, -1)  # (N, H, W, f, f, C)
    order = (
        0,
        *(axis for pair in zip(range(1, axes + 1), range(axes + 1, 2 * axes + 1), strict=True) for axis in pair),
    )
    return (cells.transpose(*order, 2 * axes + 1).reshape(context.samples, *context.y.shape),)


def depth_to_space_dx(attrs: DepthToSpaceDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The inverse, one cell after the other."""
    dx = np.empty((context.samples, *context.y.shape))
    channels = context.x.channels
    for number, cell in enumerate(np.ndindex(*attrs.factors)):
        places = (slice(None), *(slice(at, None, step) for at, step in zip(cell, attrs.factors, strict=True)))
        dx[..., number * channels : (number + 1) * channels] = inputs[0][places]
    return (dx,)


def _reshape(shape: tuple[int, ...], to: tuple[int, ...]) -> Case:
    return Case(Reshape(shape=to), (TensorType(shape),))


def _spread_out(shape: tuple[int, ...], factor: int | tuple[int, ...]) -> Case:
    factors = (factor,) * (len(shape) - 1) if isinstance(factor, int) else factor
    deep = (*shape[:-1], shape[-1] * math.prod(factors))
    return Case(DepthToSpace(factor=factor), (TensorType(deep),))


CASES = {
    "reshape": (
        _reshape((12,), (2, 3, 2)),
        _reshape((12,), (12,)),
        _reshape((6, 4), (-1,)),
        _reshape((4, 3, 17), (3, -1, 2)),
        _reshape((2, 2, 32), (4, 32)),
        _reshape((8, 3), (2, 2, -1, 1)),
        _reshape((2, 3, 4, 5), (6, 20)),
    ),
    "depth_to_space": (
        _spread_out((3, 5), 2),
        _spread_out((2, 3, 1), 2),
        _spread_out((3, 2, 17), (2, 1)),
        _spread_out((2, 2, 16), 3),
        _spread_out((2, 1, 33), 2),
        _spread_out((3, 3, 4), 1),
        _spread_out((2, 1, 2, 5), (1, 2, 3)),
    ),
}
