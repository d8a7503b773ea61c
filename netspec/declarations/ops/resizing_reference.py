"""Finer grids, cells added around and the middle cut out, by what NumPy has for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.resizing import Crop, Pad, Upsample

Array = np.ndarray[Any, np.dtype[Any]]

_MODES = {"value": "constant", "reflect": "reflect", "replicate": "edge"}


def upsample(attrs: Upsample, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)`` to ``(N,*longer axes,C)``, one axis after the other.

    Under ``bilinear`` the centre of output cell o lies at ``(o + 1/2)·n/m − 1/2``; outside, the edge holds.
    """
    (y,) = inputs
    for axis, (n, m) in enumerate(zip(context.x.spatial, context.y.spatial, strict=True), 1):
        if attrs.method == "nearest":
            y = np.repeat(y, m // n, axis)
            continue
        centre = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)
        low = np.floor(centre).astype(int)
        share = (centre - low).reshape(-1, *(1,) * (y.ndim - axis - 1))
        near, far = np.take(y, low, axis), np.take(y, np.minimum(low + 1, n - 1), axis)
        y = np.where(share > 0, near * (1 - share) + far * share, near)
    return (y,)


def crop(attrs: Crop, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The middle; of an odd margin the smaller half lies before."""
    starts = [(n - m) // 2 for n, m in zip(context.x.spatial, context.y.spatial, strict=True)]
    cells = (slice(start, start + m) for start, m in zip(starts, context.y.spatial, strict=True))
    return (inputs[0][(slice(None), *cells)],)


def pad(attrs: Pad, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """NumPy's pad, of spatial axes and channels alike."""
    mode: Any = _MODES[attrs.mode]
    values = {"constant_values": attrs.value} if attrs.mode == "value" else {}
    return (np.pad(inputs[0], ((0, 0), *attrs.margins(context.x)), mode, **values),)


def _interpolated(context: Context) -> int:
    return int(2 ** len(context.x.spatial))


BOUNDS = {"upsample": Bound(2, _interpolated), "pad": Bound(1)}

_FINER: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((5, 3), {"factor": 2}),
    ((1, 1), {"factor": 3}),
    ((3, 4, 17), {"factor": (2, 3)}),
    ((2, 1, 16), {"factor": 2}),
    ((3, 2, 33), {"factor": 1}),
    ((4, 3, 5), {"like": (8, 6, 9)}),
    ((2, 3, 2, 5), {"factor": (2, 1, 3)}),
)
_ANY_RATIO: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((5, 3), (7, 1)),
    ((3, 4, 17), (7, 5, 2)),
    ((6, 5, 2), (4, 5, 2)),  # coarser along one axis
    ((2, 3, 2, 5), (3, 4, 5, 1)),
)
_MIDDLES: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((7, 3), {"size": 4}),
    ((6, 5, 17), {"size": (3, 5)}),
    ((4, 4, 16), {"size": 1}),
    ((5, 6, 33), {"like": (4, 3, 7)}),
    ((3, 4, 5, 2), {"size": (1, 3, 2)}),
)
_MARGINS: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((5,), {"channels": (1, 2)}),
    ((5, 3), {"amount": 2}),
    ((3, 4, 17), {"amount": ((0, 2), 1)}),
    ((3, 4, 17), {"channels": (0, 17)}),
    ((2, 3, 16), {"channels": (16, 8)}),
    ((3, 3, 5), {"amount": 1, "channels": 2}),
    ((3, 2, 1), {"amount": 0}),
    ((2, 3, 2, 5), {"amount": (1, 0, 1)}),
)


def _upsample_cases() -> Iterator[Case]:
    for shape, attributes in _FINER:
        for method in ("nearest", "bilinear"):
            yield Case(Upsample(**attributes, method=method), (TensorType(shape),))
    for shape, like in _ANY_RATIO:
        yield Case(Upsample(like=like, method="bilinear"), (TensorType(shape),))


def _pad_cases() -> Iterator[Case]:
    for shape, attributes in _MARGINS:
        yield Case(Pad(**attributes), (TensorType(shape),))
        yield Case(Pad(**attributes, value=-0.3), (TensorType(shape),))
    for mode in ("reflect", "replicate"):
        yield Case(Pad(amount=2, mode=mode), (TensorType((3, 17)),))
        yield Case(Pad(amount=(1, (2, 0)), mode=mode), (TensorType((4, 3, 16)),))
        yield Case(Pad(amount=1, channels=(2, 1), mode=mode), (TensorType((2, 2, 5)),))
        yield Case(Pad(amount=1, mode=mode), (TensorType((2, 3, 2, 5)),))
    yield Case(Pad(amount=3, mode="replicate"), (TensorType((1, 2, 3)),))


CASES = {
    "upsample": tuple(_upsample_cases()),
    "crop": tuple(Case(Crop(**attributes), (TensorType(shape),)) for shape, attributes in _MIDDLES),
    "pad": tuple(_pad_cases()),
}
