"""Ops between the raw data and the first layer, and between layouts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.preparation import Affine, LayoutConvert

Array = np.ndarray[Any, np.dtype[Any]]


def affine(attrs: Affine, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x·scale + shift`` per channel."""
    return (inputs[0] * np.array(attrs.scale) + np.array(attrs.shift),)


def layout_convert(attrs: LayoutConvert, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The same numbers: a layout is a matter of storage."""
    return (inputs[0],)


def _affine_magnitudes(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    attrs = context.node.attrs
    return (np.abs(inputs[0]) * np.abs(attrs.scale) + np.abs(attrs.shift),)


BOUNDS = {"affine": Bound(2, lambda context: 2, _affine_magnitudes)}

_THREE = {"scale": (0.5, 2.0, 0.017), "shift": (0.25, -1.0, -2.1)}

CASES = {
    "affine": (
        Case(Affine(scale=(1 / 255,), shift=(0.0,)), (TensorType((5, 4, 1), "uint8"),)),
        Case(Affine(scale=(1 / 255,), shift=(-0.5,)), (TensorType((5, 3, 17), "uint8"),)),
        Case(Affine(**_THREE), (TensorType((4, 5, 3), "uint8"),)),
        Case(Affine(**_THREE), (TensorType((6, 3)),)),
        Case(Affine(scale=(3.0,), shift=(1.0,)), (TensorType((9,)),)),
    )
}
