"""Folding by its formula (Jacob et al. 2018, 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Context
from netspec.declarations.ops.folding import FoldNorm

Array = np.ndarray[Any, np.dtype[Any]]


def _parts(attrs: FoldNorm, inputs: Sequence[Array]) -> tuple[Array, Array | float, Array, Array | float, Array]:
    """Weight, bias, factor, shift and mean; what is not there as the number that changes nothing."""
    weight, *given, mean, variance = inputs
    bias = given.pop(0) if attrs.bias else 0.0
    scale = given.pop(0) if attrs.scale else 1.0
    shift = given.pop(0) if attrs.center else 0.0
    return weight, bias, scale / np.sqrt(variance + attrs.eps), shift, mean


def fold_norm(attrs: FoldNorm, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """weight ``(..., C)``, [bias], [scale], [shift], mean and variance, all ``(C)``, to weight and bias."""
    weight, bias, factor, shift, mean = _parts(attrs, inputs)
    return weight * factor, (bias - mean) * factor + shift


def _magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    weight, bias, factor, shift, mean = _parts(context.node.attrs, inputs)
    return np.abs(weight * factor), (np.abs(bias) + np.abs(mean)) * np.abs(factor) + np.abs(shift)


BOUNDS = {"fold_norm": Bound(2, scale=_magnitudes)}
