"""Reductions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.reductions import ChannelSum

Array = np.ndarray[Any, np.dtype[Any]]


def channel_sum(attrs: ChannelSum, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,...,C)`` to ``(C)``."""
    (x,) = inputs
    return (x.reshape(-1, x.shape[-1]).sum(axis=0),)


BOUNDS = {"channel_sum": Bound(2, lambda context: context.samples * context.x.positions)}

CASES = {"channel_sum": tuple(Case(ChannelSum(), (TensorType(shape),)) for shape in ((33,), (40, 2), (5, 4, 17)))}
