"""Layers with parameters, and pooling, in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netspec.core.graph import Node
from netspec.core.types import TensorType
from netspec.interop.forms import register
from netspec.interop.pytorch.writer import FORMS, HELPERS, Turned, Writer, call, fpad, shape_text, sides
from netspec.interop.tensors import (
    Turn,
    as_it_is,
    channels_first,
    filters_first,
    flattened_rows,
    inputs_first,
)
from netspec.interop.windows import cut_window, padded_window


def axes_of(x: TensorType) -> int:
    """The number of spatial axes."""
    return len(x.spatial)


# Convolutions


def convolution(
    write: Writer, node: Node, x: str, weight: str, filters: int, groups: int, bias: bool, part: str
) -> str:
    """A convolution with the window of the node over its input."""
    type = node.data[0].type
    padded = padded_window(node.attrs, type)
    window = padded.window
    if not padded.even:
        x = call("F.pad", x, fpad(padded.pairs))
    options = {
        "stride": None if set(window.stride) == {1} else sides(window.stride),
        "padding": sides(window.before) if padded.even and any(window.before) else None,
        "dilation": None if set(window.dilation) == {1} else sides(window.dilation),
        "groups": groups if groups > 1 else None,
        "bias": None if bias else False,
    }
    text = call(f"nn.Conv{axes_of(type)}d", type.channels, filters, sides(window.size), **options)
    tensors: dict[str, Turned] = {"weight": (weight, filters_first(node.parameter(weight).type.shape))}
    if bias:
        tensors["bias"] = write.plain(node, "bias")
    return f"{write.module(node, text, tensors, part)}({x})"


@register(FORMS, "conv")
def conv(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A convolution."""
    attrs = node.attrs
    return convolution(write, node, x[0], "weight", attrs.filters, attrs.groups, attrs.bias, "")


