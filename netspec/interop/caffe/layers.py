"""What each type of layer of Caffe is in a spec."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from netspec.core import formulas
from netspec.core.graph import Value
from netspec.declarations import initializers as start
from netspec.declarations.ops import activations as act
from netspec.declarations.ops.adaptive_pooling import GlobalMaxPool
from netspec.declarations.ops.axes import AXES
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense, Flatten
from netspec.declarations.ops.depthwise import DepthwiseConv
from netspec.declarations.ops.dropout import Dropout
from netspec.declarations.ops.local_response import Lrn
from netspec.declarations.ops.merge import Add, Concat, Max, Subtract
from netspec.declarations.ops.normalization import BatchNorm
from netspec.declarations.ops.pooling import AvgPool, GlobalAvgPool, MaxPool
from netspec.declarations.ops.products import Multiply, Scale
from netspec.declarations.ops.resizing import Crop
from netspec.declarations.ops.selection import Part, Select
from netspec.declarations.ops.transposed import ConvTranspose
from netspec.interop.caffe.prototxt import Message
from netspec.interop.caffe.reader import FORMS, CaffeLayer, CaffeReader, NotUnderstood
from netspec.interop.forms import register

# Parameters


def filler(message: Message, name: str) -> Any:
    """How a parameter starts; None where nothing is said."""
    if not message.all(name):
        return None
    said = message.message(name)
    kind = said.text("type", "constant")
    if kind == "constant":
        value = said.number("value", 0.0)
        return start.Constant(value=value) if value else start.Zeros()
    if kind == "gaussian":
        return start.Gaussian(std=said.number("std", 1.0), mean=said.number("mean", 0.0))
    if kind == "uniform":
        low, high = said.number("min", 0.0), said.number("max", 1.0)
        return start.Uniform(bound=(high - low) / 2, mean=(high + low) / 2)
    norm = said.text("variance_norm", "FAN_IN")
    if kind == "xavier" and norm in ("FAN_IN", "AVERAGE"):
        return start.LeCun(distribution="uniform") if norm == "FAN_IN" else start.Glorot()
    if kind == "msra" and norm == "FAN_IN":
        return start.He()
    raise NotUnderstood(f"its parameters start by '{kind}' with {norm}", said.span)


def fillers(message: Message, bias: bool) -> dict[str, Any]:
    """How weight and bias start, where that is said and not what they would do anyway."""
    weight, shift = filler(message, "weight_filler"), filler(message, "bias_filler")
    found = {} if weight is None else {"weight": weight}
    return found if shift is None or not bias or isinstance(shift, start.Zeros) else {**found, "bias": shift}


def _used(message: Message, *names: str) -> None:
    """Note fields that say what a spec does anyway, so that they are not told as left out."""
    message.used.update(names)
    for each in [value for name, _, value in message.fields if name in names]:
        if isinstance(each, Message):
            _used(each, *(name for name, _, _ in each.fields))


def window(message: Message, x: Value, name: str, default: int | None, single: str = "") -> tuple[int, ...]:
    """A size along each axis: ``kernel_size`` once or per axis, or ``kernel_h`` and ``kernel_w``."""
    axes, stem = len(x.type.spatial), name.removesuffix("_size")
    given = message.wholes(single or name)
    sides = [message.whole(f"{stem}_{side}", -1) for side in ("h", "w")]
    if min(sides) >= 0 and not given:
        given = sides
    if not given and default is not None:
        given = [default]
    if len(given) not in (1, axes):
        raise NotUnderstood(f"{name} is said {len(given)} times, but an image of {axes} axes comes in", message.span)
    return tuple(given * axes if len(given) == 1 else given)


# Convolutions and matrices


@register(FORMS, "Convolution", "DepthwiseConvolution", "ConvolutionDepthwise", "Deconvolution")
def convolution(read: CaffeReader, layer: CaffeLayer) -> Value:
    """A convolution, or a transposed one."""
    x, said = read.bottom(layer), layer.settings("convolution")
    if not x.type.spatial:
        raise NotUnderstood("an image was expected, but a row of numbers comes in")
    if len(layer.bottoms) > 1 or said.whole("axis", 1) != 1:
        raise NotUnderstood("several bottoms, or another axis than 1", said.span)
    filters, bias = said.whole("num_output", 0), said.flag("bias_term", True)
    groups = said.whole("group", 1)
    said.flag("force_nd_im2col", False)
    given: dict[str, Any] = {
        "kernel": window(said, x, "kernel_size", None),
        "stride": window(said, x, "stride", 1),
        "padding": tuple((cells, cells) for cells in window(said, x, "pad", 0)),
        "dilation": window(said, x, "dilation", 1),
        "bias": bias,
    }
    if filters < 1 or groups < 1 or min((*given["kernel"], *given["stride"], *given["dilation"])) < 1:
        raise NotUnderstood("its filters, groups, kernel and stride are to be at least 1", said.span)
    channels = x.type.channels
    depthwise = groups == channels > 1 or (layer.type.startswith(("Depthwise", "ConvolutionD")) and channels > 1)
    if layer.type == "Deconvolution":
        attrs: Any = ConvTranspose(filters=filters, groups=groups, **given)
    elif depthwise and filters % channels == 0:
        attrs = DepthwiseConv(multiplier=filters // channels, **given)
    else:
        attrs = Conv(filters=filters, groups=groups, **given)
    return read.add(attrs, x, initializers=fillers(said, bias))


@register(FORMS, "InnerProduct")
def inner_product(read: CaffeReader, layer: CaffeLayer) -> Value:
    """A dense layer, which flattens what comes in."""
    said = layer.settings("inner_product")
    if said.whole("axis", 1) != 1 or said.flag("transpose", False):
        raise NotUnderstood("another axis than 1, or transposed weights", said.span)
    units, bias = said.whole("num_output", 0), said.flag("bias_term", True)
    if units < 1:
        raise NotUnderstood("num_output is to be at least 1", said.span)
    return read.add(Dense(units=units, bias=bias), read.row(layer), initializers=fillers(said, bias))


# Pooling and normalisation


@register(FORMS, "Pooling")
def pooling(read: CaffeReader, layer: CaffeLayer) -> Value:
    """The largest number, or the mean; sizes are rounded up."""
    x, said = read.bottom(layer), layer.settings("pooling")
    kind = said.text("pool", "MAX")
    if kind not in ("MAX", "AVE", "0", "1"):
        raise NotUnderstood(f"it pools by {kind}", said.span)
    largest = kind in ("MAX", "0")
    if not x.type.spatial:
        raise NotUnderstood("an image was expected, but a row of numbers comes in")
    if said.flag("global_pooling", False):
        return read.add((GlobalMaxPool if largest else GlobalAvgPool)(keep=True), x)
    size, stride = window(said, x, "kernel_size", None), window(said, x, "stride", 1)
    padding = tuple((cells, cells) for cells in window(said, x, "pad", 0))
    rounding = "floor" if said.text("round_mode", "CEIL") in ("FLOOR", "1") else "ceil"
    given: dict[str, Any] = {"size": size, "stride": stride, "padding": padding, "round": rounding}
    if min((*size, *stride)) < 1:
        raise NotUnderstood("its window and stride are to be at least 1", said.span)
    return read.add(MaxPool(**given) if largest else AvgPool(count_padding=True, **given), x)


@register(FORMS, "LRN")
def lrn(read: CaffeReader, layer: CaffeLayer) -> Value:
    """Across channels, or within one."""
    said = layer.settings("lrn")
    within = said.text("norm_region", "ACROSS_CHANNELS") in ("WITHIN_CHANNEL", "1")
    attrs = Lrn(
        size=said.whole("local_size", 5),
        alpha=said.number("alpha", 1.0),
        beta=said.number("beta", 0.75),
        k=said.number("k", 1.0),
        across="space" if within else "channels",
        scaling="mean",
    )
    return read.add(attrs, read.bottom(layer))


@register(FORMS, "BatchNorm")
def batch_norm(read: CaffeReader, layer: CaffeLayer) -> Value:
    """Without factors, which a layer Scale behind it brings. Which statistics are used follows from the phase."""
    said = layer.settings("batch_norm")
    said.flag("use_global_stats", False)
    attrs = BatchNorm(
        eps=said.number("eps", 1e-5),
        momentum=said.number("moving_average_fraction", 0.999),
        scale=False,
        center=False,
    )
    value = read.draft.add(attrs, read.bottom(layer), name=layer.name)
    layer.message.all("param")  # its three blobs are statistics, never trained
    return value


@register(FORMS, "Scale")
def scale(read: CaffeReader, layer: CaffeLayer) -> Value:
    """Factors of a batch normalisation before it, of their own, or a product of two bottoms."""
    said = layer.settings("scale")
    x, bias = read.bottom(layer), said.flag("bias_term", False)
    if said.whole("axis", 1) != 1 and len(layer.bottoms) == 1:
        raise NotUnderstood("another axis than 1", said.span)
    _used(said, "filler", "bias_filler")
    if len(layer.bottoms) > 1:
        said.all("axis")
        return read.add(Multiply(), x, read.bottom(layer, 1))
    before = read.draft.producer(x)
    if before is not None and isinstance(before.attrs, BatchNorm) and not before.attrs.scale:
        attrs = BatchNorm(eps=before.attrs.eps, momentum=before.attrs.momentum, scale=True, center=bias)
        value = read.draft.add(attrs, *before.inputs, name=before.name)
        read.blobs.update({name: value for name, blob in read.blobs.items() if blob is x and name in layer.tops})
        return value
    return read.add(Scale(bias=bias), x)


# Activations


def _one(make: Callable[[Message], Any], settings: str = "") -> Callable[[CaffeReader, CaffeLayer], Value]:
    def form(read: CaffeReader, layer: CaffeLayer) -> Value:
        return read.add(make(layer.settings(settings) if settings else layer.message), read.bottom(layer))

    return form


def _relu(said: Message) -> Any:
    slope = said.number("negative_slope", 0.0)
    return act.LeakyRelu(slope=slope) if slope else act.Relu()


def _power(said: Message) -> Any:
    if said.number("power", 1.0) != 1 or said.number("shift", 0.0) != 0:
        raise NotUnderstood("a power or a fixed summand", said.span)
    return Scale(by=said.number("scale", 1.0))


def _prelu(said: Message) -> Any:
    if said.flag("channel_shared", False):
        raise NotUnderstood("one slope for all channels", said.span)
    _used(said, "filler")
    return act.PRelu()


FORMS |= {
    "AbsVal": _one(lambda said: act.Abs()),
    "BNLL": _one(lambda said: act.Softplus()),
    "Dropout": _one(lambda said: Dropout(rate=said.number("dropout_ratio", 0.5)), "dropout"),
    "ELU": _one(lambda said: act.Elu(alpha=said.number("alpha", 1.0)), "elu"),
    "Power": _one(_power, "power"),
    "PReLU": _one(_prelu, "prelu"),
    "ReLU": _one(_relu, "relu"),
    "Sigmoid": _one(lambda said: act.Sigmoid()),
    "TanH": _one(lambda said: act.Tanh()),
}


@register(FORMS, "Softmax")
def softmax(read: CaffeReader, layer: CaffeLayer) -> Value:
    """Over the channels."""
    said = layer.settings("softmax")
    if said.whole("axis", 1) != 1:
        raise NotUnderstood("another axis than 1", said.span)
    return read.add(act.Softmax(), read.bottom(layer))


# Merges and parts


@register(FORMS, "Eltwise")
def eltwise(read: CaffeReader, layer: CaffeLayer) -> Value:
    """A sum, a difference, a product, or the largest."""
    said = layer.settings("eltwise")
    kind, factors = said.text("operation", "SUM"), said.numbers("coeff")
    said.flag("stable_prod_grad", True)
    values = [read.bottom(layer, place) for place in range(len(layer.bottoms))]
    merges: dict[str, Any] = {"PROD": Multiply(), "0": Multiply(), "SUM": Add(), "1": Add(), "MAX": Max(), "2": Max()}
    if factors == [1.0, -1.0] and kind in ("SUM", "1"):
        return read.add(Subtract(), *values)
    if kind not in merges or any(factor != 1 for factor in factors):
        raise NotUnderstood(f"{kind} with factors {factors}", said.span)
    return read.add(merges[kind], *values)


def axis_of(x: Value, axis: int, said: Message) -> str:
    """What netspec calls the axis, the batch counted first."""
    names = ("", "channels", *AXES.get(len(x.type.spatial), ()))
    axis += len(names) if axis < 0 else 0
    if not 0 < axis < len(names):
        raise NotUnderstood(f"axis {axis} is that of the samples, or is not there", said.span)
    return names[axis]


@register(FORMS, "Concat")
def concat(read: CaffeReader, layer: CaffeLayer) -> Value:
    """Side by side."""
    said = layer.settings("concat")
    values = [read.bottom(layer, place) for place in range(len(layer.bottoms))]
    if len(values) == 1:
        return values[0]
    axis = axis_of(values[0], said.whole("axis", said.whole("concat_dim", 1)), said)
    return read.add(Concat(axis=axis), *values)


@register(FORMS, "Slice")
def parts(read: CaffeReader, layer: CaffeLayer) -> list[Value]:
    """Equal parts, or between given points."""
    x, said = read.bottom(layer), layer.settings("slice")
    axis = axis_of(x, said.whole("axis", said.whole("slice_dim", 1)), said)
    names = ("channels", *AXES.get(len(x.type.spatial), ()))
    size = (x.type.channels, *x.type.spatial)[names.index(axis)]
    count, points = len(layer.tops), said.wholes("slice_point")
    if not points and count and size % count == 0:
        return [read.add(Part(index=number, of=count, axis=axis), x) for number in range(count)]
    edges = [0, *points, size]
    if len(edges) != count + 1 or sorted(set(edges)) != edges or size > 2**16:
        raise NotUnderstood(f"points {points} do not cut {size} into {count} parts", said.span)
    return [read.add(Select(index=tuple(range(first, end)), axis=axis), x) for first, end in pairwise(edges)]


@register(FORMS, "Split")
def split(read: CaffeReader, layer: CaffeLayer) -> Value:
    """The same under several names."""
    return read.bottom(layer)


@register(FORMS, "Flatten")
def flatten(read: CaffeReader, layer: CaffeLayer) -> Value:
    """A row; Caffe has the channels first in it, which matters to trained weights only."""
    said = layer.settings("flatten")
    if said.whole("axis", 1) != 1 or said.whole("end_axis", -1) != -1:
        raise NotUnderstood("other axes than all", said.span)
    return read.row(layer)


@register(FORMS, "Reshape")
def reshape(read: CaffeReader, layer: CaffeLayer) -> Value:
    """To a row only: Caffe's order of numbers is another."""
    said = layer.settings("reshape")
    dims = said.message("shape").wholes("dim")
    x = read.bottom(layer)
    whole = len(dims) >= 2 and dims[0] == 0 and all(dim in (1, -1, x.type.elements) for dim in dims[1:])
    if not whole or said.whole("axis", 0) != 0 or said.whole("num_axes", -1) != -1:
        raise NotUnderstood("another shape than a row: Caffe has the channels first, netspec last", said.span)
    return read.add(Flatten(), x) if x.type.spatial else x


