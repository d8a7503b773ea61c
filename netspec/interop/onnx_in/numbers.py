"""Ops of ONNX that go number by number: activations, merges, and arithmetic with constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from netspec.declarations.ops import activations as act
from netspec.declarations.ops.dropout import Dropout
from netspec.declarations.ops.merge import Add, Max, Mean, Subtract
from netspec.declarations.ops.products import Multiply, Scale
from netspec.interop.forms import register
from netspec.interop.onnx_in.folding import plain
from netspec.interop.onnx_in.graph import Call, Calls
from netspec.interop.onnx_in.reader import FORMS, Match, Reader, pattern
from netspec.interop.onnx_in.views import NotUnderstood, View, like, same_view
from netspec.interop.tensors import Array

PLAIN: dict[str, Callable[[Call], Any]] = {
    "Abs": lambda call: act.Abs(),
    "Elu": lambda call: act.Elu(alpha=plain(call.get("alpha", 1.0))),
    "HardSwish": lambda call: act.HardSwish(),
    "LeakyRelu": lambda call: act.LeakyRelu(slope=plain(call.get("alpha", 0.01))),
    "Relu": lambda call: act.Relu(),
    "Sigmoid": lambda call: act.Sigmoid(),
    "Softplus": lambda call: act.Softplus(),
    "Tanh": lambda call: act.Tanh(),
}
"""What is one activation, with its attributes."""
SAME_NUMBER = 1e-4
"""How far a number of a formula may be from what it stands for: exporters write 0.1667 and 1.4142."""


def each_number(read: Reader, x: str, attrs: Any) -> View:
    """A layer that treats every number alike."""
    view = read.view(x)
    return like(view, read.add(attrs, view.stored))


@register(FORMS, *PLAIN)
def activation(read: Reader, call: Call) -> View:
    """One node, one layer."""
    return each_number(read, call.input(0), PLAIN[call.op](call))


@register(FORMS, "Gelu")
def gelu(read: Reader, call: Call) -> View:
    """By the normal distribution."""
    if call.get("approximate", "none") != "none":
        raise NotUnderstood("it is approximated by tanh")
    return each_number(read, call.input(0), act.Gelu())


@register(FORMS, "HardSigmoid")
def hard_sigmoid(read: Reader, call: Call) -> View:
    """With a slope of a sixth."""
    alpha, beta = call.get("alpha", 0.2), call.get("beta", 0.5)
    if abs(alpha - 1 / 6) > SAME_NUMBER or abs(beta - 0.5) > SAME_NUMBER:
        raise NotUnderstood(f"its slope is {alpha:g} and its middle {beta:g}; netspec's are 1/6 and 1/2")
    return each_number(read, call.input(0), act.HardSigmoid())


@register(FORMS, "Swish")
def swish(read: Reader, call: Call) -> View:
    """The input times its sigmoid."""
    if call.get("alpha", 1.0) != 1:
        raise NotUnderstood(f"its alpha is {call.get('alpha'):g}, but 1 is known")
    return each_number(read, call.input(0), act.Silu())


@register(FORMS, "Clip")
def clip(read: Reader, call: Call) -> View:
    """relu6, or relu."""
    limits = [call.get("min", -math.inf), call.get("max", math.inf)]
    for place, name in enumerate(call.inputs[1:3]):
        if name:
            limits[place] = float(read.constant(name, "limit").reshape(()))
    if limits[0] != 0 or (limits[1] != 6 and limits[1] < np.finfo(np.float32).max):
        raise NotUnderstood(f"it clips between {limits[0]:g} and {limits[1]:g}; 0 to 6 and 0 upwards are known")
    return each_number(read, call.input(0), act.Relu6() if limits[1] == 6 else act.Relu())


@register(FORMS, "Identity", "Cast")
def nothing(read: Reader, call: Call) -> View:
    """The same numbers."""
    return read.view(call.input(0))


@register(FORMS, "Dropout")
def dropout(read: Reader, call: Call) -> View:
    """Nothing when training is over, but a layer that training has."""
    rate = call.get("ratio", 0.5) if not call.input(1) else float(read.constant(call.input(1), "ratio").reshape(()))
    if not 0 < rate < 1:
        return read.view(call.input(0))
    return each_number(read, call.input(0), Dropout(rate=plain(rate)))


@register(FORMS, "PRelu")
def prelu(read: Reader, call: Call) -> View:
    """A slope per channel."""
    x = read.image(call.input(0))
    slope, channels = read.weight(call.input(1), "slope"), x.type.channels
    across = slope.reshape(slope.shape[-len(x.type.shape) :]) if slope.ndim > len(x.type.shape) else slope
    if across.size not in (1, channels) or (across.size > 1 and across.shape[1:] != (1,) * len(x.type.spatial)):
        raise NotUnderstood(f"its slope is {list(slope.shape)}, but one per channel is known")
    weights = {"slope": np.array(np.broadcast_to(across.reshape(-1), (channels,)))}
    return read.first_view(read.add(act.PRelu(), x, weights=weights, sources=(call.input(1),)))


@register(FORMS, "Softmax")
def softmax(read: Reader, call: Call) -> View:
    """Over the channels; before opset 13 over all axes from one on."""
    newer = read.calls.opset >= 13
    axis = int(call.get("axis", -1 if newer else 1))
    view = read.view(call.input(0))
    if len(view.axes) == 2:
        read.row(call.input(0))
        view = read.view(call.input(0))
        if axis not in (1, -1):
            raise NotUnderstood("it goes over the samples")
        return like(view, read.add(act.Softmax(), view.stored))
    x = read.oriented(call.input(0))
    if x.axis(axis) != len(x.value.type.shape) - 1 or (
        not newer and not x.channels_last and x.value.type.positions > 1
    ):
        raise NotUnderstood("it goes over other axes than the channels")
    return x.view(read.add(act.Softmax(), x.value))


# Merges


def merge(read: Reader, call: Call, attrs: Any) -> View:
    """Several inputs, number by number."""
    views = [read.view(name) for name in call.inputs]
    if all(same_view(view, views[0]) for view in views):
        return like(views[0], read.add(attrs, *(view.stored for view in views)))
    return read.first_view(read.add(attrs, *map(read.image, call.inputs)))


MERGES: dict[str, Callable[[], Any]] = {"Sum": Add, "Mean": Mean, "Max": Max, "Sub": Subtract}


@register(FORMS, "Sum", "Mean", "Max", "Sub")
def merged(read: Reader, call: Call) -> View:
    """One layer; of a single input nothing, of a constant subtrahend a summand."""
    if len(call.inputs) == 1:
        return read.view(call.input(0))
    if call.op == "Sub" and read.is_constant(call.input(1)):
        return _shifted(read, call.input(0), call.input(1), -1)
    if call.op == "Sum" and len(call.inputs) == 2:
        return _sum_of_two(read, call)
    return merge(read, call, MERGES[call.op]())


@register(FORMS, "Add")
def added(read: Reader, call: Call) -> View:
    """A sum, or a summand."""
    return _sum_of_two(read, call)


def _sum_of_two(read: Reader, call: Call) -> View:
    for x, other in read.calls.either_way(call):
        if read.is_constant(other):
            return _shifted(read, x, other, 1)
    return merge(read, call, Add())


@register(FORMS, "Mul")
def multiplied(read: Reader, call: Call) -> View:
    """A product, of an image with a gate too, or a factor."""
    for x, other in read.calls.either_way(call):
        if read.is_constant(other):
            return _scaled(read, x, other, "")
    views = [read.view(name) for name in call.inputs]
    if same_view(*views):
        return merge(read, call, Multiply())
    values = []
    for name, view in zip(call.inputs, views, strict=True):
        gate = len(view.parts) == 1 and view.axes[1:2] == view.parts and not any(view.axes[2:])
        values.append(view.stored if gate else read.image(name))
    if max(len(value.type.shape) for value in values) < max(len(view.axes) for view in views) - 1:
        return read.first_view(read.add(Multiply(), *map(read.image, call.inputs)))
    return read.first_view(read.add(Multiply(), *values))


@register(FORMS, "Div")
def divided(read: Reader, call: Call) -> View:
    """By a constant."""
    if not read.is_constant(call.input(1)):
        raise NotUnderstood("it divides by numbers that are worked out from what goes in")
    return _scaled(read, call.input(0), call.input(1), "", inverse=True)


# Constants


def per_channel(read: Reader, x: str, name: str) -> tuple[View, Array]:
    """The input, and a constant as a number for each of its channels."""
    array = read.weight(name, "constant")
    view = read.view(x)
    if len(view.axes) == 2:
        value, order = read.row(x)
        numbers = np.array(np.broadcast_to(array.reshape(-1), (value.type.channels,)))
        found = np.empty_like(numbers)
        found[slice(None) if order is None else order] = numbers
        return read.view(x), found
    image = read.oriented(x)
    channels, rank = image.value.type.channels, len(view.axes)
    whole = array.reshape((1,) * (rank - array.ndim) + array.shape)
    sides = [side for axis, side in enumerate(whole.shape) if axis == 0 or image.axis(axis) != rank - 2]
    if any(side != 1 for side in sides):
        raise NotUnderstood(f"constant '{name}' of shape {list(array.shape)} has a number for each place")
    return image.view(image.value), np.array(np.broadcast_to(whole.reshape(-1), (channels,)))


def is_weight(read: Reader, name: str) -> bool:
    """Whether a constant is learned: it has several numbers, or netspec wrote it as a weight."""
    if read.calls.ours:
        return not read.calls.is_fixed(name)
    return read.constant(name).size > 1


def _scaled(read: Reader, x: str, factor: str, shift: str, inverse: bool = False) -> View:
    """``scale``: by one number, or by one per channel, with a summand per channel where there is a ``shift``."""
    weights: dict[str, Array] = {}
    by: Any = "learned"
    view = read.view(x)
    if is_weight(read, factor):
        view, array = per_channel(read, x, factor)
        weights["scale"] = 1 / array if inverse else array
    else:
        number = read.weight(factor, "factor")
        if number.size != 1:
            raise NotUnderstood("a product with a constant of several numbers")
        by = plain(1 / float(number.reshape(())) if inverse else float(number.reshape(())))
    if shift:
        view, weights["shift"] = per_channel(read, x, shift)
    attrs = Scale(by=by, bias=bool(shift))
    return like(view, read.add(attrs, view.stored, weights=weights, sources=(factor if by == "learned" else "", shift)))


def _shifted(read: Reader, x: str, shift: str, sign: int) -> View:
    """``scale`` by 1 with a summand."""
    view, array = per_channel(read, x, shift)
    attrs = Scale(by=1.0, bias=True)
    sources = ("", shift) if sign > 0 else ()
    return like(view, read.add(attrs, view.stored, weights={"shift": np.float32(sign) * array}, sources=sources))


@pattern("Add")
def factor_and_summand(calls: Calls, call: Call) -> Match | None:
    """A product with a constant, then a sum with one."""
    for x, shift in calls.either_way(call):
        times = calls.made_by(x, "Mul")
        if times is None or shift not in calls.constants:
            continue
        for inner, factor in calls.either_way(times):
            if factor in calls.constants:

                def form(read: Reader, _: Call, inner: str = inner, factor: str = factor, shift: str = shift) -> View:
                    return _scaled(read, inner, factor, shift)

                return Match(form, (inner, factor, shift), (times,))
    return None


# Activations written out


def written_out(x: str, attrs: Any, covered: tuple[Call, ...]) -> Match:
    """Several nodes that are one activation of a value."""
    return Match(lambda read, _: each_number(read, x, attrs), (x,), covered)


def _number(calls: Calls, name: str) -> float | None:
    """A constant of one number."""
    found = calls.constants.get(name)
    return float(found.reshape(())) if found is not None and found.size == 1 and found.dtype.kind == "f" else None


def _times(calls: Calls, call: Call) -> tuple[str, float] | None:
    """What is multiplied by one number."""
    for x, other in calls.either_way(call):
        number = _number(calls, other)
        if number is not None:
            return x, number
    return None


@pattern("Mul")
def silu(calls: Calls, call: Call) -> Match | None:
    """The input times its sigmoid, or its hard sigmoid."""
    known = {"Sigmoid": act.Silu(), "HardSigmoid": act.HardSwish()}
    for x, other in calls.either_way(call):
        gate = calls.made_by(other, *known)
        if gate is None or gate.input(0) != x:
            continue
        plain_gate = gate.op == "Sigmoid" or abs(gate.get("alpha", 0.2) - 1 / 6) < SAME_NUMBER
        if plain_gate and gate.get("beta", 0.5) == 0.5:
            return written_out(x, known[gate.op], (gate,))
    return None


@pattern("Tanh", "Mul")
def scaled_tanh(calls: Calls, call: Call) -> Match | None:
    """A tanh(Sx)."""
    covered: list[Call] = []
    scale, bend = 1.0, call
    if call.op == "Mul":
        found = _times(calls, call)
        inner = calls.made_by(found[0], "Tanh") if found else None
        if found is None or inner is None:
            return None
        scale, bend = found[1], inner
        covered.append(inner)
    times = calls.made_by(bend.input(0), "Mul")
    inside = _times(calls, times) if times else None
    x, slope = inside or (bend.input(0), 1.0)
    covered += [times] if times and inside else []
    if min(scale, slope) <= 0 or not covered:
        return None
    return written_out(x, act.Tanh(scale=plain(scale), slope=plain(slope)), tuple(covered))


@pattern("Div", "Mul")
def hard_activation(calls: Calls, call: Call) -> Match | None:
    """x + 3, clipped at 6, over 6: hard_sigmoid, or with another x before it hard_swish."""
    share = _share_of_six(calls, call)
    if share is None:
        return None
    gated = calls.made_by(share, "Mul")
    clipped = calls.made_by(share, "Clip")
    covered: tuple[Call, ...] = ()
    outer = ""
    if gated is not None:
        for x, other in calls.either_way(gated):
            inner = calls.made_by(other, "Clip")
            if inner is not None:
                outer, clipped, covered = x, inner, (gated,)
    moved = calls.made_by(clipped.input(0), "Add") if clipped else None
    if clipped is None or moved is None or _limits(calls, clipped) != (0, 6):
        return None
    for x, three in calls.either_way(moved):
        if _number(calls, three) == 3 and outer in ("", x):
            return written_out(x, act.HardSwish() if outer else act.HardSigmoid(), (*covered, clipped, moved))
    return None


def _share_of_six(calls: Calls, call: Call) -> str | None:
    if call.op == "Div":
        return call.input(0) if _number(calls, call.input(1)) == 6 else None
    found = _times(calls, call)
    return found[0] if found and abs(found[1] - 1 / 6) < SAME_NUMBER else None


def _limits(calls: Calls, clip: Call) -> tuple[float | None, float | None]:
    low, high = clip.get("min"), clip.get("max")
    return (
        _number(calls, clip.input(1)) if clip.input(1) else low,
        _number(calls, clip.input(2)) if clip.input(2) else high,
    )


@pattern("Mul")
def gelu_written_out(calls: Calls, call: Call) -> Match | None:
    """x (1 + erf(x/√2)) times a half, or x/2 times the bracket."""
    halved = _times(calls, call)
    product = calls.made_by(halved[0], "Mul") if halved and abs(halved[1] - 0.5) < SAME_NUMBER else None
    for x, bracket in calls.either_way(product or call):
        found = _error_function(calls, bracket)
        if found is None:
            continue
        source, covered = found
        half = None if product else calls.made_by(x, "Mul")
        before = _times(calls, half) if half else None
        if half and before and before[0] == source and abs(before[1] - 0.5) < SAME_NUMBER:
            covered = (*covered, half)
        elif not product or x != source:
            continue
        parts = (*covered, product) if product else covered
        return written_out(source, act.Gelu(), parts)
    return None


def _error_function(calls: Calls, name: str) -> tuple[str, tuple[Call, ...]] | None:
    """The x of 1 + erf(x/√2), and the nodes of that."""
    one = calls.made_by(name, "Add")
    for inner, other in calls.either_way(one) if one else ():
        erf = calls.made_by(inner, "Erf") if _number(calls, other) == 1 else None
        scaled = calls.made_by(erf.input(0), "Div", "Mul") if erf else None
        if one is None or erf is None or scaled is None:
            continue
        if scaled.op == "Div":
            root = _number(calls, scaled.input(1))
            argument = None if root is None or not root else (scaled.input(0), 1 / root)
        else:
            argument = _times(calls, scaled)
        if argument is not None and abs(argument[1] - math.sqrt(0.5)) < SAME_NUMBER:
            return argument[0], (one, erf, scaled)
    return None
