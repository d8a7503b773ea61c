"""Layers without parameters of their own in PyTorch: activations, merges, and what moves numbers about."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from netspec.core.graph import Node
from netspec.declarations.ops.axes import axis_index
from netspec.interop.forms import register
from netspec.interop.pytorch.writer import FORMS, HELPERS, Writer, call, fpad, shape_text, sides
from netspec.interop.tensors import Turn

SIMPLE = {
    "abs": "torch.abs({x})",
    "elu": "F.elu({x}, {a.alpha!r})",
    "gelu": "F.gelu({x})",
    "hard_sigmoid": "F.hardsigmoid({x})",
    "hard_swish": "F.hardswish({x})",
    "identity": "{x}",
    "leaky_relu": "F.leaky_relu({x}, {a.slope!r})",
    "linear": "{x}",
    "sigmoid": "torch.sigmoid({x})",
    "silu": "F.silu({x})",
    "softmax": "F.softmax({x}, dim=1)",
    "softplus": "F.softplus({x})",
}
"""Functions of one input."""

OVERWRITES = frozenset({"add", "batch_norm", "conv", "conv_transpose", "dense", "depthwise_conv", "separable_conv"})
"""Ops whose output a rectifier behind may overwrite: their gradients do not need it."""


@register(FORMS, *SIMPLE)
def simple(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A function of PyTorch."""
    return SIMPLE[node.op.name].format(x=x[0], a=node.attrs)


@register(FORMS, "relu", "relu6")
def rectifier(write: Writer, node: Node, x: Sequence[str]) -> str:
    """In place where nothing else wants the input."""
    return call(f"F.{node.op.name}", x[0], inplace=True if write.may_overwrite(node, OVERWRITES) else None)