@register(FORMS, "depthwise_conv")
def depthwise_conv(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A convolution with a group for each channel."""
    channels = node.data[0].type.channels
    return convolution(write, node, x[0], "weight", node.output.type.channels, channels, node.attrs.bias, "")


@register(FORMS, "separable_conv")
def separable_conv(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A depthwise convolution and a pointwise one."""
    attrs, channels = node.attrs, node.data[0].type.channels
    between = channels * attrs.multiplier
    inner = convolution(write, node, x[0], "depthwise_weight", between, channels, False, "depthwise")
    bias = {"bias": write.plain(node, "bias")} if attrs.bias else {}
    text = call(f"nn.Conv{axes_of(node.data[0].type)}d", between, attrs.filters, 1, bias=None if attrs.bias else False)
    weight = filters_first(node.parameter("pointwise_weight").type.shape)
    outer = write.module(node, text, {"weight": ("pointwise_weight", weight), **bias}, "pointwise")
    return f"{outer}({inner})"


@register(FORMS, "conv_transpose")
def conv_transpose(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A transposed convolution; what PyTorch cannot cut off or add unevenly is cut off and added behind it."""
    attrs, type = node.attrs, node.data[0].type
    cut = cut_window(attrs, type)
    window, most = cut.window, [max(s, d) for s, d in zip(cut.window.stride, cut.window.dilation, strict=True)]
    direct = all(b >= 0 and 0 <= more < limit for b, more, limit in zip(cut.before, cut.more, most, strict=True))
    inside = attrs.bias and (direct or min(*cut.before, *cut.after) >= 0)  # cells that are added want the bias too
    options = {
        "stride": None if set(window.stride) == {1} else sides(window.stride),
        "padding": sides(cut.before) if direct and any(cut.before) else None,
        "output_padding": sides(cut.more) if direct and any(cut.more) else None,
        "groups": attrs.groups if attrs.groups > 1 else None,
        "bias": None if inside else False,
        "dilation": None if set(window.dilation) == {1} else sides(window.dilation),
    }
    text = call(f"nn.ConvTranspose{axes_of(type)}d", type.channels, attrs.filters, sides(window.size), **options)
    tensors: dict[str, Turned] = {
        "weight": ("weight", inputs_first(node.parameter("weight").type.shape, attrs.groups)),
        **({"bias": write.plain(node, "bias")} if inside else {}),
    }
    made = f"{write.module(node, text, tensors)}({x[0]})"
    if not direct:
        made = call(
            "F.pad", made, fpad([(-before, -after) for before, after in zip(cut.before, cut.after, strict=True)])
        )
    if inside or not attrs.bias:
        return made
    spread = Turn((attrs.filters,), (0,), (attrs.filters, *(1,) * axes_of(type)))
    return f"{made} + {write.parameter(node, 'bias', spread)}"


HELPERS["windows"] = '''
def windows(x: Tensor, size: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Tensor:
    """(N, C, *places, *size): what lies under a window at each of its places."""
    for axis, (k, s, d) in enumerate(zip(size, stride, dilation), start=2):
        x = x.unfold(axis, d * (k - 1) + 1, s)[..., ::d]
    return x
'''

HELPERS["locally_connected"] = '''
def locally_connected(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    """x (N, C, *places, *size) with a weight (*places, *size, C/groups, K) of its own at each place."""
    axes = (weight.dim() - 2) // 2
    places, filters = x.shape[2 : 2 + axes], weight.shape[-1]
    x = x.flatten(2 + axes).flatten(2, 1 + axes).unflatten(1, (groups, -1))
    weight = weight.flatten(axes, 2 * axes - 1).flatten(0, axes - 1).unflatten(-1, (groups, -1))
    return torch.einsum("ngcpt,ptcgk->ngkp", x, weight).reshape(-1, filters, *places)
'''


@register(FORMS, "locally_connected")
def locally_connected(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Windows laid out, times a weight for each place."""
    padded = padded_window(node.attrs, node.data[0].type)
    window = padded.window
    image = call("F.pad", x[0], fpad(padded.pairs)) if any(map(any, padded.pairs)) else x[0]
    shapes = map(shape_text, (window.size, window.stride, window.dilation))
    taken = call(write.helper("windows"), image, *shapes)
    weight = write.parameter(node, "weight", as_it_is(node.parameter("weight").type.shape))
    made = call(write.helper("locally_connected"), taken, weight, node.attrs.groups)
    if not node.attrs.bias:
        return made
    return f"{made} + {write.parameter(node, 'bias', channels_first(node.parameter('bias').type.shape))}"


# Matrices


@register(FORMS, "dense")
def dense(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A linear layer; its rows follow the order in which PyTorch flattens."""
    attrs, type = node.attrs, node.data[0].type
    shape = node.parameter("weight").type.shape
    tensors: dict[str, Turned] = {
        "weight": ("weight", flattened_rows(shape, write.flattened.get(node.data[0]), transposed=True)),
        **({"bias": write.plain(node, "bias")} if attrs.bias else {}),
    }
    text = call("nn.Linear", type.elements, attrs.units, bias=None if attrs.bias else False)
    return f"{write.module(node, text, tensors)}({x[0]})"


@register(FORMS, "rbf")
def rbf(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Squared distances."""
    shape = node.parameter("weight").type.shape
    turn = flattened_rows(shape, write.flattened.get(node.data[0]), transposed=False)
    points = write.parameter(node, "weight", turn)
    return f"({x[0]}.unsqueeze(2) - {points}).square().sum(1)"


# Normalisation


def affine(write: Writer, node: Node, turn: Turn) -> dict[str, Turned]:
    """``weight`` and ``bias`` of a normalisation; one that is not learned stays 1, or has no form."""
    if not node.attrs.scale and not node.attrs.center:
        return {}
    if not node.attrs.center:
        return {"weight": ("scale", turn), "bias": (None, turn)}
    return {"weight": ("scale" if node.attrs.scale else None, turn), "bias": ("shift", turn)}


def learned(tensors: dict[str, Turned]) -> bool | None:
    """The value of ``affine``, left out where it is PyTorch's own."""
    return bool(tensors)


@register(FORMS, "batch_norm")
def batch_norm(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Batch normalisation; frozen, it uses the moving statistics while training too."""
    attrs, type = node.attrs, node.data[0].type
    channels = as_it_is((type.channels,))
    tensors = affine(write, node, channels)
    text = call(
        f"nn.BatchNorm{max(axes_of(type), 1)}d",
        type.channels,
        eps=repr(attrs.eps),
        momentum=repr(round(1 - attrs.momentum, 12)),
        affine=None if tensors else False,
    )
    moving: dict[str, Turned] = {
        "running_mean": ("moving_mean", channels),
        "running_var": ("moving_variance", channels),
        "num_batches_tracked": (None, as_it_is((1,))),
    }
    made = write.module(node, text, tensors | moving)
    if not node.frozen:
        return f"{made}({x[0]})"
    return f"F.batch_norm({x[0]}, {made}.running_mean, {made}.running_var, {made}.weight, {made}.bias, eps={attrs.eps})"


@register(FORMS, "group_norm", "instance_norm")
def group_norm(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Groups of channels; instance normalisation is that with a group for each channel."""
    channels = node.data[0].type.channels
    groups = channels if node.op.name == "instance_norm" else node.attrs.groups
    tensors = affine(write, node, as_it_is((channels,)))
    options = {"eps": repr(node.attrs.eps), "affine": None if tensors else False}
    return f"{write.module(node, call('nn.GroupNorm', groups, channels, **options), tensors)}({x[0]})"


@register(FORMS, "layer_norm")
def layer_norm(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Over all numbers of a sample, or over the channels, which PyTorch wants last."""
    type = node.data[0].type
    whole = node.attrs.axes == "all"
    shape = (type.channels, *type.spatial) if whole else (type.channels,)
    turn = channels_first(type.shape) if whole else as_it_is(shape)
    tensors = affine(write, node, turn)
    text = call(
        "nn.LayerNorm",
        shape_text(shape) if whole else type.channels,
        eps=repr(node.attrs.eps),
        elementwise_affine=None if tensors else False,
    )
    made = write.module(node, text, tensors)
    if whole or not type.spatial:
        return f"{made}({x[0]})"
    return f"{made}({x[0]}.movedim(1, -1)).movedim(-1, 1)"


# Pooling


@register(FORMS, "max_pool")
def max_pool(write: Writer, node: Node, x: Sequence[str]) -> str:
    """The largest number; padding that PyTorch would not take is laid around beforehand."""
    type = node.data[0].type
    padded = padded_window(node.attrs, type)
    window, ceil = padded.window, node.attrs.round == "ceil"
    direct = padded.even and all(2 * b <= k for b, k in zip(window.before, window.size, strict=True))
    image = x[0] if direct else call("F.pad", x[0], fpad(padded.pairs), value="float('-inf')")
    options = {
        "padding": sides(window.before) if direct and any(window.before) else None,
        "ceil_mode": True if direct and ceil else None,
    }
    return call(f"F.max_pool{axes_of(type)}d", image, sides(window.size), sides(window.stride), **options)


@register(FORMS, "avg_pool")
def avg_pool(write: Writer, node: Node, x: Sequence[str]) -> str:
    """The mean; where PyTorch would count other cells, a sum times a share for each place."""
    attrs, type = node.attrs, node.data[0].type
    padded = padded_window(attrs, type)
    window, pool = padded.window, f"F.avg_pool{axes_of(type)}d"
    window_text = (sides(window.size), sides(window.stride))
    # PyTorch refuses windows larger than the image in three dimensions, though with its padding they fit.
    axes = zip(window.before, window.size, window.input, strict=True)
    if padded.even and all(2 * b <= k <= n for b, k, n in axes):
        options = {
            "padding": sides(window.before) if any(window.before) else None,
            "ceil_mode": True if attrs.round == "ceil" else None,
            "count_include_pad": False if any(window.before) and not attrs.count_padding else None,
        }
        return call(pool, x[0], *window_text, **options)
    counted, rest = type.spatial, padded.pairs
    if attrs.count_padding:
        totals = [b + n + a for b, n, a in zip(padded.before, type.spatial, padded.after, strict=True)]
        counted = tuple(totals)
        rest = tuple((0, max(r - a, 0)) for r, a in zip(padded.reach, padded.after, strict=True))
    ones = call("F.pad", f"torch.ones{shape_text((1, 1, *counted))}", fpad(rest))
    share = write.buffer(node, "share", f"1 / {call(pool, ones, *window_text)}.clamp(min=1e-30)")
    return f"{call(pool, call('F.pad', x[0], fpad(padded.pairs)), *window_text)} * {share}"


@register(FORMS, "lp_pool")
def lp_pool(write: Writer, node: Node, x: Sequence[str]) -> str:
    """The root of a sum of powers."""
    padded, p = padded_window(node.attrs, node.data[0].type), node.attrs.p
    window, pool = padded.window, f"F.avg_pool{axes_of(node.data[0].type)}d"
    powers = f"{x[0]}.abs()" if p == 1 else f"{x[0]}.abs().pow({p})"
    image = call("F.pad", powers, fpad(padded.pairs)) if any(map(any, padded.pairs)) else powers
    sums = call(pool, image, sides(window.size), sides(window.stride))
    return f"({sums} * {window.taps})" + ("" if p == 1 else f".pow(1 / {p})")


@register(FORMS, "median_pool")
def median_pool(write: Writer, node: Node, x: Sequence[str]) -> str:
    """The median of the cells that are there: padding is no number, and is left out."""
    padded = padded_window(node.attrs, node.data[0].type)
    window = padded.window
    image = call("F.pad", x[0], fpad(padded.pairs), value="float('nan')") if any(map(any, padded.pairs)) else x[0]
    taken = call(write.helper("windows"), image, *map(shape_text, (window.size, window.stride, window.dilation)))
    return f"{taken}.flatten({2 + len(window.size)}).nanquantile(0.5, dim=-1)"


@register(FORMS, "adaptive_avg_pool", "adaptive_max_pool")
def adaptive_pool(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Pooling to a size."""
    size: Any = node.output.type.spatial
    return call(f"F.{node.op.name}{len(size)}d", x[0], sides(size))


@register(FORMS, "global_avg_pool", "global_max_pool")
def global_pool(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Pooling over all positions."""
    kind = node.op.name.removeprefix("global_")
    pooled = call(f"F.adaptive_{kind}{axes_of(node.data[0].type)}d", x[0], 1)
    return pooled if node.attrs.keep else f"{pooled}.flatten(1)"
