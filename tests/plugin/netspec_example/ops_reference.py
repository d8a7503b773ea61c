"""The definition of what is not given by an expression, and the uses to be tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Case, Context
from netspec.core.types import TensorType
from netspec_example.ops import SqueezeExcite

Array = np.ndarray[Any, np.dtype[Any]]


def squeeze_excite(attrs: SqueezeExcite, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)`` times the gate ``σ(w₂ max(0, w₁ x̄ + b₁) + b₂) (N,C)``."""
    x, first, first_bias, second, second_bias = inputs
    means = x.mean(axis=tuple(range(1, x.ndim - 1)))
    gate = 1 / (1 + np.exp(-(np.maximum(means @ first + first_bias, 0) @ second + second_bias)))
    return (x * gate.reshape(len(x), *(1,) * (x.ndim - 2), -1),)


CASES = {
    "squeeze_excite": tuple(
        Case(SqueezeExcite(ratio=ratio), (TensorType(shape),))
        for shape, ratio in (((6, 4), 2), ((5, 4, 18), 3), ((1, 1, 3), 1), ((3, 2, 2, 17), 17))
    )
}
