"""The norm that gradients are clipped by, and cases of clipping."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType, scalar
from netspec.declarations.ops.clipping import ClipNorm, ClipValue, GlobalNorm

Array = np.ndarray[Any, np.dtype[Any]]


def global_norm(attrs: GlobalNorm, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Any arrays to the Euclidean length of all their numbers, ``()``."""
    return (np.asarray(math.sqrt(sum(float((x**2).sum()) for x in inputs))),)


_GRADIENTS = tuple(TensorType(shape, batched=False) for shape in ((3, 3, 2, 5), (17,), (1,), (700, 40)))

BOUNDS = {"global_norm": Bound(1)}  # summed in float64

CASES = {
    "global_norm": (
        Case(GlobalNorm(), _GRADIENTS),
        Case(GlobalNorm(), _GRADIENTS[1:2]),
    ),
    "clip_value": (Case(ClipValue(limit=0.5), _GRADIENTS[:1]), Case(ClipValue(limit=0.5), _GRADIENTS[1:2])),
    "clip_norm": (
        Case(ClipNorm(limit=0.5), (_GRADIENTS[0], scalar())),
        Case(ClipNorm(limit=2.0), (_GRADIENTS[1], scalar())),
    ),
}
