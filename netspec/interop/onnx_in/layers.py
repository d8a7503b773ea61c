"""Matrices and normalisation of ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.graph import Value
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense
from netspec.declarations.ops.group_normalization import GroupNorm, InstanceNorm, LayerNorm
from netspec.declarations.ops.local_response import Lrn
from netspec.declarations.ops.normalization import BatchNorm
from netspec.declarations.ops.rbf import Rbf
from netspec.interop.forms import register
from netspec.interop.onnx_in.folding import plain, whole_numbers
from netspec.interop.onnx_in.graph import Call, Calls
from netspec.interop.onnx_in.reader import FORMS, Match, Reader, pattern
from netspec.interop.onnx_in.views import NotUnderstood, View, like
from netspec.interop.tensors import Array, channels_first

# Matrices


def rows_as_stored(weight: Array, order: Array | None) -> Array:
    """A matrix [inputs, units] with its rows in the order in which netspec stores the numbers that come in."""
    if order is None:
        return np.ascontiguousarray(weight)
    found = np.empty_like(weight)
    found[order] = weight
    return found


def dense(read: Reader, x: str, weight: Array, source: str, bias: Array | None, bias_source: str = "") -> View:
    """A matrix product; ``weight`` is [inputs, units], its rows in ONNX's order."""
    units = weight.shape[1]
    view = read.view(x)
    weights = {} if bias is None else {"bias": np.ascontiguousarray(np.broadcast_to(bias.reshape(-1), (units,)))}
    if len(view.axes) > 2:
        image = read.oriented(x)
        if image.axis(-1) != len(image.value.type.shape) - 1:
            raise NotUnderstood("a matrix product over another axis than the channels")
        kernel = (1,) * len(image.value.type.spatial)
        weights["weight"] = weight.reshape(*kernel, *weight.shape)
        attrs: Any = Conv(filters=units, kernel=kernel, bias=bias is not None)
        return image.view(read.add(attrs, image.value, weights=weights, sources=(source, bias_source)))
    value, order = read.row(x)
    weights["weight"] = rows_as_stored(weight, order)
    attrs = Dense(units=units, bias=bias is not None)
    return read.first_view(read.add(attrs, value, weights=weights, sources=(source, bias_source)))


def matrix(read: Reader, name: str) -> Array:
    """A weight of two axes."""
    found = read.weight(name, "weight")
    if found.ndim != 2:
        raise NotUnderstood(f"its weight '{name}' has {found.ndim} axes, not 2")
    return found


@register(FORMS, "Gemm")
def gemm(read: Reader, call: Call) -> View:
    """A matrix product with a bias."""
    if call.get("transA", 0):
        raise NotUnderstood("what comes in is transposed (transA)")
    weight, bias = matrix(read, call.input(1)), call.input(2)
    weight = (weight.T if call.get("transB", 0) else weight) * np.float32(call.get("alpha", 1.0))
    shift = read.weight(bias, "bias") * np.float32(call.get("beta", 1.0)) if bias else None
    if len(read.view(call.input(0)).axes) != 2:
        raise NotUnderstood("a row of numbers per sample was expected")
    return dense(read, call.input(0), weight, call.input(1), shift, bias)


@register(FORMS, "MatMul")
def matmul(read: Reader, call: Call) -> View:
    """A matrix product without bias."""
    return dense(read, call.input(0), matrix(read, call.input(1)), call.input(1), None)


@pattern("Add")
def matmul_and_bias(calls: Calls, call: Call) -> Match | None:
    """A matrix product, then one number per unit."""
    for x, bias in calls.either_way(call):
        product, shift = calls.made_by(x, "MatMul"), calls.constants.get(bias)
        weight = calls.constants.get(product.input(1)) if product else None
        if product is None or shift is None or weight is None or weight.ndim != 2:
            continue
        if shift.size == weight.shape[1] == shift.shape[-1]:
            source = product.input(1)

            def form(read: Reader, _: Call, product: Call = product, bias: str = bias, source: str = source) -> View:
                return dense(read, product.input(0), matrix(read, source), source, read.weight(bias, "bias"), bias)

            return Match(form, (product.input(0), source, bias), (product,))
    return None


