"""Pooling by a p-norm, tap by tap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.lp_pooling import LpPool, LpPoolDx
from netspec.declarations.ops.windows_reference import inside, pad, padded_sides, taps

Array = np.ndarray[Any, np.dtype[Any]]


def lp_pool(attrs: LpPool, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)`` to ``(Σ|x|ᵖ)^(1/p)``, ``(N,*output,C)``."""
    window = attrs.geometry(context.x)
    powers = pad(np.abs(inputs[0]) ** attrs.p, window)
    total = np.zeros((context.samples, *context.y.shape))
    for _, cells in taps(window):
        total += powers[cells]
    return (total ** (1 / attrs.p),)


def lp_pool_dx(attrs: LpPoolDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)``, ``y`` and ``dy (N,*output,C)`` to ``dx (N,*axes,C)``."""
    x, y, dy = inputs
    window = attrs.geometry(context.x)
    share = np.where(y == 0, 0, dy / np.where(y == 0, 1, y) ** (attrs.p - 1))
    padded = np.zeros((context.samples, *padded_sides(window), context.x.channels))
    for _, cells in taps(window):
        padded[cells] += share
    return (padded[inside(window)] * np.sign(x) * np.abs(x) ** (attrs.p - 1),)


def _taps(context: Context) -> int:
    taps: int = context.node.attrs.geometry(context.x).taps
    return taps


BOUNDS = {"lp_pool": Bound(2), "lp_pool.dx": Bound(2, _taps)}

_WINDOWS: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((8, 3), {"size": 2}),
    ((7, 17), {"size": 3, "stride": 2, "round": "ceil"}),
    ((7, 6, 17), {"size": 3, "stride": 2}),
    ((5, 5, 4), {"size": 3, "stride": 2, "padding": 1, "round": "ceil"}),
    ((4, 3, 5), {"size": (4, 3)}),
    ((5, 1, 2), {"size": 1, "stride": 2}),
    ((3, 5, 4, 17), {"size": (2, 3, 2), "stride": (1, 2, 2), "padding": (0, 1, 0)}),
)


def _cases() -> Iterator[Case]:
    for shape, attributes in _WINDOWS:
        for p in (1, 2, 5):
            yield Case(LpPool(**attributes, p=p), (TensorType(shape),))
    yield Case(LpPool(size=2), (TensorType((4, 4, 3)),), ties=True)  # windows of zeros
    yield Case(LpPool(size=2, p=6), (TensorType((4, 4, 3)),), magnitude=50)


CASES = {"lp_pool": tuple(_cases())}
