"""Every layer that ONNX can say, said in ONNX: one function per op, from its attributes and arrays to ONNX's answer.

Data come and go channels-last; parameters come by name. Where ONNX's own Python, the oracle, is known to be at fault or
to be unfinished, the function goes round that place, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from onnx import TensorProto
from onnx_oracle import channels_first, channels_last, run_onnx

from netspec.core.types import TensorType

Array = np.ndarray[Any, np.dtype[Any]]
Parameters = Mapping[str, Array]
Layer = Callable[[Any, Sequence[Array], Parameters], Array]

LAYERS: dict[str, Layer] = {}
"""What ONNX makes of a layer, by the name of its op."""

UNKNOWN = {
    "adaptive_avg_pool": "ONNX has no bins of unequal size",
    "adaptive_max_pool": "ONNX has no bins of unequal size",
    "locally_connected": "ONNX has no weights that differ from place to place",
    "median_pool": "ONNX has no median",
    "rbf": "ONNX has no distances",
}
"""Why ONNX has nothing to say; closed forms stand in for it, in tests/declarations."""


def layer(*names: str) -> Callable[[Layer], Layer]:
    def enter(function: Layer) -> Layer:
        LAYERS.update(dict.fromkeys(names, function))
        return function

    return enter


def first(op_type: str, inputs: Sequence[Array], **attributes: Any) -> Array:
    """The only output, on arrays as ONNX has them."""
    return run_onnx(op_type, inputs, **attributes)[0]


def on_images(op_type: str, x: Array, *others: Array, **attributes: Any) -> Array:
    """The same, with the channels moved there and back."""
    return channels_last(first(op_type, [channels_first(x), *others], **attributes))


def whole(*values: int) -> Array:
    return np.array(values, np.int64)


def per_channel(values: Array, x: Array) -> Array:
    """One number per channel, as ONNX spreads it over an image."""
    return values.reshape(-1, *(1,) * (x.ndim - 2))


# Elementwise

SINGLE: dict[str, tuple[str, Callable[[Any], dict[str, float]]]] = {
    "abs": ("Abs", lambda a: {}),
    "elu": ("Elu", lambda a: {"alpha": a.alpha}),
    "gelu": ("Gelu", lambda a: {}),
    "hard_sigmoid": ("HardSigmoid", lambda a: {"alpha": 1 / 6, "beta": 0.5}),
    "hard_swish": ("HardSwish", lambda a: {}),
    "identity": ("Identity", lambda a: {}),
    "leaky_relu": ("LeakyRelu", lambda a: {"alpha": a.slope}),
    "linear": ("Identity", lambda a: {}),
    "relu": ("Relu", lambda a: {}),
    "sigmoid": ("Sigmoid", lambda a: {}),
    "softplus": ("Softplus", lambda a: {}),
}


def elementwise(op_type: str, options: Callable[[Any], dict[str, float]], attrs: Any, x: Any, _: Parameters) -> Array:
    return first(op_type, x, **options(attrs))


LAYERS.update({name: partial(elementwise, *how) for name, how in SINGLE.items()})


@layer("relu6")
def relu6(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    return first("Clip", [x[0], np.array(0.0), np.array(6.0)])


@layer("silu")
def silu(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    return first("Mul", [x[0], first("Sigmoid", x)])


@layer("tanh")
def tanh(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    inner = first("Mul", [x[0], np.array(float(attrs.slope))])
    return first("Mul", [first("Tanh", [inner]), np.array(float(attrs.scale))])


@layer("prelu")
def prelu(attrs: Any, x: Sequence[Array], parameters: Parameters) -> Array:
    return on_images("PRelu", x[0], per_channel(parameters["slope"], x[0]))


@layer("softmax")
def softmax(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    return first("Softmax", x, axis=-1)


@layer("dropout")
def dropout(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    return first("Dropout", [x[0], np.array(attrs.rate, np.float32), np.array(False)])


@layer("scale")
def scale(attrs: Any, x: Sequence[Array], parameters: Parameters) -> Array:
    factor = parameters["scale"] if attrs.by == "learned" else np.array(float(attrs.by))
    scaled = first("Mul", [x[0], factor])
    shift = [parameters[name] for name in parameters if name != "scale"]
    return first("Add", [scaled, *shift]) if shift else scaled


# Merges

for name, op_type in {"add": "Sum", "subtract": "Sub", "mean": "Mean", "max": "Max"}.items():
    LAYERS[name] = partial(elementwise, op_type, lambda a: {})


@layer("multiply")
def multiply(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    """A row ``(N, C)`` stands for an image of one place; beyond that ONNX stretches by itself."""
    axes = max(each.ndim for each in x)
    product, *others = (each.reshape(len(each), *(1,) * (axes - each.ndim), *each.shape[1:]) for each in x)
    for other in others:
        product = first("Mul", [product, other])
    return product


@layer("concat")
def concat(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    return first("Concat", x, axis=attrs.axis_index(x[0].ndim - 2) + 1)


# Windows


def window_of(attrs: Any, x: Array) -> dict[str, Any]:
    """The window as ONNX is told of it: with its padding in cells."""
    type = TensorType(x.shape[1:])
    window = attrs.geometry(type)
    pads = [*window.before, *attrs.padding_after(type)]
    return {"kernel_shape": list(window.size), "strides": list(window.stride), "pads": pads}


def convolved(attrs: Any, x: Array, weight: Array, bias: Array | None, groups: int) -> Array:
    dilations = list(attrs.geometry(TensorType(x.shape[1:])).dilation)
    given = [np.moveaxis(weight, (-1, -2), (0, 1)), *([] if bias is None else [bias])]
    return on_images("Conv", x, *given, **window_of(attrs, x), dilations=dilations, group=groups)


@layer("conv")
def conv(attrs: Any, x: Sequence[Array], parameters: Parameters) -> Array:
    return convolved(attrs, x[0], parameters["weight"], parameters.get("bias"), attrs.groups)


@layer("depthwise_conv")
def depthwise_conv(attrs: Any, x: Sequence[Array], parameters: Parameters) -> Array:
    return convolved(attrs, x[0], parameters["weight"], parameters.get("bias"), x[0].shape[-1])


@layer("separable_conv")
def separable_conv(attrs: Any, x: Sequence[Array], parameters: Parameters) -> Array:
    between = convolved(attrs, x[0], parameters["depthwise_weight"], None, x[0].shape[-1])
    given = [np.moveaxis(parameters["pointwise_weight"], (-1, -2), (0, 1))]
    return on_images("Conv", between, *given, *([parameters["bias"]] if attrs.bias else []))


@layer("conv_transpose")
def conv_transpose(attrs: Any, x: Sequence[Array], parameters: Parameters) -> Array:
    """Group by group: ONNX's Python handles one only. What is cut off is found from the size of the output.

    ONNX adds less than a stride at the end; what lies further is out of reach of every window and 0.
    """
    window = attrs.reverse(TensorType(x[0].shape[1:]))
    axes = zip(window.input, window.output, window.stride, window.size, window.dilation, window.before, strict=True)
    after = [(n - 1) * s - before + d * (k - 1) + 1 - size for size, n, s, k, d, before in axes]
    more = [min(max(-each, 0), stride - 1) for each, stride in zip(after, window.stride, strict=True)]
    beyond = [max(-each, 0) - added for each, added in zip(after, more, strict=True)]
    options = {
        "strides": list(window.stride),
        "dilations": list(window.dilation),
        "pads": [*window.before, *(max(each, 0) for each in after)],
        "output_padding": more,
    }
    parts = zip(*(np.split(each, attrs.groups, axis=-1) for each in (x[0], parameters["weight"])), strict=True)
    made = [on_images("ConvTranspose", part, np.moveaxis(w, (-2, -1), (0, 1)), **options) for part, w in parts]
    y = first("Pad", [np.concatenate(made, axis=-1), whole(*[0] * (len(beyond) + 2), 0, *beyond, 0)])
    return first("Add", [y, parameters["bias"]]) if attrs.bias else y


def padded(x: Array, window: dict[str, Any], value: float) -> tuple[Array, dict[str, Any]]:
    """Image and window, the padding laid around beforehand where the image alone is smaller than the window.

    ONNX's Python refuses such a window, although with its padding it fits.
    """
    if all(k <= n for k, n in zip(window["kernel_shape"], x.shape[1:-1], strict=True)):
        return x, window
    axes = x.ndim - 2
    pads = whole(0, *window["pads"][:axes], 0, 0, *window["pads"][axes:], 0)
    return first("Pad", [x, pads, np.array(value)]), {**window, "pads": [0] * 2 * axes}


@layer("max_pool")
def max_pool(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    image, window = padded(x[0], window_of(attrs, x[0]), -math.inf)
    return on_images("MaxPool", image, **window, ceil_mode=int(attrs.round == "ceil"))


@layer("avg_pool")
def avg_pool(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    rounding = {"ceil_mode": int(attrs.round == "ceil"), "count_include_pad": int(attrs.count_padding)}
    return on_images("AveragePool", x[0], **window_of(attrs, x[0]), **rounding)


@layer("lp_pool")
def lp_pool(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    """As a convolution of powers with ones: of a window beyond the edge ONNX's Python makes a mean in LpPool."""
    window, channels = attrs.geometry(TensorType(x[0].shape[1:])), x[0].shape[-1]
    axes = zip(window.input, window.output, window.size, window.stride, window.before, strict=True)
    after = [max((places - 1) * s + k - before - n, 0) for n, places, k, s, before in axes]
    powers = first("Pow", [first("Abs", x), np.array(float(attrs.p))])
    ones = np.ones((channels, 1, *window.size))
    options = {"strides": list(window.stride), "pads": [*window.before, *after], "group": channels}
    return first("Pow", [on_images("Conv", powers, ones, **options), np.array(1 / attrs.p)])


