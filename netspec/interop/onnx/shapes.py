"""Layers without parameters of their own in ONNX: activations, merges, and what moves numbers about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from netspec.core.graph import Node
from netspec.declarations.ops.axes import axis_index
from netspec.interop.forms import register
from netspec.interop.onnx.layers import per_channel
from netspec.interop.onnx.writer import FORMS, Writer

SINGLE: dict[str, tuple[str, Callable[[Any], dict[str, float]]]] = {
    "abs": ("Abs", lambda a: {}),
    "elu": ("Elu", lambda a: {"alpha": a.alpha}),
    "gelu": ("Gelu", lambda a: {}),
    "hard_sigmoid": ("HardSigmoid", lambda a: {"alpha": 1 / 6, "beta": 0.5}),
    "hard_swish": ("HardSwish", lambda a: {}),
    "leaky_relu": ("LeakyRelu", lambda a: {"alpha": a.slope}),
    "relu": ("Relu", lambda a: {}),
    "sigmoid": ("Sigmoid", lambda a: {}),
    "softmax": ("Softmax", lambda a: {"axis": 1}),
    "softplus": ("Softplus", lambda a: {}),
}
"""What is one node of one input: its type, and its attributes."""

MERGES = {"add": "Sum", "subtract": "Sub", "mean": "Mean", "max": "Max"}
"""What is one node of several inputs."""


@register(FORMS, *SINGLE)
def single(write: Writer, node: Node, x: Sequence[str]) -> str:
    """One node."""
    op_type, options = SINGLE[node.op.name]
    return write.add(op_type, x[0], **options(node.attrs))


@register(FORMS, *MERGES)
def merge(write: Writer, node: Node, x: Sequence[str]) -> str:
    """One node."""
    return write.add(MERGES[node.op.name], *x)


@register(FORMS, "identity", "linear", "dropout")
def nothing(write: Writer, node: Node, x: Sequence[str]) -> str:
    """What changes nothing when training is over."""
    return x[0]


@register(FORMS, "relu6")
def relu6(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Between 0 and 6."""
    return write.add("Clip", x[0], write.numbers(0), write.numbers(6))


@register(FORMS, "silu")
def silu(write: Writer, node: Node, x: Sequence[str]) -> str:
    """The input times its sigmoid."""
    return write.add("Mul", x[0], write.add("Sigmoid", x[0]))


