"""Convolutions and pooling of ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from netspec.core import formulas
from netspec.core.graph import Value
from netspec.core.op import ShapeError
from netspec.core.types import TensorType
from netspec.declarations.ops.adaptive_pooling import GlobalMaxPool
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.depthwise import DepthwiseConv
from netspec.declarations.ops.lp_pooling import LpPool
from netspec.declarations.ops.pooling import AvgPool, GlobalAvgPool, MaxPool
from netspec.declarations.ops.transposed import ConvTranspose
from netspec.interop.forms import register
from netspec.interop.onnx_in.folding import whole_numbers
from netspec.interop.onnx_in.graph import Call, Calls
from netspec.interop.onnx_in.reader import FORMS, Match, Reader, pattern
from netspec.interop.onnx_in.views import NotUnderstood, View
from netspec.interop.tensors import Array, filters_first, inputs_first
from netspec.interop.windows import padded_window, shares

Pairs = tuple[tuple[int, int], ...]
SAME_SHARE = 1e-5
"""How far shares may differ that mean the same: float32 numbers of small fractions."""


def per_axis(call: Call, name: str, axes: int, default: int = 1) -> tuple[int, ...]:
    """An attribute with a number per spatial axis."""
    numbers = tuple(int(number) for number in call.get(name) or (default,) * axes)
    if len(numbers) != axes:
        raise NotUnderstood(f"{name} has {len(numbers)} numbers, but the image {axes} axes")
    return numbers


def paddings(call: Call, x: TensorType, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Pairs:
    """Cells before and after each axis, as ``pads`` or ``auto_pad`` say."""
    axes, how = len(x.spatial), call.get("auto_pad", "NOTSET")
    if how in ("SAME_UPPER", "SAME_LOWER"):
        numbers = zip(x.spatial, size, stride, dilation, strict=True)
        totals = [formulas.same_padding_needed(*each) for each in numbers]
        halves = [(total // 2, total - total // 2) for total in totals]
        return tuple(pair if how == "SAME_UPPER" else (pair[1], pair[0]) for pair in halves)
    pads = tuple(int(number) for number in call.get("pads") or (0,) * 2 * axes) if how == "NOTSET" else (0,) * 2 * axes
    if len(pads) != 2 * axes or min(pads) < 0:
        raise NotUnderstood(f"pads is {list(pads)}, but {2 * axes} numbers of at least 0 were expected")
    return tuple(zip(pads[:axes], pads[axes:], strict=True))


# Convolutions


def convolution(read: Reader, call: Call, bias: str, around: Pairs | None = None, x: str = "") -> View:
    """A convolution with the bias of that name; ``around`` is padding by a node before it, of the input ``x``."""
    value = read.image(x or call.input(0))
    weight = read.weight(call.input(1), "weight")
    axes = len(value.type.spatial)
    if weight.ndim != axes + 2:
        raise NotUnderstood(f"its weight has {weight.ndim} axes, but an image of {axes} axes comes in")
    size, groups = weight.shape[2:], int(call.get("group", 1))
    stride, dilation = per_axis(call, "strides", axes), per_axis(call, "dilations", axes)
    pads = paddings(call, value.type, size, stride, dilation)
    if around is not None:
        pads = tuple((a + c, b + d) for (a, b), (c, d) in zip(pads, around, strict=True))
    filters, channels = weight.shape[0], value.type.channels
    given: dict[str, Any] = {
        "kernel": size,
        "stride": stride,
        "padding": pads,
        "dilation": dilation,
        "bias": bias != "",
    }
    if groups == channels > 1 and filters % channels == 0:
        attrs: Any = DepthwiseConv(multiplier=filters // channels, **given)
    else:
        attrs = Conv(filters=filters, groups=groups, **given)
    shape = (*size, weight.shape[1], filters)
    weights = {"weight": filters_first(shape).inverse(shape).apply(weight)}
    return _with_bias(read, attrs, value, weights, call.input(1), bias, filters)


def _with_bias(
    read: Reader, attrs: Any, value: Value, weights: dict[str, Array], source: str, bias: str, units: int
) -> View:
    if bias:
        weights["bias"] = read.weight(bias, "bias").reshape(units)
    return read.first_view(read.add(attrs, value, weights=weights, sources=(source, bias)))


@register(FORMS, "Conv")
def conv(read: Reader, call: Call) -> View:
    """A convolution."""
    return convolution(read, call, call.input(2))


def transposed(read: Reader, call: Call, bias: str, beyond: Sequence[int] = ()) -> View:
    """A transposed convolution; ``beyond`` are cells that a node behind it adds at the end of each axis."""
    value = read.image(call.input(0))
    weight = read.weight(call.input(1), "weight")
    axes = len(value.type.spatial)
    if call.get("output_shape") or call.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise NotUnderstood("its padding follows from the size of its output (output_shape, auto_pad)")
    if weight.ndim != axes + 2:
        raise NotUnderstood(f"its weight has {weight.ndim} axes, but an image of {axes} axes comes in")
    size, groups = weight.shape[2:], int(call.get("group", 1))
    stride, dilation = per_axis(call, "strides", axes), per_axis(call, "dilations", axes)
    added = per_axis(call, "output_padding", axes, 0)
    filters = weight.shape[1] * groups
    padding: Any = paddings(call, value.type, size, stride, dilation)
    more = tuple(a + b for a, b in zip(added, beyond or (0,) * axes, strict=True))
    if any(cells >= max(s, d) for cells, s, d in zip(more, stride, dilation, strict=True)) and not any(
        map(any, padding)
    ):
        # Of windows smaller than their stride, `same` adds the gap behind the last one by itself.
        cut = [formulas.conv_transpose_same_cut(*each) for each in zip(size, stride, dilation, strict=True)]
        padding, more = "same", tuple(cells + min(gap, 0) for cells, gap in zip(more, cut, strict=True))
    attrs = ConvTranspose(
        filters=filters,
        kernel=size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=bias != "",
        output_padding=more,
    )
    shape = (*size, weight.shape[0] // groups, filters)
    weights = {"weight": inputs_first(shape, groups).inverse(shape).apply(weight)}
    return _with_bias(read, attrs, value, weights, call.input(1), bias, filters)


@register(FORMS, "ConvTranspose")
def conv_transpose(read: Reader, call: Call) -> View:
    """A transposed convolution."""
    return transposed(read, call, call.input(2))


@pattern("Add")
def bias_behind(calls: Calls, call: Call) -> Match | None:
    """A convolution without bias, then one number per channel."""
    for x, bias in calls.either_way(call):
        before = calls.made_by(x, "Conv", "ConvTranspose")
        weight = calls.constants.get(before.input(1)) if before else None
        array = calls.constants.get(bias)
        if before is None or before.input(2) or weight is None or array is None or weight.ndim < 3:
            continue
        units = weight.shape[0] if before.op == "Conv" else weight.shape[1] * before.get("group", 1)
        rank = weight.ndim - 2
        if array.size == units and array.shape[-rank - 1 :] == (units, *(1,) * rank):
            return _with_bias_behind(before, bias)
    return None


def _with_bias_behind(before: Call, bias: str) -> Match:
    form = convolution if before.op == "Conv" else transposed
    return Match(lambda read, _: form(read, before, bias), (before.input(0), before.input(1), bias), (before,))


@pattern("Conv")
def padding_before(calls: Calls, call: Call) -> Match | None:
    """Zeros around an image, then a convolution."""
    pad = calls.made_by(call.input(0), "Pad")
    if pad is None or pad.get("mode", "constant") != "constant" or pad.input(3):
        return None
    pads = pad.get("pads") or calls.constants.get(pad.input(1), np.zeros(0, np.int64)).tolist()
    value = calls.constants.get(pad.input(2), np.float32(pad.get("value", 0.0)))
    axes = len(pads) // 2
    known = 3 <= axes <= 5 and len(pads) == 2 * axes and value.size == 1 and float(value.reshape(())) == 0
    if not known or min(pads) < 0 or any(pads[:2]) or any(pads[axes : axes + 2]):
        return None
    around = tuple(zip(map(int, pads[2:axes]), map(int, pads[axes + 2 :]), strict=True))
    inputs = (pad.input(0), *call.inputs[1:])
    return Match(lambda read, call: convolution(read, call, call.input(2), around, pad.input(0)), inputs, (pad,))


@pattern("Add", "Pad")
def bias_alone_behind(calls: Calls, call: Call) -> Match | None:
    """A transposed convolution, cells of zeros behind it, and the bias over all, as netspec writes what ONNX lacks."""
    pad, bias = call, ""
    if call.op == "Add":
        found = [(calls.made_by(x, "Pad"), bias) for x, bias in calls.either_way(call) if bias in calls.constants]
        if not found or found[0][0] is None:
            return None
        pad, bias = found[0][0], found[0][1]
    before = calls.made_by(pad.input(0), "ConvTranspose")
    pads = calls.constants.get(pad.input(1))
    if not calls.ours or before is None or pads is None or before.input(2) or pad.get("mode", "constant") != "constant":
        return None
    numbers = whole_numbers(pads)
    beyond = numbers[len(numbers) // 2 + 2 :]
    if any(numbers[: len(numbers) // 2 + 2]):
        return None
    covered = (before,) if pad is call else (before, pad)
    inputs = (before.input(0), before.input(1), bias)
    return Match(lambda read, _: transposed(read, before, bias, beyond), inputs, covered)


# Pooling


def pools(make: Callable[..., Any], size: tuple[int, ...], stride: tuple[int, ...], pads: Pairs) -> Iterator[Any]:
    """Ways to say a window, the plainest first: models spell out the cells that a last window reaches beyond."""
    none, even = tuple((0, 0) for _ in pads), tuple((before, before) for before, _ in pads)
    for padding in dict.fromkeys((none, even, pads)):
        for rounding in ("floor", "ceil"):
            yield make(size=size, stride=stride, padding=padding, round=rounding)


def fitting(found: Iterator[Any], wanted: Any, x: TensorType, same: Callable[[Any], bool] = lambda attrs: True) -> Any:
    """The first that covers the same places as the ``wanted`` one."""
    places = wanted.geometry(x)
    for attrs in found:
        try:
            if attrs.geometry(x) == places and same(attrs):
                return attrs
        except ShapeError:
            continue
    return wanted


def window_of(read: Reader, call: Call) -> tuple[Value, tuple[int, ...], tuple[int, ...], Pairs, str]:
    """What goes in, size, step and padding of a pooling, and how its size is rounded."""
    value = read.image(call.input(0))
    axes = len(value.type.spatial)
    if any(number != 1 for number in call.get("dilations") or ()):
        raise NotUnderstood("its window has gaps (dilations)")
    size, stride = per_axis(call, "kernel_shape", axes), per_axis(call, "strides", axes)
    pads = paddings(call, value.type, size, stride, (1,) * axes)
    return value, size, stride, pads, "ceil" if call.get("ceil_mode", 0) else "floor"


@register(FORMS, "MaxPool")
def max_pool(read: Reader, call: Call) -> View:
    """The largest number."""
    value, size, stride, pads, rounding = window_of(read, call)
    wanted = MaxPool(size=size, stride=stride, padding=pads, round=rounding)
    attrs = fitting(pools(MaxPool, size, stride, pads), wanted, value.type)
    return read.first_view(read.add(attrs, value))


@register(FORMS, "AveragePool")
def average_pool(read: Reader, call: Call) -> View:
    """The mean."""
    return average(read, call)


def average(read: Reader, call: Call, factor: Array | None = None) -> View:
    """The mean, times a share for each place where there is one."""
    value, size, stride, pads, rounding = window_of(read, call)
    counts = bool(call.get("count_include_pad", 0))
    wanted = AvgPool(size=size, stride=stride, padding=pads, round=rounding, count_padding=counts)
    x = value.type
    target = shares(padded_window(wanted, x), counts) * (1 if factor is None else factor)

    def same(attrs: AvgPool) -> bool:
        found = shares(padded_window(attrs, x), attrs.count_padding)
        return bool(np.allclose(found, target, rtol=SAME_SHARE, atol=0))

    ways = chain(*(pools(partial(AvgPool, count_padding=each), size, stride, pads) for each in (False, True)))
    attrs = fitting(ways, wanted, x, same)
    if factor is not None and not same(attrs):
        raise NotUnderstood("a mean is multiplied by a number for each place")
    return read.first_view(read.add(attrs, value))


@pattern("Mul")
def shares_behind(calls: Calls, call: Call) -> Match | None:
    """A mean, then a share for each place, as netspec writes windows that reach beyond the padding."""
    for x, name in calls.either_way(call):
        pool, factor = calls.made_by(x, "AveragePool"), calls.constants.get(name)
        if calls.ours and pool is not None and factor is not None and calls.is_fixed(name) and factor.ndim:
            return _times_shares(pool, factor)
    return None


def _times_shares(pool: Call, factor: Array) -> Match:
    return Match(lambda read, _: average(read, pool, factor), (pool.input(0),), (pool,))


@register(FORMS, "LpPool")
def lp_pool(read: Reader, call: Call) -> View:
    """The root of a sum of powers."""
    value, size, stride, pads, rounding = window_of(read, call)
    return _lp_pool(read, value, size, stride, pads, rounding, int(call.get("p", 2)))


def _lp_pool(
    read: Reader, value: Value, size: tuple[int, ...], stride: tuple[int, ...], pads: Pairs, rounding: str, p: int
) -> View:
    wanted = LpPool(size=size, stride=stride, padding=pads, round=rounding, p=p)
    ways = pools(partial(LpPool, p=p), size, stride, pads)
    return read.first_view(read.add(fitting(ways, wanted, value.type), value))


@pattern("Pow")
def powers(calls: Calls, call: Call) -> Match | None:
    """The same written out: a mean of powers, times the cells of the window, and the root."""
    times = calls.made_by(call.input(0), "Mul")
    pool = calls.made_by(times.input(0), "AveragePool") if times else None
    power = calls.made_by(pool.input(0), "Pow") if pool else None
    magnitude = calls.made_by(power.input(0), "Abs") if power else None
    if times is None or pool is None or power is None or magnitude is None:
        return None
    numbers = [calls.constants.get(name) for name in (power.input(1), times.input(1), call.input(1))]
    if any(number is None or number.size != 1 for number in numbers) or not pool.get("count_include_pad", 0):
        return None
    p, taps, root = (float(number.reshape(())) for number in numbers if number is not None)
    if p != int(p) or taps != math.prod(pool.get("kernel_shape", ())) or abs(root * p - 1) > SAME_SHARE:
        return None

    def form(read: Reader, _: Call) -> View:
        inner = Call(pool.number, pool.op, pool.name, (magnitude.input(0),), pool.outputs, pool.attributes)
        return _lp_pool(read, *window_of(read, inner), int(p))

    return Match(form, (magnitude.input(0),), (times, pool, power, magnitude))


@register(FORMS, "GlobalAveragePool", "GlobalMaxPool")
def global_pool(read: Reader, call: Call) -> View:
    """Over all positions; the axes stay."""
    op = GlobalAvgPool if call.op == "GlobalAveragePool" else GlobalMaxPool
    return read.first_view(read.add(op(keep=True), read.image(call.input(0))))


@register(FORMS, "ReduceMean", "ReduceMax")
def reduced(read: Reader, call: Call) -> View:
    """Over all positions, where these are the axes."""
    axes = call.get("axes") or (whole_numbers(read.constant(call.input(1), "axes")) if call.input(1) else [])
    x = read.oriented(call.input(0))
    if sorted(x.axis(int(axis)) for axis in axes) != list(range(len(x.value.type.spatial))):
        raise NotUnderstood("it goes over other axes than all of the image")
    keep = bool(call.get("keepdims", 1))
    made = read.add((GlobalAvgPool if call.op == "ReduceMean" else GlobalMaxPool)(keep=keep), x.value)
    return x.view(made) if keep else read.first_view(made)