def pooled(x: Array, reduction: str, keep: bool) -> Array:
    axes = whole(*range(1, x.ndim - 1))
    return first(reduction, [x, axes], keepdims=int(keep))


@layer("global_avg_pool")
def global_avg_pool(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    return pooled(x[0], "ReduceMean", attrs.keep)


@layer("global_max_pool")
def global_max_pool(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    return pooled(x[0], "ReduceMax", attrs.keep)


# Matrices


@layer("dense")
def dense(attrs: Any, x: Sequence[Array], parameters: Parameters) -> Array:
    return first("Gemm", [x[0], *(parameters[name] for name in ("weight", "bias") if name in parameters)])


# Normalisations


def affine(attrs: Any, parameters: Parameters, shape: tuple[int, ...]) -> list[Array]:
    """Factors and summands, which ONNX wants in any case."""
    return [parameters.get("scale", np.ones(shape)), parameters.get("shift", np.zeros(shape))]


@layer("batch_norm")
def batch_norm(attrs: Any, x: Sequence[Array], parameters: Parameters) -> Array:
    statistics = [parameters["moving_mean"], parameters["moving_variance"]]
    given = [*affine(attrs, parameters, x[0].shape[-1:]), *statistics]
    return on_images("BatchNormalization", x[0], *given, epsilon=attrs.eps)


@layer("group_norm")
def group_norm(attrs: Any, x: Sequence[Array], parameters: Parameters) -> Array:
    options = {"num_groups": attrs.groups, "epsilon": attrs.eps, "stash_type": TensorProto.DOUBLE}
    return on_images("GroupNormalization", x[0], *affine(attrs, parameters, x[0].shape[-1:]), **options)


@layer("instance_norm")
def instance_norm(attrs: Any, x: Sequence[Array], parameters: Parameters) -> Array:
    given = affine(attrs, parameters, x[0].shape[-1:])
    return on_images("InstanceNormalization", x[0], *given, epsilon=attrs.eps)


@layer("layer_norm")
def layer_norm(attrs: Any, x: Sequence[Array], parameters: Parameters) -> Array:
    shape = x[0].shape[1:] if attrs.axes == "all" else x[0].shape[-1:]
    return first("LayerNormalization", [x[0], *affine(attrs, parameters, shape)], axis=-len(shape), epsilon=attrs.eps)


@layer("lrn")
def lrn(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    """Across channels ONNX's LRN, which takes the mean; across space Caffe's way of an average pooling of squares."""
    sides = attrs.window(TensorType(x[0].shape[1:]))
    alpha = attrs.alpha * (1 if attrs.scaling == "mean" else math.prod(sides))
    if attrs.across == "space":
        # The extra cell of an even side comes after.
        pads = [*((side - 1) // 2 for side in sides), *(side // 2 for side in sides)]
        mean = on_images("AveragePool", x[0] ** 2, kernel_shape=list(sides), pads=pads, count_include_pad=1)
        power = first("Pow", [attrs.k + alpha * mean, np.array(attrs.beta)])
        return first("Div", [x[0], power])
    # ONNX's Python fills as many channels as there are samples, and reads a row as no image: so there are as many.
    options = {"size": sides[0], "alpha": alpha, "beta": attrs.beta, "bias": attrs.k}
    rows = x[0].reshape(-1, 1, 1, x[0].shape[-1])
    made = [on_images("LRN", np.repeat(row[None], row.shape[-1], 0), **options)[0] for row in rows]
    return np.stack(made).reshape(x[0].shape)


# Shapes


@layer("flatten")
def flatten(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    return first("Flatten", x, axis=1)


@layer("reshape")
def reshape(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    return first("Reshape", [x[0], whole(len(x[0]), *attrs.shape)])


@layer("depth_to_space")
def depth_to_space(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    """ONNX knows squares in two axes; any other number of cells is dealt out as it says of its own: the mode DCR."""
    factors = attrs.factors(TensorType(x[0].shape[1:]))
    if len(factors) == 2 and factors[0] == factors[1]:
        return on_images("DepthToSpace", x[0], blocksize=factors[0], mode="DCR")
    sides, axes = x[0].shape[1:-1], len(factors)
    cells = first("Reshape", [channels_first(x[0]), whole(len(x[0]), *factors, -1, *sides)])
    order = [axes + 1, *(place for axis in range(axes) for place in (axes + 2 + axis, 1 + axis))]
    turned = first("Transpose", [cells], perm=[0, *order])
    longer = (side * factor for side, factor in zip(sides, factors, strict=True))
    return channels_last(first("Reshape", [turned, whole(len(x[0]), turned.shape[1], *longer)]))


@layer("channel_shuffle")
def channel_shuffle(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    dealt = first("Reshape", [x[0], whole(*x[0].shape[:-1], attrs.groups, -1)])
    axes = list(range(x[0].ndim - 1))
    turned = first("Transpose", [dealt], perm=[*axes, len(axes) + 1, len(axes)])
    return first("Reshape", [turned, whole(*x[0].shape)])


@layer("part")
def part(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    axis = place(attrs, x[0])
    return run_onnx("Split", x, axis=axis, num_outputs=attrs.of, outputs=attrs.of)[attrs.index]


@layer("select")
def select(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    index = (attrs.index,) if isinstance(attrs.index, int) else attrs.index
    return first("Gather", [x[0], whole(*index)], axis=place(attrs, x[0]))


def place(attrs: Any, x: Array) -> int:
    """Of the axis that is named, the batch counted."""
    names = {2: ("length",), 3: ("height", "width"), 4: ("depth", "height", "width")}.get(x.ndim - 1, ())
    return x.ndim - 1 if attrs.axis == "channels" else names.index(attrs.axis) + 1


@layer("crop")
def crop(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    axes = range(1, x[0].ndim - 1)
    kept = attrs.like[:-1] if attrs.like else (attrs.size,) * len(axes) if isinstance(attrs.size, int) else attrs.size
    starts = [(x[0].shape[axis] - n) // 2 for axis, n in zip(axes, kept, strict=True)]
    ends = [start + n for start, n in zip(starts, kept, strict=True)]
    return first("Slice", [x[0], whole(*starts), whole(*ends), whole(*axes)])


@layer("pad")
def pad(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    axes = x[0].ndim - 2
    amounts = (attrs.amount,) * axes if isinstance(attrs.amount, int) else attrs.amount
    pairs = [(each, each) if isinstance(each, int) else each for each in (0, *amounts, attrs.channels)]
    pads = whole(*(before for before, _ in pairs), *(after for _, after in pairs))
    mode = {"value": "constant", "reflect": "reflect", "replicate": "edge"}[attrs.mode]
    return first("Pad", [x[0], pads, *([np.array(float(attrs.value))] if mode == "constant" else [])], mode=mode)


@layer("upsample")
def upsample(attrs: Any, x: Sequence[Array], _: Parameters) -> Array:
    sides = x[0].shape[1:-1]
    if attrs.like:
        scales = [to / n for to, n in zip(attrs.like[:-1], sides, strict=True)]
    else:
        scales = [attrs.factor] * len(sides) if isinstance(attrs.factor, int) else list(attrs.factor)
    given = [np.array([], np.float64), np.array([1.0, 1.0, *scales])]
    if attrs.method == "nearest":
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return on_images("Resize", x[0], *given, **how)