@register(FORMS, "Crop")
def crop(read: CaffeReader, layer: CaffeLayer) -> Value:
    """The middle, where that is what the offsets say."""
    x, like, said = read.bottom(layer), read.bottom(layer, 1), layer.settings("crop")
    sides, offsets = like.type.spatial, said.wholes("offset") or [0]
    offsets = offsets * len(sides) if len(offsets) == 1 else offsets
    if said.whole("axis", 2) != 2 or len(sides) != len(x.type.spatial):
        raise NotUnderstood("another axis than 2", said.span)
    middle = [formulas.crop_before(n, kept) for n, kept in zip(x.type.spatial, sides, strict=True)]
    if offsets != middle:
        raise NotUnderstood(f"offsets {offsets}, but netspec takes the middle, which begins at {middle}", said.span)
    return read.add(Crop(size=sides), x)


# Ends


@register(FORMS, "SoftmaxWithLoss", "SigmoidCrossEntropyLoss", "EuclideanLoss")
def loss(read: CaffeReader, layer: CaffeLayer) -> None:
    """A head with its loss."""
    kinds = {
        "SoftmaxWithLoss": "cross_entropy",
        "SigmoidCrossEntropyLoss": "binary_cross_entropy",
        "EuclideanLoss": "mean_squared_error",
    }
    if layer.settings("softmax").whole("axis", 1) != 1:
        raise NotUnderstood("another axis than 1")
    weight = layer.message.number("loss_weight", 1.0)
    read.losses.append((layer.name, read.bottom(layer), kinds[layer.type], weight))


@register(FORMS, "Accuracy", "Silence", "ArgMax")
def measured(read: CaffeReader, layer: CaffeLayer) -> None:
    """What only measures."""
    _used(layer.message, *(name for name, _, _ in layer.message.fields))