@register(FORMS, "tanh")
def tanh(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A scaled tanh."""
    inner = x[0] if node.attrs.slope == 1 else f"{node.attrs.slope!r} * {x[0]}"
    made = f"torch.tanh({inner})"
    return made if node.attrs.scale == 1 else f"{node.attrs.scale!r} * {made}"


@register(FORMS, "prelu")
def prelu(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A slope for each channel."""
    made = write.module(node, f"nn.PReLU({node.data[0].type.channels})", {"weight": write.plain(node, "slope")})
    return f"{made}({x[0]})"


HELPERS["drop_samples"] = '''
def drop_samples(x: Tensor, rate: float, training: bool) -> Tensor:
    """While training, whole samples become zero, and the rest is scaled up."""
    if not training:
        return x
    kept = torch.rand(x.shape[:1] + (1,) * (x.dim() - 1), device=x.device) >= rate
    return x * kept / (1 - rate)
'''


@register(FORMS, "dropout")
def dropout(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Of numbers, of channels, or of samples."""
    rate, axes = node.attrs.rate, len(node.data[0].type.spatial)
    if node.attrs.drop == "sample":
        return call(write.helper("drop_samples"), x[0], repr(rate), "self.training")
    kind = f"nn.Dropout{axes}d" if node.attrs.drop == "channel" and axes else "nn.Dropout"
    return f"{write.module(node, f'{kind}({rate!r})', {})}({x[0]})"


@register(FORMS, "scale")
def scale(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A factor, or one for each channel, and summands."""
    channels, axes = node.data[0].type.channels, len(node.data[0].type.spatial)
    turn = Turn((channels,), (0,), (channels, *(1,) * axes))
    factor = write.parameter(node, "scale", turn) if "scale" in node.parameters else repr(float(node.attrs.by))
    made = f"{x[0]} * {factor}"
    return f"{made} + {write.parameter(node, 'shift', turn)}" if "shift" in node.parameters else made


# Merges


@register(FORMS, "add")
def add(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A sum."""
    return " + ".join(x)


@register(FORMS, "subtract")
def subtract(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A difference."""
    return " - ".join(x)


@register(FORMS, "mean")
def mean(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A mean."""
    return f"({' + '.join(x)}) / {len(x)}"


@register(FORMS, "max")
def largest(write: Writer, node: Node, x: Sequence[str]) -> str:
    """The largest."""
    return reduce(lambda a, b: f"torch.maximum({a}, {b})", x)


@register(FORMS, "multiply")
def multiply(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A product; a row stands for an image of one place."""
    axes = len(node.output.type.spatial)
    factors = [
        name if len(value.type.spatial) == axes else f"{name}[{', '.join([':', ':', *['None'] * axes])}]"
        for name, value in zip(x, node.data, strict=True)
    ]
    return " * ".join(factors)


def place(axis: str, node: Node) -> int:
    """Of the axis of that name, batch and channels counted first."""
    axes = len(node.data[0].type.spatial)
    index = axis_index(axis, axes)
    return 1 if index == axes else index + 2


@register(FORMS, "concat")
def concat(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Side by side."""
    return f"torch.cat([{', '.join(x)}], dim={place(node.attrs.axis, node)})"


# Shapes


@register(FORMS, "flatten")
def flatten(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Channels first where what follows does not mind, else in netspec's order."""
    shape = node.data[0].type.shape
    if len(shape) == 1:
        return x[0]
    in_order = node.output in write.flattened or max(shape) == node.output.type.elements
    return f"{x[0]}.flatten(1)" if in_order else f"{x[0]}.movedim(1, -1).flatten(1)"


@register(FORMS, "reshape")
def reshape(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Numbers go in the order height, width, channels."""
    before, after = node.data[0].type.spatial, node.output.type
    last = f"{x[0]}.movedim(1, -1)" if before else x[0]
    made = f"{last}.reshape(-1, {', '.join(map(str, after.shape))})"
    return f"{made}.movedim(-1, 1)" if after.spatial else made


HELPERS["depth_to_space"] = '''
def depth_to_space(x: Tensor, factors: tuple[int, ...]) -> Tensor:
    """Groups of channels become cells: the group's number counts the cells, the last axis fastest."""
    axes, sides = len(factors), x.shape[2:]
    x = x.reshape(x.shape[0], *factors, -1, *sides)
    order = [axes + 1]
    for axis in range(axes):
        order += [axes + 2 + axis, 1 + axis]
    x = x.permute(0, *order)
    return x.reshape(x.shape[0], x.shape[1], *(n * f for n, f in zip(sides, factors)))
'''


@register(FORMS, "depth_to_space")
def depth_to_space(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Not PyTorch's pixel shuffle, which counts channels before cells."""
    factors = node.attrs.factors(node.data[0].type)
    return call(write.helper("depth_to_space"), x[0], shape_text(factors))


@register(FORMS, "channel_shuffle")
def channel_shuffle(write: Writer, node: Node, x: Sequence[str]) -> str:
    """The table of groups by channels, transposed."""
    return f"{x[0]}.unflatten(1, ({node.attrs.groups}, -1)).transpose(1, 2).flatten(1, 2)"


@register(FORMS, "part")
def part(write: Writer, node: Node, x: Sequence[str]) -> str:
    """One of equal parts."""
    return f"{x[0]}.chunk({node.attrs.of}, dim={place(node.attrs.axis, node)})[{node.attrs.index}]"


@register(FORMS, "select")
def select(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A list of places."""
    index = node.attrs.index
    places = [index] if isinstance(index, int) else list(index)
    return f"{x[0]}[{':, ' * place(node.attrs.axis, node)}{places}]"


@register(FORMS, "crop")
def crop(write: Writer, node: Node, x: Sequence[str]) -> str:
    """The middle."""
    cuts = [
        f"{(n - kept) // 2}:{(n - kept) // 2 + kept}"
        for n, kept in zip(node.data[0].type.spatial, node.output.type.spatial, strict=True)
    ]
    return f"{x[0]}[:, :, {', '.join(cuts)}]"


@register(FORMS, "pad")
def pad(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Cells around; new channels that mirror or repeat others are picked one by one."""
    attrs, type = node.attrs, node.data[0].type
    *cells, channels = attrs.margins(type)
    if attrs.mode == "value":
        return call("F.pad", x[0], fpad([channels, *cells]), value=repr(float(attrs.value)))
    made = x[0]
    if any(channels):
        axis = [abs(n) for n in range(-channels[0], type.channels + channels[1])]
        last = type.channels - 1
        mirrored = [n if n <= last else 2 * last - n for n in axis]
        copied = [min(max(n, 0), last) for n in range(-channels[0], type.channels + channels[1])]
        made = f"{made}[:, {mirrored if attrs.mode == 'reflect' else copied}]"
    return call("F.pad", made, fpad(cells), mode=f'"{attrs.mode}"') if any(map(any, cells)) else made


@register(FORMS, "upsample")
def upsample(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A finer grid."""
    size = node.output.type.spatial
    if node.attrs.method == "nearest":
        return call("F.interpolate", x[0], size=sides(size), mode='"nearest"')
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(size)]
    return call("F.interpolate", x[0], size=sides(size), mode=f'"{mode}"', align_corners=False)


HELPERS["channel_sums"] = '''
def channel_sums(x: Tensor, size: int) -> Tensor:
    """At each channel the sum over ``size`` of them around it; the extra one of an even size comes after."""
    padded = F.pad(x.movedim(1, -1), ((size - 1) // 2, size // 2))
    return padded.unfold(-1, size, 1).sum(-1).movedim(-1, 1)
'''


@register(FORMS, "lrn")
def lrn(write: Writer, node: Node, x: Sequence[str]) -> str:
    """PyTorch's own across an odd number of channels, else by its formula."""
    attrs, type = node.attrs, node.data[0].type
    window = attrs.window(type)
    cells = reduce(int.__mul__, window)
    shared = attrs.alpha * (1 if attrs.scaling == "mean" else cells)
    if attrs.across == "channels" and type.spatial and window[0] % 2:
        options = {"alpha": repr(shared), "beta": repr(attrs.beta), "k": repr(attrs.k)}
        return f"{write.module(node, call('nn.LocalResponseNorm', window[0], **options), {})}({x[0]})"
    if attrs.across == "channels":
        sums = call(write.helper("channel_sums"), f"{x[0]}.square()", window[0])
        return f"{x[0]} * ({attrs.k!r} + {shared / cells!r} * {sums}).pow({-attrs.beta!r})"
    padding = [((side - 1) // 2, side // 2) for side in window]
    mean = call(f"F.avg_pool{len(window)}d", call("F.pad", f"{x[0]}.square()", fpad(padding)), sides(window), 1)
    return f"{x[0]} * ({attrs.k!r} + {shared!r} * {mean}).pow({-attrs.beta!r})"
