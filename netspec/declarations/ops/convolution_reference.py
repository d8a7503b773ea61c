"""Convolution and its gradients, tap by tap: y[n,o,k] = b[k] + Σₜ Σ_c x[n, o·s − p + t·d, c] w[t,c,k]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context, rounded_bounds
from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv, ConvDw, ConvDx
from netspec.declarations.ops.windows_reference import inside, pad, padded_sides, taps

Array = np.ndarray[Any, np.dtype[Any]]


def by_group(groups: int, channels: int, filters: int) -> Iterator[tuple[slice, slice]]:
    """Per group its input channels and its filters."""
    ins, outs = channels // groups, filters // groups
    for group in range(groups):
        yield slice(group * ins, (group + 1) * ins), slice(group * outs, (group + 1) * outs)


def conv(attrs: Conv, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)``, ``w (*window,C/groups,K)``, ``b (K)`` to ``y (N,*output,K)``."""
    x, weight = inputs[:2]
    window = attrs.geometry(context.x)
    padded = pad(x, window)
    y = np.zeros((len(x), *window.output, attrs.filters))
    for ins, outs in by_group(attrs.groups, x.shape[-1], attrs.filters):
        for tap, cells in taps(window):
            y[..., outs] += padded[cells][..., ins] @ weight[tap][:, outs]
    return (y + inputs[2] if attrs.bias else y,)


