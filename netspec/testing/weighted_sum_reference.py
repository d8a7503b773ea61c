"""The weighted sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Context

Array = np.ndarray[Any, np.dtype[Any]]


def testing_weighted_sum(attrs: Any, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``Σ weight·y`` over samples, positions and channels."""
    y, weight = inputs
    return ((y * weight).sum(),)
