"""The gradient of what moves numbers along axes, as the transposed matrix of each axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.axis_map import AxisMap
from netspec.core.reference import Bound, Context
from netspec.declarations.ops.movement import MovedDx

Array = np.ndarray[Any, np.dtype[Any]]


def matrix(made: AxisMap) -> Array:
    """The map as a matrix ``(output, input)``."""
    weights = np.zeros((made.output, made.input))
    for output, row in enumerate(made.rows):
        for place, weight in row:
            weights[output, place] += weight
    return weights


def moved_dx(attrs: MovedDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``dy`` to ``dx``: along each axis that the op touched, the transpose of its matrix times dy.

    A zero of the matrix joins nothing: a number that is not finite reaches only what it was made from.
    """
    (dx,) = inputs
    for axis, made in enumerate(attrs.move.axis_maps(attrs.x), 1):
        if made is not None:
            dx = _along(matrix(made).T, dx, axis)
    return (dx,)


def _along(weights: Array, x: Array, axis: int) -> Array:
    """``weights (output, input)`` times one axis of x."""
    rows = np.moveaxis(x, axis, 0)
    made = [
        sum((weight * rows[place] for place, weight in enumerate(row) if weight), np.zeros(rows.shape[1:]))
        for row in weights
    ]
    return np.moveaxis(np.stack(made), 0, axis)


def _terms(context: Context) -> int:
    """Numbers that meet in one gradient, at most."""
    maps = [made for made in context.node.attrs.axis_maps(context.x) if made is not None]
    return int(np.prod([max(map(len, made.rows), default=0) for made in maps], dtype=np.int64))


BOUNDS = {"moved.dx": Bound(2, _terms)}
