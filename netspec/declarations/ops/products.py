"""Products: of tensors stretched over one another, of a tensor with a factor per channel, and with a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netspec.core.attributes import LEARNED, Factor, attr
from netspec.core.builder import Builder
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Param, Value
from netspec.core.op import ShapeError, op
from netspec.core.types import TensorType
from netspec.declarations.ops.axes import spell
from netspec.declarations.ops.merge import Times
from netspec.declarations.ops.reductions import ChannelSum


def stretched_shape(inputs: tuple[TensorType, ...]) -> tuple[int, ...] | None:
    """The shape that all inputs can be stretched to, axes of 1 and ``[C]`` over an image; ``None`` if there is none."""
    rank = max(len(x.shape) for x in inputs)
    if any(len(x.shape) not in (1, rank) for x in inputs):
        return None
    aligned = [(1,) * (rank - len(x.shape)) + x.shape for x in inputs]
    full = tuple(max(sides) for sides in zip(*aligned, strict=True))
    fitting = all(side in (1, whole) for shape in aligned for side, whole in zip(shape, full, strict=True))
    return full if fitting else None


@op(
    "multiply",
    doc="The product of its inputs. Axes of 1 are stretched, and [C] over an image, as a gate or a mask needs.",
    example=(
        "- conv: {filters: 8, kernel: 3, padding: same}\n"
        "- relu\n"
        "- multiply:\n"
        "    features: []\n"
        "    gate:\n"
        "      - global_avg_pool\n"
        "      - dense: 8\n"
        "      - sigmoid"
    ),
)
class Multiply:
    per_channel = True
    merges = True

    def infer(self, *inputs: TensorType) -> TensorType:
        shape = stretched_shape(inputs)
        if shape is None:
            raise ShapeError("NS215", shapes=spell(inputs))
        return replace(inputs[0], shape=shape, dtype="float32", block=None)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        found = []
        for position, x in enumerate(node.data):
            others = (*node.data[:position], *node.data[position + 1 :])
            found.append(g.add(MultiplyDx(x=x.type), dy, *others))
        return tuple(found)


@op(
    "multiply.dx", public=False, doc="The gradient times the other factors, added up over the axes that were stretched."
)
class MultiplyDx:
    x: TensorType = attr(doc="type of the factor whose gradient it is")

    def infer(self, dy: TensorType, *others: TensorType) -> TensorType:
        return replace(self.x, dtype="float32", block=None)


@op("scale", main="by", doc="Multiplies each channel by a learned factor, or everything by a fixed number.")
class Scale:
    by: Factor = attr(default=LEARNED, doc="learned, one factor per channel that starts at 1; or a fixed number")
    bias: bool = attr(default=False, doc="add one learned number per channel")

    per_channel = True

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, dtype="float32", block=None)

    def params(self, x: TensorType) -> dict[str, Param]:
        found = {"scale": Param((x.channels,), "ones")} if self.by == LEARNED else {}
        return found | ({"shift": Param((x.channels,), "zeros")} if self.bias else {})

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        x = node.data[0]
        if isinstance(self.by, str):
            dx = g.add(MultiplyDx(x=x.type), dy, node.parameter("scale"))
            found = [dx, g.add(ChannelSum(), g.add(MultiplyDx(x=x.type), dy, x))]
        else:
            found = [g.add(Times(factor=self.by), dy)]
        return (*found, g.add(ChannelSum(), dy)) if self.bias else tuple(found)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        per_channel, channels = (self.by == LEARNED) + self.bias, data[0].channels
        yield Formula("parameters", "scale + shift, per channel", f"{per_channel}·{channels}", per_channel * channels)
