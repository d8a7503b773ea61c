"""A convolution and a max pooling, one after the other: y[n,o,k] = max over window o of (b[k] + Σₜ Σ_c x w)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from netspec.core.graph import Node, Value
from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.convolution_reference import conv
from netspec.declarations.ops.pooled_convolution import ConvPooled
from netspec.declarations.ops.pooling import MaxPool
from netspec.declarations.ops.pooling_reference import max_pool

Array = np.ndarray[Any, np.dtype[Any]]


def conv_pooled(attrs: ConvPooled, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)``, ``w (*window,C/groups,K)``, ``b (K)`` to ``y (N,*output,K)``; a NaN beats every number."""
    (unpooled,) = conv(attrs.conv, inputs, context)
    full = Value("unpooled", attrs.conv.infer(context.x))
    pooling = Node(attrs.pool, (full,), context.node.outputs, context.node.path)
    return max_pool(attrs.pool, [unpooled], replace(context, node=pooling))[:1]


def _terms(context: Context) -> int:
    """A window over the channels of a group, and the bias; a maximum errs no more than what it is chosen from."""
    attrs = context.node.attrs
    return int(attrs.geometry(context.x).taps * context.x.channels // attrs.groups + 1)


BOUNDS = {"conv.pooled": Bound(2, _terms)}
ALGORITHM_BOUNDS = {"conv.pooled": {"lane-positions": BOUNDS["conv.pooled"]}}


def _cases() -> Iterator[Case]:
    for shape, layer, pool in (
        # one axis
        ((11, 3), {"filters": 4, "kernel": 3}, {"size": 2}),
        ((12, 1), {"filters": 3, "kernel": 4, "padding": "same"}, {"size": 2}),
        # two axes
        ((9, 8, 1), {"filters": 6, "kernel": 3, "padding": "same"}, {"size": 2}),
        ((11, 38, 1), {"filters": 5, "kernel": (3, 5)}, {"size": 2, "round": "ceil"}),
        ((9, 10, 6), {"filters": 16, "kernel": 3}, {"size": 2}),
        ((9, 19, 18), {"filters": 35, "kernel": 2, "bias": False}, {"size": 2}),
        ((8, 9, 17), {"filters": 33, "kernel": (3, 2), "padding": "same"}, {"size": 2}),
        ((13, 10, 3), {"filters": 17, "kernel": 3, "stride": (2, 1)}, {"size": (3, 2)}),
        ((8, 9, 5), {"filters": 4, "kernel": 2}, {"size": 2, "stride": 3, "padding": ((1, 0), (0, 1))}),
        ((6, 7, 4), {"filters": 6, "kernel": 2, "groups": 2, "padding": "same"}, {"size": (1, 3), "round": "ceil"}),
        ((5, 6, 16), {"filters": 16, "kernel": 2, "dilation": 2}, {"size": 1}),
        # three axes
        ((3, 7, 6, 2), {"filters": 3, "kernel": (1, 2, 2)}, {"size": (1, 2, 2)}),
        ((4, 5, 4, 1), {"filters": 2, "kernel": 2, "padding": "same"}, {"size": 2}),
    ):
        x, conv = TensorType(shape), Conv(**layer)
        parameters = (TensorType(param.shape, batched=False) for param in conv.params(x).values())
        yield Case(ConvPooled(conv=conv, pool=MaxPool(**pool)), (x, *parameters))


CASES = {"conv.pooled": tuple(_cases())}
