"""Layers with parameters, and pooling, in ONNX."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from netspec.core.graph import Node
from netspec.interop.forms import NoFormError, register
from netspec.interop.onnx.writer import FORMS, Writer
from netspec.interop.tensors import (
    Array,
    Turn,
    as_it_is,
    channels_first,
    filters_first,
    flattened_rows,
    inputs_first,
)
from netspec.interop.windows import Padded, cut_window, padded_window, shares


def per_channel(channels: int, axes: int) -> Turn:
    """A number for each channel as ONNX spreads it over an image of so many axes."""
    return Turn((channels,), (0,), (channels, *(1,) * axes))


# Convolutions


def convolution(write: Writer, node: Node, x: str, weight: str, groups: int, bias: bool) -> str:
    """A convolution with the window of the node over its input."""
    padded = padded_window(node.attrs, node.data[0].type)
    window = padded.window
    given = [write.weight(node, weight, filters_first(node.parameter(weight).type.shape))]
    if bias:
        given += write.optional(node, "bias", as_it_is((node.output.type.channels,)))
    return write.add(
        "Conv",
        x,
        *given,
        kernel_shape=list(window.size),
        strides=list(window.stride),
        dilations=list(window.dilation),
        pads=[*padded.before, *padded.after],
        group=groups,
    )


@register(FORMS, "conv")
def conv(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A convolution."""
    return convolution(write, node, x[0], "weight", node.attrs.groups, True)


