"""Depthwise and separable convolution: y[n,o,c·m+j] = Σₜ x[n, o·s − p + t·d, c] w[t,0,c·m+j], then a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.depthwise import DepthwiseConv, SeparableConv
from netspec.declarations.ops.windows_reference import pad, taps

Array = np.ndarray[Any, np.dtype[Any]]


def _channel_by_channel(attrs: DepthwiseConv | SeparableConv, x: Array, weight: Array, context: Context) -> Array:
    """``x (N,*axes,C)``, ``w (*window,1,C·m)`` to ``(N,*output,C·m)``: every channel m times, each times its filter."""
    window = attrs.geometry(context.x)
    repeated = np.repeat(pad(x, window), attrs.multiplier, axis=-1)
    y = np.zeros((len(x), *window.output, repeated.shape[-1]))
    for tap, cells in taps(window):
        y += repeated[cells] * weight[tap][0]
    return y


def depthwise_conv(attrs: DepthwiseConv, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)``, ``w (*window,1,C·m)``, ``b (C·m)`` to ``y (N,*output,C·m)``."""
    y = _channel_by_channel(attrs, inputs[0], inputs[1], context)
    return (y + inputs[2] if attrs.bias else y,)


def separable_conv(attrs: SeparableConv, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)``, depthwise ``w (*window,1,C·m)``, pointwise ``w (1,...,C·m,K)``, ``b (K)`` to ``y (…,K)``."""
    x, depthwise, pointwise = inputs[:3]
    y = _channel_by_channel(attrs, x, depthwise, context) @ pointwise.reshape(pointwise.shape[-2:])
    return (y + inputs[3] if attrs.bias else y,)


def _depthwise(shape: tuple[int, ...], kernel: Any, **attributes: Any) -> Case:
    return Case(DepthwiseConv(kernel=kernel, **attributes), (TensorType(shape),))


def _separable(shape: tuple[int, ...], filters: int, kernel: Any, **attributes: Any) -> Case:
    return Case(SeparableConv(filters=filters, kernel=kernel, **attributes), (TensorType(shape),))


CASES = {
    "depthwise_conv": (
        _depthwise((7, 3), 3),
        _depthwise((9, 17), 4, dilation=2, padding="causal", bias=False),
        _depthwise((6, 5, 1), 3, padding="same", multiplier=3),
        _depthwise((7, 6, 3), 3, stride=2, padding=1),
        _depthwise((9, 12, 17), 3, padding="same"),
        _depthwise((5, 13, 33), (3, 5), stride=(1, 2), padding="same"),
        _depthwise((6, 7, 16), 3, padding="full", dilation=(1, 2)),
        _depthwise((7, 7, 4), 7),
        _depthwise((8, 9, 5), 2, stride=3, dilation=2, padding=2),
        _depthwise((7, 8, 5), 1, stride=2),
        _depthwise((4, 4, 20), 3, multiplier=2, padding="same"),
        _depthwise((4, 3, 5, 17), (2, 3, 3), stride=(1, 1, 2), padding="same"),
    ),
    "separable_conv": (
        _separable((7, 3), 4, 3),
        _separable((6, 5, 17), 5, 3, stride=2, padding="same"),
        _separable((5, 4, 3), 17, 3, padding="same", multiplier=2, bias=False),
        _separable((4, 3, 4, 2), 3, 2),
    ),
}
