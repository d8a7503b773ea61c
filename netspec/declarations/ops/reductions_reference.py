"""Reductions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.reductions import AllFinite, ChannelSum, SampleSum

Array = np.ndarray[Any, np.dtype[Any]]


def channel_sum(attrs: ChannelSum, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,...,C)`` to ``(C)``."""
    (x,) = inputs
    return (x.reshape(-1, x.shape[-1]).sum(axis=0),)


def sample_sum(attrs: SampleSum, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*shape)`` to ``shape``."""
    return (inputs[0].sum(axis=0),)


def all_finite(attrs: AllFinite, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Any arrays to 1 or 0."""
    return (np.array(float(all(np.isfinite(x).all() for x in inputs))),)


_GRADIENTS = tuple(TensorType(shape, batched=False) for shape in ((3, 3, 2, 5), (17,), (1,), (700, 40)))

BOUNDS = {
    "channel_sum": Bound(2, lambda context: context.samples * context.x.positions),
    "sample_sum": Bound(2, lambda context: context.samples),
}

CASES = {
    "channel_sum": tuple(Case(ChannelSum(), (TensorType(shape),)) for shape in ((33,), (40, 2), (5, 4, 17))),
    "sample_sum": tuple(Case(SampleSum(), (TensorType(shape),)) for shape in ((40, 2), (5, 4, 17), (2, 1, 3, 33))),
    "all_finite": (Case(AllFinite(), _GRADIENTS), Case(AllFinite(), _GRADIENTS[1:2])),
}
