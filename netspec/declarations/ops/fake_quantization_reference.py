"""Definitions of what a network in training is rounded by; elementwise ones follow from their expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import LARGEST_WEIGHT, TensorType, scalar
from netspec.declarations.ops.fake_quantization import Extremes, FakeQuantize, FakeQuantizeDx, FakeQuantizeWeights

Array = np.ndarray[Any, np.dtype[Any]]


def fake_quantize_weights(attrs: FakeQuantizeWeights, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``weight (..., K)`` to as many numbers."""
    (weight,) = inputs
    largest = np.abs(weight).reshape(-1, weight.shape[-1]).max(axis=0, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0) / LARGEST_WEIGHT
    return (np.rint(weight / scale) * scale,)


def extremes(attrs: Extremes, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,...,C)`` to two numbers."""
    return np.min(inputs[0]), np.max(inputs[0])


BOUNDS = {"fake_quantize.weights": Bound(1)}  # worked out in float64

_SHAPES = ((33,), (40, 2), (5, 4, 17), (2, 3, 16), (2, 1, 3, 33))
_RANGE = (scalar(), scalar())

# With ties, since that is what says that there is no derivative.
CASES = {
    "fake_quantize": tuple(Case(FakeQuantize(), (TensorType(shape), *_RANGE), ties=True) for shape in _SHAPES),
    "fake_quantize.dx": tuple(Case(FakeQuantizeDx(), (TensorType(shape),) * 2 + _RANGE) for shape in _SHAPES),
}