def conv_dx(attrs: ConvDx, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``dy (N,*output,K)``, ``w`` to ``dx (N,*axes,C)``: every product of the forward sum, sent back to its cell."""
    dy, weight = inputs
    window = attrs.geometry(attrs.x)
    padded = np.zeros((len(dy), *padded_sides(window), attrs.x.channels))
    for ins, outs in by_group(attrs.groups, attrs.x.channels, dy.shape[-1]):
        for tap, cells in taps(window):
            padded[cells][..., ins] += dy[..., outs] @ weight[tap][:, outs].T
    return (padded[inside(window)],)


def conv_dw(attrs: ConvDw, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x``, ``dy`` to ``dw``: per tap, cells times gradients, summed over samples and the positions that meet a cell.

    Where the tap meets padding it adds nothing, whatever the gradient is there: a NaN times nothing is nothing.
    """
    x, dy = inputs
    window = attrs.geometry(context.x)
    padded, real = pad(x, window), pad(np.ones((1, *x.shape[1:-1], 1)), window)
    dw = np.zeros(context.y.shape)
    for ins, outs in by_group(attrs.groups, x.shape[-1], dy.shape[-1]):
        for tap, cells in taps(window):
            met = real[cells][0, ..., 0] == 1
            seen, gradient = padded[cells][:, met], dy[:, met]  # (N, positions, channels)
            dw[tap][:, outs] = np.tensordot(seen[..., ins], gradient[..., outs], axes=((0, 1), (0, 1)))
    return (dw,)


def _terms(context: Context) -> int:
    """A window over the channels of a group, and the bias."""
    attrs = context.node.attrs
    return int(attrs.geometry(context.x).taps * context.x.channels // attrs.groups + 1)


def _terms_dx(context: Context) -> int:
    attrs = context.node.attrs
    return int(attrs.geometry(attrs.x).taps * context.x.channels // attrs.groups)


def _terms_dw(context: Context) -> int:
    return context.samples * context.node.inputs[1].type.positions


BOUNDS = {"conv": Bound(2, _terms), "conv.dx": Bound(4, _terms_dx), "conv.dw": Bound(4, _terms_dw)}


def _of_whole_maps(
    definition: Callable[[Any, Sequence[Array], Context], tuple[Array, ...]], axes: tuple[int, ...]
) -> Callable[[Sequence[Array], Context], tuple[Array, ...]]:
    """The largest magnitude along these axes: in a transformed tile the errors of all its numbers mix."""

    def scale(inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
        (size,) = definition(context.node.attrs, [np.abs(array) for array in inputs], context)
        return (np.broadcast_to(size.max(axis=axes, keepdims=True), size.shape),)

    return scale


def _winograd(c: float) -> dict[str, Bound]:
    """Bounds of the three directions, whose scale is the largest of a map (of a filter, for the weights)."""
    return {
        "conv": Bound(c, _terms, _of_whole_maps(conv, (1, 2))),
        "conv.dx": Bound(c, _terms_dx, _of_whole_maps(conv_dx, (1, 2))),
        "conv.dw": Bound(c, _terms_dw, _of_whole_maps(conv_dw, (0, 1))),
    }


_BY_ALGORITHM = {
    **dict.fromkeys(("lane-groups", "lane-positions", "lane-sums", "lane-taps"), BOUNDS),
    "winograd-2": _winograd(4),
    "winograd-4": _winograd(16),
}
ALGORITHM_BOUNDS = {
    op: {name: bounds[op] for name, bounds in _BY_ALGORITHM.items()} | rounded
    for op, rounded in rounded_bounds(BOUNDS).items()
}
"""Plain sums in another order err as these do. F(2,3) and F(4,3) multiply transformed numbers, which are larger than
the result: their errors stand out."""


def _case(shape: tuple[int, ...], filters: int, kernel: Any, **attributes: Any) -> Case:
    return Case(Conv(filters=filters, kernel=kernel, **attributes), (TensorType(shape),))


CASES = {
    "conv": (
        # one axis
        _case((7, 3), 4, 3),
        _case((9, 2), 5, 2, stride=2, padding="same"),
        _case((8, 4), 4, 3, dilation=2, padding="causal", groups=2),
        _case((6, 17), 16, 3, padding="full", bias=False),
        _case((1, 3), 2, 1),
        _case((10, 3), 4, 3, stride=2, dilation=3, padding="causal"),
        _case((5, 2), 3, 4, stride=2, dilation=2, padding="full"),
        # two axes
        _case((6, 5, 1), 6, 3),
        _case((7, 6, 3), 16, 3, stride=2, padding=1),
        _case((5, 7, 16), 17, 3, padding="same"),
        _case((4, 5, 17), 33, (1, 3), padding=(0, (2, 1))),
        _case((4, 4, 33), 16, 1, stride=2),
        _case((6, 5, 32), 3, (3, 2), stride=(1, 2), padding=1),
        _case((5, 3, 16), 8, 1),
        _case((5, 4, 3), 2, (5, 4)),
        _case((6, 1, 2), 3, (3, 1), padding="full", stride=(2, 1)),
        _case((8, 7, 2), 4, 3, dilation=(2, 3), padding="same"),
        _case((7, 7, 3), 3, 2, stride=3),
        _case((5, 5, 6), 4, 3, groups=2, padding="same"),
        _case((4, 4, 32), 34, 3, groups=2, padding=1, bias=False),
        _case((5, 4, 17), 17, 3, groups=17, padding="same", stride=2),
        _case((5, 4, 3), 6, 3, groups=3, padding=1),
        _case((3, 20, 4), 16, 3, padding="same"),
        _case((4, 3, 5), 4, (2, 3), stride=(1, 2), dilation=(3, 1), padding="full"),
        _case((4, 3, 17), 17, 2, dilation=2, padding="full", groups=17),
        _case((5, 4, 64), 64, 3, padding="same", groups=32),
        _case((4, 7, 36), 24, (3, 2), stride=(2, 1), padding=1, groups=12),
        # three axes
        _case((4, 3, 5, 2), 3, 2),
        _case((2, 3, 2, 3), 4, 2, dilation=(1, 2, 1), padding="full"),
        _case((3, 5, 4, 3), 17, 3, stride=(1, 2, 1), padding="same"),
        _case((5, 4, 4, 4), 4, (2, 3, 1), dilation=(2, 1, 1), groups=2, padding=((1, 0), 1, 0)),
    )
}