@register(FORMS, "depthwise_conv")
def depthwise_conv(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A convolution with a group for each channel."""
    return convolution(write, node, x[0], "weight", node.data[0].type.channels, True)


@register(FORMS, "separable_conv")
def separable_conv(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A depthwise convolution and a pointwise one."""
    between = convolution(write, node, x[0], "depthwise_weight", node.data[0].type.channels, False)
    weight = write.weight(node, "pointwise_weight", filters_first(node.parameter("pointwise_weight").type.shape))
    return write.add("Conv", between, weight, *write.optional(node, "bias", as_it_is((node.attrs.filters,))))


@register(FORMS, "conv_transpose")
def conv_transpose(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A transposed convolution. ONNX adds less than a stride at the end; what lies further is the bias alone."""
    cut, attrs = cut_window(node.attrs, node.data[0].type), node.attrs
    window = cut.window
    more = [min(max(-after, 0), stride - 1) for after, stride in zip(cut.after, window.stride, strict=True)]
    beyond = [max(-after, 0) - added for after, added in zip(cut.after, more, strict=True)]
    bias = as_it_is((attrs.filters,))
    weight = write.weight(node, "weight", inputs_first(node.parameter("weight").type.shape, attrs.groups))
    made = write.add(
        "ConvTranspose",
        x[0],
        weight,
        *([] if any(beyond) else write.optional(node, "bias", bias)),
        kernel_shape=list(window.size),
        strides=list(window.stride),
        dilations=list(window.dilation),
        pads=[*window.before, *(max(after, 0) for after in cut.after)],
        output_padding=more,
        group=attrs.groups,
    )
    if not any(beyond):
        return made
    padded = write.add("Pad", made, write.whole(*[0] * (len(beyond) + 4), *beyond))
    rest = write.optional(node, "bias", per_channel(attrs.filters, len(beyond)))
    return write.add("Add", padded, *rest) if rest else padded


# Matrices


@register(FORMS, "dense")
def dense(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A matrix product; its rows follow the order in which ONNX flattens."""
    shape = node.parameter("weight").type.shape
    weight = write.weight(node, "weight", flattened_rows(shape, write.flattened.get(node.data[0]), transposed=True))
    return write.add("Gemm", x[0], weight, *write.optional(node, "bias", as_it_is((node.attrs.units,))), transB=1)


@register(FORMS, "rbf")
def rbf(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Squared distances, written out."""
    shape = node.parameter("weight").type.shape
    points = write.weight(node, "weight", flattened_rows(shape, write.flattened.get(node.data[0]), transposed=False))
    difference = write.add("Sub", write.add("Unsqueeze", x[0], write.whole(2)), points)
    return write.add("ReduceSumSquare", difference, write.whole(1), keepdims=0)


# Normalisation


def affine(write: Writer, node: Node, turn: Turn) -> list[str]:
    """Factors and summands, which ONNX wants in any case."""
    ones: Array = np.ones(turn.shape, np.float32)
    scale = write.optional(node, "scale", turn) or [write.numbers(ones)]
    return [*scale, *(write.optional(node, "shift", turn) or [write.numbers(ones * 0)])]


@register(FORMS, "batch_norm")
def batch_norm(write: Writer, node: Node, x: Sequence[str]) -> str:
    """With the moving statistics."""
    channels = as_it_is((node.data[0].type.channels,))
    given = [
        *affine(write, node, channels),
        write.weight(node, "moving_mean", channels),
        write.weight(node, "moving_variance", channels),
    ]
    return write.add("BatchNormalization", x[0], *given, epsilon=node.attrs.eps, momentum=node.attrs.momentum)


@register(FORMS, "group_norm")
def group_norm(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Groups of channels."""
    given = affine(write, node, as_it_is((node.data[0].type.channels,)))
    return write.add("GroupNormalization", x[0], *given, num_groups=node.attrs.groups, epsilon=node.attrs.eps)


@register(FORMS, "instance_norm")
def instance_norm(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Each channel by itself."""
    given = affine(write, node, as_it_is((node.data[0].type.channels,)))
    return write.add("InstanceNormalization", x[0], *given, epsilon=node.attrs.eps)


@register(FORMS, "layer_norm")
def layer_norm(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Over all numbers of a sample, or over the channels, which ONNX wants last."""
    type, eps = node.data[0].type, node.attrs.eps
    if node.attrs.axes == "all":
        return write.add(
            "LayerNormalization", x[0], *affine(write, node, channels_first(type.shape)), axis=1, epsilon=eps
        )
    given = affine(write, node, as_it_is((type.channels,)))
    axes = len(type.spatial)
    if not axes:
        return write.add("LayerNormalization", x[0], *given, axis=-1, epsilon=eps)
    last = write.add("Transpose", x[0], perm=[0, *range(2, axes + 2), 1])
    normalized = write.add("LayerNormalization", last, *given, axis=-1, epsilon=eps)
    return write.add("Transpose", normalized, perm=[0, axes + 1, *range(1, axes + 1)])


@register(FORMS, "lrn")
def lrn(write: Writer, node: Node, x: Sequence[str]) -> str:
    """ONNX's own across channels of images, else by its formula with a mean of squares from an average pooling.

    ONNX Runtime wants an odd window and factors above 0.
    """
    attrs, type = node.attrs, node.data[0].type
    window = attrs.window(type)
    alpha = attrs.alpha * (1 if attrs.scaling == "mean" else math.prod(window))
    common = len(type.spatial) == 2 and window[0] % 2 and min(alpha, attrs.beta) > 0
    if attrs.across == "channels" and common:
        return write.add("LRN", x[0], size=window[0], alpha=alpha, beta=attrs.beta, bias=attrs.k)
    squares = write.add("Mul", x[0], x[0])
    if attrs.across == "channels":
        rows = write.add("Reshape", squares, write.whole(0, 1, type.channels, type.positions))
        mean = means(write, rows, ((window[0] - 1) // 2, 0), (window[0], 1), (window[0] // 2, 0))
        mean = write.add("Reshape", mean, write.whole(0, type.channels, *type.spatial))
    else:
        mean = means(write, squares, [(n - 1) // 2 for n in window], window, [n // 2 for n in window])
    inner = write.add("Add", write.add("Mul", mean, write.numbers(alpha)), write.numbers(attrs.k))
    return write.add("Mul", x[0], write.add("Pow", inner, write.numbers(-attrs.beta)))


# Pooling


def means(write: Writer, x: str, before: Sequence[int], size: Sequence[int], after: Sequence[int]) -> str:
    """Means under a window that moves by one cell, zeros around counted."""
    pads = [*before, *after]
    return write.add("AveragePool", x, kernel_shape=list(size), pads=pads, count_include_pad=1)


@register(FORMS, "max_pool")
def max_pool(write: Writer, node: Node, x: Sequence[str]) -> str:
    """The largest number, with just the padding that the last windows reach."""
    padded = padded_window(node.attrs, node.data[0].type)
    window = padded.window
    pads = [*padded.before, *padded.reach]
    return write.add("MaxPool", x[0], kernel_shape=list(window.size), strides=list(window.stride), pads=pads)


def _sums_as_means(write: Writer, x: str, padded: Padded) -> str:
    """Sums under the window, divided by its cells."""
    return write.add(
        "AveragePool",
        x,
        kernel_shape=list(padded.window.size),
        strides=list(padded.window.stride),
        pads=[*padded.before, *padded.reach],
        count_include_pad=1,
    )


@register(FORMS, "avg_pool")
def avg_pool(write: Writer, node: Node, x: Sequence[str]) -> str:
    """The mean; where a window reaches beyond the padding, a sum times a share for each place."""
    padded = padded_window(node.attrs, node.data[0].type)
    if not any(padded.before) and not any(padded.reach):
        return _sums_as_means(write, x[0], padded)
    share = shares(padded, node.attrs.count_padding)
    made = _sums_as_means(write, x[0], padded)
    return made if (share == 1).all() else write.add("Mul", made, write.numbers(share))


@register(FORMS, "lp_pool")
def lp_pool(write: Writer, node: Node, x: Sequence[str]) -> str:
    """The root of a sum of powers."""
    padded, p = padded_window(node.attrs, node.data[0].type), node.attrs.p
    powers = write.add("Pow", write.add("Abs", x[0]), write.numbers(p))
    sums = write.add("Mul", _sums_as_means(write, powers, padded), write.numbers(padded.window.taps))
    return write.add("Pow", sums, write.numbers(1 / p))


@register(FORMS, "adaptive_avg_pool", "adaptive_max_pool")
def adaptive_pool(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Bins of equal size are windows; of unequal size ONNX has none."""
    sides, places = node.data[0].type.spatial, node.output.type.spatial
    if any(n % m for n, m in zip(sides, places, strict=True)):
        raise NoFormError("ONNX has no bins of unequal size")
    size = [n // m for n, m in zip(sides, places, strict=True)]
    op_type = "AveragePool" if node.op.name == "adaptive_avg_pool" else "MaxPool"
    return write.add(op_type, x[0], kernel_shape=size, strides=size)


@register(FORMS, "global_avg_pool", "global_max_pool")
def global_pool(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Pooling over all positions."""
    pooled = write.add("GlobalAveragePool" if node.op.name == "global_avg_pool" else "GlobalMaxPool", x[0])
    return pooled if node.attrs.keep else write.add("Flatten", pooled, axis=1)