@register(FORMS, "tanh")
def tanh(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A scaled tanh."""
    scale, slope = node.attrs.scale, node.attrs.slope
    made = write.add("Tanh", x[0] if slope == 1 else write.add("Mul", x[0], write.numbers(slope)))
    return made if scale == 1 else write.add("Mul", made, write.numbers(scale))


@register(FORMS, "prelu")
def prelu(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A slope for each channel."""
    type = node.data[0].type
    return write.add("PRelu", x[0], write.weight(node, "slope", per_channel(type.channels, len(type.spatial))))


@register(FORMS, "scale")
def scale(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A factor, or one for each channel, and summands."""
    turn = per_channel(node.data[0].type.channels, len(node.data[0].type.spatial))
    factor = write.optional(node, "scale", turn) or [write.numbers(node.attrs.by)]
    made = write.add("Mul", x[0], *factor)
    shift = write.optional(node, "shift", turn)
    return write.add("Add", made, *shift) if shift else made


@register(FORMS, "multiply")
def multiply(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A product; a row stands for an image of one place."""
    axes = len(node.output.type.spatial)
    made, *others = (
        name if len(value.type.spatial) == axes else write.add("Unsqueeze", name, write.whole(*range(2, axes + 2)))
        for name, value in zip(x, node.data, strict=True)
    )
    for other in others:
        made = write.add("Mul", made, other)
    return made


def place(axis: str, node: Node) -> int:
    """Of the axis of that name, batch and channels counted first."""
    axes = len(node.data[0].type.spatial)
    index = axis_index(axis, axes)
    return 1 if index == axes else index + 2


@register(FORMS, "concat")
def concat(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Side by side."""
    return write.add("Concat", *x, axis=place(node.attrs.axis, node))


def channels_behind(write: Writer, node: Node, x: str) -> str:
    """An image with its channels last."""
    axes = len(node.data[0].type.spatial)
    return write.add("Transpose", x, perm=[0, *range(2, axes + 2), 1]) if axes else x


@register(FORMS, "flatten")
def flatten(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Channels first where what follows does not mind, else in netspec's order."""
    shape = node.data[0].type.shape
    in_order = node.output in write.flattened or max(shape) == node.output.type.elements
    return write.add("Flatten", x[0] if in_order else channels_behind(write, node, x[0]), axis=1)


@register(FORMS, "reshape")
def reshape(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Numbers go in the order height, width, channels."""
    shape = node.output.type.shape
    made = write.add("Reshape", channels_behind(write, node, x[0]), write.whole(0, *shape))
    axes = len(shape) - 1
    return write.add("Transpose", made, perm=[0, axes + 1, *range(1, axes + 1)]) if axes else made


@register(FORMS, "depth_to_space")
def depth_to_space(write: Writer, node: Node, x: Sequence[str]) -> str:
    """ONNX knows squares in two axes; any other number of cells is dealt out as it says of its own: the mode DCR."""
    type, output = node.data[0].type, node.output.type
    factors = node.attrs.factors(type)
    if len(factors) == 2 and factors[0] == factors[1]:
        return write.add("DepthToSpace", x[0], blocksize=factors[0], mode="DCR")
    axes = len(factors)
    cells = write.add("Reshape", x[0], write.whole(0, *factors, output.channels, *type.spatial))
    order = [axes + 1, *(each for axis in range(axes) for each in (axes + 2 + axis, 1 + axis))]
    dealt = write.add("Transpose", cells, perm=[0, *order])
    return write.add("Reshape", dealt, write.whole(0, output.channels, *output.spatial))


@register(FORMS, "channel_shuffle")
def channel_shuffle(write: Writer, node: Node, x: Sequence[str]) -> str:
    """The table of groups by channels, transposed."""
    type, groups = node.data[0].type, node.attrs.groups
    axes = len(type.spatial)
    table = write.add("Reshape", x[0], write.whole(0, groups, type.channels // groups, *type.spatial))
    turned = write.add("Transpose", table, perm=[0, 2, 1, *range(3, axes + 3)])
    return write.add("Reshape", turned, write.whole(0, type.channels, *type.spatial))


@register(FORMS, "part")
def part(write: Writer, node: Node, x: Sequence[str]) -> str:
    """One of equal parts."""
    index: int = node.attrs.index
    return write.split(x[0], place(node.attrs.axis, node), node.attrs.of)[index]


@register(FORMS, "select")
def select(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A list of places."""
    index = node.attrs.index
    places = (index,) if isinstance(index, int) else index
    return write.add("Gather", x[0], write.whole(*places), axis=place(node.attrs.axis, node))


@register(FORMS, "crop")
def crop(write: Writer, node: Node, x: Sequence[str]) -> str:
    """The middle."""
    sides, kept = node.data[0].type.spatial, node.output.type.spatial
    starts = [(n - m) // 2 for n, m in zip(sides, kept, strict=True)]
    ends = [start + m for start, m in zip(starts, kept, strict=True)]
    axes = range(2, len(sides) + 2)
    return write.add("Slice", x[0], write.whole(*starts), write.whole(*ends), write.whole(*axes))


@register(FORMS, "pad")
def pad(write: Writer, node: Node, x: Sequence[str]) -> str:
    """Cells around, and channels."""
    *cells, channels = node.attrs.margins(node.data[0].type)
    pairs = [(0, 0), channels, *cells]
    pads = write.whole(*(before for before, _ in pairs), *(after for _, after in pairs))
    mode = {"value": "constant", "reflect": "reflect", "replicate": "edge"}[node.attrs.mode]
    value = [write.numbers(node.attrs.value)] if mode == "constant" else []
    return write.add("Pad", x[0], pads, *value, mode=mode)


@register(FORMS, "upsample")
def upsample(write: Writer, node: Node, x: Sequence[str]) -> str:
    """A finer grid. One axis is made two, since programs interpolate images and volumes only."""
    type, output = node.data[0].type, node.output.type
    if node.attrs.method == "nearest":
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    row = len(type.spatial) == 1
    image = write.add("Unsqueeze", x[0], write.whole(2)) if row else x[0]
    sides = (1, *output.spatial) if row else output.spatial
    scales = [1.0, 1.0, *(to / n for to, n in zip(sides, (1, *type.spatial) if row else type.spatial, strict=True))]
    made = write.add("Resize", image, "", write.numbers(scales), **how)
    return write.add("Squeeze", made, write.whole(2)) if row else made