@pattern("ReduceSumSquare")
def squared_distances(calls: Calls, call: Call) -> Match | None:
    """A row, an axis put behind it, a matrix taken away, squared and summed: rbf, as netspec writes it."""
    difference = calls.made_by(call.input(0), "Sub")
    column = calls.made_by(difference.input(0), "Unsqueeze") if difference else None
    points = calls.constants.get(difference.input(1)) if difference else None
    axes = call.get("axes") or (calls.constants.get(call.input(1), np.zeros(0)).tolist())
    behind = column and (column.get("axes") or calls.constants.get(column.input(1), np.zeros(0)).tolist())
    if difference is None or column is None or points is None or points.ndim != 2:
        return None
    if list(axes) != [1] or list(behind or ()) not in ([2], [-1]) or call.get("keepdims", 1):
        return None
    source = difference.input(1)

    def form(read: Reader, _: Call) -> View:
        value, order = read.row(column.input(0))
        weights = {"weight": rows_as_stored(read.weight(source, "weight"), order)}
        return read.first_view(read.add(Rbf(units=points.shape[1]), value, weights=weights, sources=(source,)))

    return Match(form, (column.input(0), source), (difference, column))


# Normalisation


def affine(read: Reader, scale: str, shift: str, shape: Sequence[int]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Whether factors and summands are learned, and those that are; numbers of a formula are not."""
    said: dict[str, Any] = {}
    weights: dict[str, Array] = {}
    for said_as, parameter, name in (("scale", "scale", scale), ("center", "shift", shift)):
        said[said_as] = bool(name) and not read.calls.is_fixed(name)
        if said[said_as]:
            weights[parameter] = read.weight(name, parameter).reshape(shape)
        elif name and read.weight(name, parameter).any() != (parameter == "scale"):
            raise NotUnderstood(f"its fixed {parameter} is not that of a normalisation without one")
    return said, weights


@register(FORMS, "BatchNormalization")
def batch_norm(read: Reader, call: Call) -> View:
    """With the moving statistics."""
    if call.get("training_mode", 0):
        raise NotUnderstood("it normalises by the batch (training_mode)")
    x = read.oriented(call.input(0))
    if x.channels_last:
        raise NotUnderstood("its channels are the second axis of an image that has them last")
    channels = (x.value.type.channels,)
    said, weights = affine(read, call.input(1), call.input(2), channels)
    weights["moving_mean"] = read.weight(call.input(3), "mean").reshape(channels)
    weights["moving_variance"] = read.weight(call.input(4), "variance").reshape(channels)
    attrs = BatchNorm(eps=plain(call.get("epsilon", 1e-5)), momentum=plain(call.get("momentum", 0.9)), **said)
    return x.view(read.add(attrs, x.value, weights=weights, sources=call.inputs[1:]))


@register(FORMS, "InstanceNormalization")
def instance_norm(read: Reader, call: Call) -> View:
    """Each channel by itself; of channels that were put together, groups of them."""
    view = read.view(call.input(0))
    eps = plain(call.get("epsilon", 1e-5))
    parts, axes = view.parts, view.axes
    groups = axes[1] if len(axes) == 3 else ()
    together = tuple(factor for part in (parts[-1][len(groups) :], *parts[:-1]) for factor in part)
    grouped = parts[-1][: len(groups)] == groups and axes[2:] == (together,) and len(parts) > 1 and axes[2] != parts[0]
    if grouped:
        if (read.weight(call.input(1), "scale") != 1).any() or read.weight(call.input(2), "shift").any():
            raise NotUnderstood("a factor or summand for each group of channels")
        attrs: Any = GroupNorm(groups=view.shape[1], eps=eps, scale=False, center=False)
        return like(view, read.add(attrs, view.stored))
    x = read.image(call.input(0))
    said, weights = affine(read, call.input(1), call.input(2), (x.type.channels,))
    attrs = InstanceNorm(eps=eps, **said)
    return read.first_view(read.add(attrs, x, weights=weights, sources=call.inputs[1:]))


@register(FORMS, "GroupNormalization")
def group_norm(read: Reader, call: Call) -> View:
    """Groups of channels; before opset 21 a factor for each group."""
    x, groups = read.image(call.input(0)), int(call.get("num_groups"))
    said, weights = affine(read, call.input(1), call.input(2), (-1,))
    channels = x.type.channels
    weights = {name: np.repeat(array, channels // array.size) for name, array in weights.items()}
    attrs = GroupNorm(groups=groups, eps=plain(call.get("epsilon", 1e-5)), **said)
    return read.first_view(read.add(attrs, x, weights=weights, sources=call.inputs[1:]))


@register(FORMS, "LayerNormalization")
def layer_norm(read: Reader, call: Call) -> View:
    """Over all numbers of a sample, or over the channels."""
    x, eps = read.oriented(call.input(0)), plain(call.get("epsilon", 1e-5))
    first = x.axis(int(call.get("axis", -1)))
    shape = x.value.type.shape
    # Where the axes from `axis` on are the channels alone, they are last.
    if first == len(shape) - 1 and (x.channels_last or len(shape) == 1):
        said, weights = affine(read, call.input(1), call.input(2), shape[-1:])
        attrs = LayerNorm(eps=eps, **said)
    elif x.axis(1) == first:
        outside = shape if x.channels_last else (*shape[-1:], *shape[:-1])
        said, weights = affine(read, call.input(1), call.input(2), outside)
        if not x.channels_last:
            weights = {name: channels_first(shape).inverse(shape).apply(array) for name, array in weights.items()}
        attrs = LayerNorm(eps=eps, axes="all", **said)
    else:
        raise NotUnderstood("it goes over other axes than the channels, or all of them")
    return x.view(read.add(attrs, x.value, weights=weights, sources=call.inputs[1:]))


@register(FORMS, "LRN")
def lrn(read: Reader, call: Call) -> View:
    """Across channels; ONNX divides alpha by the size of the window."""
    x = read.image(call.input(0))
    alpha, beta, k = (plain(call.get(name, usual)) for name, usual in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
    return read.first_view(read.add(_lrn(x, int(call.get("size")), alpha, beta, k, "channels"), x))


def _lrn(x: Value, size: Any, alpha: float, beta: float, k: float, across: str) -> Lrn:
    return Lrn(size=size, alpha=alpha, beta=beta, k=k, across=across, scaling="mean")


@pattern("Mul")
def lrn_written_out(calls: Calls, call: Call) -> Match | None:
    """The formula with a mean of squares from an average pooling, as netspec writes what ONNX Runtime lacks."""
    x, power = call.input(0), calls.made_by(call.input(1), "Pow")
    inner = calls.made_by(power.input(0), "Add") if power else None
    times = calls.made_by(inner.input(0), "Mul") if inner else None
    if not calls.ours or power is None or inner is None or times is None:
        return None
    numbers = [calls.constants.get(each.input(1)) for each in (power, inner, times)]
    covered = [power, inner, times]
    below = calls.made_by(times.input(0), "Reshape", "AveragePool")
    across = "channels" if below is not None and below.op == "Reshape" else "space"
    while below is not None and below.op in ("Reshape", "AveragePool"):
        covered.append(below)
        below = calls.made_by(below.input(0), "Reshape", "AveragePool", "Mul")
    pool = next((each for each in covered if each.op == "AveragePool"), None)
    if below is None or below.inputs != (x, x) or pool is None or any(n is None or n.size != 1 for n in numbers):
        return None
    beta, k, alpha = (plain(float(number.reshape(()))) for number in numbers if number is not None)
    size = tuple(map(int, pool.get("kernel_shape")))

    def form(read: Reader, _: Call) -> View:
        value = read.image(x)
        attrs = _lrn(value, size[0] if across == "channels" else size, alpha, -beta, k, across)
        return read.first_view(read.add(attrs, value))

    return Match(form, (x,), (*covered, below))


def axes_of(read: Reader, call: Call, place: int) -> list[int]:
    """Axes as an attribute, or, as newer opsets have it, as an input."""
    if "axes" in call.attributes:
        return [int(axis) for axis in call.get("axes")]
    return whole_numbers(read.constant(call.input(place), "axes")) if call.input(place) else []
