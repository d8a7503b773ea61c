"""Locally connected layers, tap by tap: y[n,o,k] = b[o,k] + Σₜ Σ_c x[n, o·s − p + t·d, c] w[o,t,c,k]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.declarations.ops.convolution_reference import by_group
from netspec.declarations.ops.locally_connected import LocallyConnected, LocallyConnectedDw, LocallyConnectedDx
from netspec.declarations.ops.windows_reference import inside, pad, padded_sides, taps

Array = np.ndarray[Any, np.dtype[Any]]


def _at(window: WindowGeometry, tap: tuple[int, ...]) -> tuple[Any, ...]:
    """Index of a tap's weights at every place."""
    return (*(slice(None),) * len(window.output), *tap)


def locally_connected(attrs: LocallyConnected, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)``, ``w (*output,*window,C/groups,K)``, ``b (*output,K)`` to ``y (N,*output,K)``."""
    x, weight = inputs[:2]
    window = attrs.geometry(context.x)
    padded = pad(x, window)
    y = np.zeros((len(x), *window.output, attrs.filters))
    for ins, outs in by_group(attrs.groups, x.shape[-1], attrs.filters):
        for tap, cells in taps(window):
            here = weight[_at(window, tap)][..., outs]
            y[..., outs] += np.einsum("n...c,...ck->n...k", padded[cells][..., ins], here)
    return (y + inputs[2] if attrs.bias else y,)


def locally_connected_dx(attrs: LocallyConnectedDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``dy (N,*output,K)``, ``w`` to ``dx (N,*axes,C)``: every product of the forward sum, sent back to its cell."""
    dy, weight = inputs
    window = attrs.layer.geometry(attrs.x)
    padded = np.zeros((len(dy), *padded_sides(window), attrs.x.channels))
    for ins, outs in by_group(attrs.layer.groups, attrs.x.channels, dy.shape[-1]):
        for tap, cells in taps(window):
            here = weight[_at(window, tap)][..., outs]
            padded[cells][..., ins] += np.einsum("n...k,...ck->n...c", dy[..., outs], here)
    return (padded[inside(window)],)


def locally_connected_dw(attrs: LocallyConnectedDw, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x``, ``dy`` to ``dw``: per place and tap, its cell times its gradient, summed over samples; 0 in the padding.

    Where the tap meets padding it adds nothing, whatever the gradient is there: a NaN times nothing is nothing.
    """
    x, dy = inputs
    window = attrs.layer.geometry(context.x)
    padded, real = pad(x, window), pad(np.ones((1, *x.shape[1:-1], 1)), window)
    dw = np.zeros(context.y.shape)
    for ins, outs in by_group(attrs.layer.groups, x.shape[-1], dy.shape[-1]):
        for tap, cells in taps(window):
            products = np.einsum("n...c,n...k->...ck", padded[cells][..., ins], dy[..., outs])
            dw[_at(window, tap)][..., outs] = np.where(real[cells][0, ..., None] == 1, products, 0.0)
    return (dw,)


def _terms(context: Context) -> int:
    """A window over the channels of a group, and the bias."""
    attrs = context.node.attrs
    return int(attrs.geometry(context.x).taps * context.x.channels // attrs.groups + 1)


def _terms_dx(context: Context) -> int:
    layer = context.node.attrs.layer
    return int(layer.geometry(context.node.attrs.x).taps * context.x.channels // layer.groups)


BOUNDS = {
    "locally_connected": Bound(2, _terms),
    "locally_connected.dx": Bound(4, _terms_dx),
    "locally_connected.dw": Bound(4, lambda context: context.samples),
}


def _case(shape: tuple[int, ...], filters: int, kernel: Any, **attributes: Any) -> Case:
    return Case(LocallyConnected(filters=filters, kernel=kernel, **attributes), (TensorType(shape),))


CASES = {
    "locally_connected": (
        _case((7, 3), 4, 3),
        _case((6, 4), 6, 3, dilation=2, padding="causal", groups=2),
        _case((1, 1), 1, 1),
        _case((5, 4, 3), 17, 3, padding="same"),
        _case((4, 5, 17), 5, (2, 3), stride=2, padding=1, bias=False),
        _case((5, 4, 1), 2, (5, 4)),
        _case((3, 4, 34), 36, 2, groups=2),
        _case((4, 3, 6), 6, 2, groups=6, padding="full"),
        _case((3, 4, 2, 2), 3, 2, stride=(1, 2, 1)),
    )
}
