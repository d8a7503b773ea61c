"""Transposed convolution and its gradients, tap by tap: y[n, i·s − p + t·d, k] += Σ_c x[n,i,c] w[t,c,k], plus b[k].

The weight is ``(*window, C/groups, K)``, channels in before channels out, as that of every other layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context, rounded_bounds
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.declarations.ops.convolution_reference import by_group
from netspec.declarations.ops.transposed import ConvTranspose, ConvTransposeDw, ConvTransposeDx
from netspec.declarations.ops.windows_reference import inside, pad, padded_sides, taps

Array = np.ndarray[Any, np.dtype[Any]]


def conv_transpose(attrs: ConvTranspose, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)``, ``w (*window,C/groups,K)``, ``b (K)`` to ``y (N,*output,K)``."""
    x, weight = inputs[:2]
    window = attrs.reverse(context.x)
    padded = np.zeros((len(x), *padded_sides(window), attrs.filters))
    for ins, outs in by_group(attrs.groups, x.shape[-1], attrs.filters):
        for tap, cells in taps(window):
            padded[cells][..., outs] += x[..., ins] @ weight[tap][:, outs]
    y = padded[inside(window)]
    return (y + inputs[2] if attrs.bias else y,)


def conv_transpose_dx(attrs: ConvTransposeDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``dy (N,*output,K)``, ``w`` to ``dx (N,*axes,C)``: what each input's window collects of dy."""
    dy, weight = inputs
    window = attrs.conv.reverse(attrs.x)
    padded = pad(dy, window)
    dx = np.zeros((len(dy), *attrs.x.shape))
    for ins, outs in by_group(attrs.conv.groups, attrs.x.channels, dy.shape[-1]):
        for tap, cells in taps(window):
            dx[..., ins] += padded[cells][..., outs] @ weight[tap][:, outs].T
    return (dx,)


def conv_transpose_dw(attrs: ConvTransposeDw, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x``, ``dy`` to ``dw``: per tap, inputs times the gradients they were sent to; what was cut off adds nothing."""
    x, dy = inputs
    window = attrs.conv.reverse(context.x)
    dw = np.zeros(context.y.shape)
    for tap, given, gradient in _meetings(window, x, dy):
        for ins, outs in by_group(attrs.conv.groups, x.shape[-1], dy.shape[-1]):
            dw[tap][:, outs] = np.tensordot(given[..., ins], gradient[..., outs], axes=((0, 1), (0, 1)))
    return (dw,)


def _meetings(window: WindowGeometry, x: Array, dy: Array) -> Iterator[tuple[tuple[int, ...], Array, Array]]:
    """Per tap the inputs and the gradients of the outputs that they meet through it, both (N, meetings, channels)."""
    padded, real = pad(dy, window), pad(np.ones((1, *dy.shape[1:-1], 1)), window)
    for tap, cells in taps(window):
        met = real[cells][0, ..., 0] == 1
        yield tap, x[:, met], padded[cells][:, met]


def _terms(context: Context) -> int:
    """Windows that may overlap on a cell, over the channels of a group, and the bias."""
    attrs = context.node.attrs
    return int(attrs.reverse(context.x).taps * context.x.channels // attrs.groups + 1)


def _terms_dx(context: Context) -> int:
    conv = context.node.attrs.conv
    return int(conv.reverse(context.node.attrs.x).taps * context.x.channels // conv.groups)


def _terms_dw(context: Context) -> int:
    return context.samples * context.x.positions


BOUNDS = {
    "conv_transpose": Bound(2, _terms),
    "conv_transpose.dx": Bound(4, _terms_dx),
    "conv_transpose.dw": Bound(4, _terms_dw),
}
ALGORITHM_BOUNDS = {op: {"lane-groups": BOUNDS[op]} | rounded for op, rounded in rounded_bounds(BOUNDS).items()}


def _case(shape: tuple[int, ...], filters: int, kernel: Any, **attributes: Any) -> Case:
    return Case(ConvTranspose(filters=filters, kernel=kernel, **attributes), (TensorType(shape),))


CASES = {
    "conv_transpose": (
        # one axis
        _case((5, 3), 4, 3),
        _case((4, 2), 5, 4, stride=2, padding="same"),
        _case((4, 4), 6, 3, stride=2, padding="causal", groups=2),
        _case((6, 17), 16, 3, padding="full", bias=False),
        _case((1, 1), 2, 1),
        # two axes
        _case((3, 4, 3), 6, 3, stride=2, padding=1, output_padding=1),
        _case((4, 3, 17), 16, 2, stride=2),
        _case((3, 3, 16), 17, 4, stride=2, padding=1),
        _case((3, 4, 5), 33, (1, 3), stride=(3, 1), padding="same"),
        _case((4, 5, 6), 4, 3, dilation=(2, 3), padding=(2, (1, 3)), groups=2),
        _case((2, 3, 4), 4, 2, stride=3, output_padding=2, padding="same"),
        _case((4, 4, 1), 3, 3, stride=(1, 2), padding="full"),
        _case((3, 4, 17), 17, 4, stride=2, padding="same", groups=17),
        _case((3, 3, 3), 6, 3, stride=2, groups=3),
        _case((3, 2, 17), 34, 3, stride=2, padding=1, groups=17),
        _case((1, 1, 4), 16, 4),
        # three axes
        _case((2, 3, 2, 2), 3, 2, stride=2),
        _case((3, 2, 2, 3), 17, 3, stride=(1, 2, 1), padding="same"),
        _case((2, 2, 3, 4), 4, (2, 3, 1), dilation=(2, 1, 1), groups=2, padding=((1, 0), 1, 0)),
    )
}
