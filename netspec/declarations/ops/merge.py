"""Ops that join several inputs: number by number, or channels (or any axis) laid side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from itertools import accumulate
from operator import add

from netspec.core.attributes import attr
from netspec.core.builder import Builder
from netspec.core.channels import Sources, side_by_side
from netspec.core.expression import Expression, maximum, where
from netspec.core.expression import inputs as variables
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Value
from netspec.core.op import ShapeError, op
from netspec.core.types import TensorType
from netspec.declarations.ops.axes import AXIS_NAMES, axis_index, spell, with_axis


def _largest(candidates: Sequence[Expression]) -> Expression:
    return reduce(maximum, candidates)


def _same_shape(inputs: tuple[TensorType, ...]) -> TensorType:
    """The type of what is merged number by number; NS203 where shapes differ."""
    if len({x.shape for x in inputs}) > 1:
        raise ShapeError("NS203", shapes=spell(inputs))
    return replace(inputs[0], dtype="float32")


@op(
    "add",
    doc="The sum of its inputs, which have equal shapes.",
    example=(
        "- conv: {filters: 8, kernel: 3, padding: same}\n"
        "- relu\n"
        "- add:\n"
        "    body:\n"
        "      - conv: {filters: 8, kernel: 3, padding: same}\n"
        "    shortcut: []\n"
        "- relu"
    ),
)
class Add:
    merges = True

    def infer(self, *inputs: TensorType) -> TensorType:
        return _same_shape(inputs)

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        return (reduce(add, variables(inputs)),)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (dy,) * len(node.inputs)


@op(
    "times",
    public=False,
    doc="Its input times a fixed number, as the loss of a head that has a weight, or a share of a gradient.",
)
class Times:
    factor: float = attr(doc="the number")

    def infer(self, x: TensorType) -> TensorType:
        return x

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        (x,) = variables(inputs)
        return (x * self.factor,)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(Times(factor=self.factor), dy),)


@op(
    "subtract",
    doc="Its first input minus its second, which have equal shapes.",
    example=(
        "- conv: {filters: 8, kernel: 3, padding: same}\n"
        "- relu:\n"
        "  name: fine\n"
        "- avg_pool: {size: 3, stride: 1, padding: same}\n"
        "  name: coarse\n"
        "- subtract:\n"
        "  from: [fine, coarse]"
    ),
)
class Subtract:
    merges = True
    branches = False

    def infer(self, *inputs: TensorType) -> TensorType:
        if len(inputs) != 2:
            raise ShapeError("NS211", wanted=2, count=len(inputs), advice="write 'from: [a, b]' for a minus b")
        return _same_shape(inputs)

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        first, second = variables(inputs)
        return (first - second,)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return dy, g.add(Times(factor=-1.0), dy)


@op(
    "mean",
    doc="The mean of its inputs, which have equal shapes, number by number.",
    example=(
        "- mean:\n"
        "    narrow:\n"
        "      - conv: {filters: 8, kernel: 3, padding: same}\n"
        "    wide:\n"
        "      - conv: {filters: 8, kernel: 5, padding: same}\n"
        "- relu"
    ),
)
class Mean:
    merges = True

    def infer(self, *inputs: TensorType) -> TensorType:
        return _same_shape(inputs)

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        return (reduce(add, variables(inputs)) / inputs,)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        count = len(node.inputs)
        return (g.add(Times(factor=1 / count), dy),) * count


@op(
    "max",
    doc="The largest of its inputs, which have equal shapes, number by number.",
    example=(
        "- max:\n"
        "    narrow:\n"
        "      - conv: {filters: 8, kernel: 3, padding: same}\n"
        "    wide:\n"
        "      - conv: {filters: 8, kernel: 5, padding: same}"
    ),
)
class Max:
    merges = True

    def infer(self, *inputs: TensorType) -> TensorType:
        return _same_shape(inputs)

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        return (_largest(variables(inputs)),)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return g.node(MaxDx(), *node.inputs, dy).outputs


@op("max.dx", public=False, doc="Sends each gradient to the largest input, on ties to the first of the largest.")
class MaxDx:
    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return (types[-1],) * (len(types) - 1)

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        *candidates, dy = variables(inputs)
        found: list[Expression] = []
        for position, each in enumerate(candidates):
            gradient: Expression = dy
            if position < len(candidates) - 1:
                gradient = where(each >= _largest(candidates[position + 1 :]), gradient, 0.0)
            if position > 0:
                gradient = where(each > _largest(candidates[:position]), gradient, 0.0)
            found.append(gradient)
        return tuple(found)


@op(
    "concat",
    doc="Lays its inputs side by side along an axis; the other axes agree.",
    example=(
        "- concat:\n"
        "    narrow:\n"
        "      - conv: {filters: 4, kernel: 3, padding: same}\n"
        "    wide:\n"
        "      - conv: {filters: 4, kernel: 5, padding: same}\n"
        "- relu"
    ),
)
class Concat:
    axis: str = attr(default="channels", doc="the axis that grows", enum=AXIS_NAMES)
    merges = True

    def axis_index(self, axes: int) -> int:
        """Place of the axis in a shape with this many spatial axes; raises ``ShapeError`` if it has none such."""
        return axis_index(self.axis, axes)

    def infer(self, *inputs: TensorType) -> TensorType:
        axis = self.axis_index(len(inputs[0].spatial))
        first = inputs[0].shape
        for other in inputs[1:]:
            beside = (*other.shape[:axis], *other.shape[axis + 1 :])
            if len(other.shape) != len(first) or beside != (*first[:axis], *first[axis + 1 :]):
                raise ShapeError("NS204", attr="axis", axis=self.axis, shapes=spell(inputs))
        shape = with_axis(inputs[0], axis, sum(x.shape[axis] for x in inputs))
        return replace(inputs[0], shape=shape, dtype="float32", block=None)

    def channel_sources(self, *data: TensorType) -> Sources:
        if self.axis != "channels":
            return side_by_side(data)
        return tuple(((number, channel),) for number, x in enumerate(data) for channel in range(x.channels))

    def first_channels(self, *data: TensorType) -> tuple[int, ...] | None:
        """See ``netspec.core.op``."""
        if self.axis != "channels":
            return None
        return tuple(accumulate((x.channels for x in data[:-1]), initial=0))

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        axis = self.axis_index(len(node.data[0].type.spatial))
        found, offset = [], 0
        for x in node.data:
            found.append(g.add(ConcatDx(concat=self, offset=offset, extent=x.type.shape[axis]), dy))
            offset += x.type.shape[axis]
        return tuple(found)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        axis = self.axis_index(len(data[0].spatial))
        parts = " + ".join(str(x.shape[axis]) for x in data)
        yield Formula(self.axis, "sum over the inputs", parts, outputs[0].shape[axis])


@op("concat.dx", public=False, doc="The slice of a gradient that belongs to one input of a concat.")
class ConcatDx:
    concat: Concat = attr(doc="the concat")
    offset: int = attr(doc="where the slice begins")
    extent: int = attr(doc="how long it is")

    def axis_index(self, axes: int) -> int:
        """Place of the axis in a shape with this many spatial axes."""
        return self.concat.axis_index(axes)

    def slice_start(self, x: TensorType) -> int | None:
        """See ``netspec.core.op``."""
        return self.offset if self.axis_index(len(x.spatial)) == len(x.spatial) else None

    def infer(self, dy: TensorType) -> TensorType:
        axis = self.axis_index(len(dy.spatial))
        return replace(dy, shape=with_axis(dy, axis, self.extent), block=None)
