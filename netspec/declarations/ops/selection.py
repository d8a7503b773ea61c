"""Ops that take places along one axis: one of equal parts, a list of places, and channels shuffled between groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netspec.core import formulas
from netspec.core.attributes import Indices, attr
from netspec.core.axis_map import AxisMap, Reach, take
from netspec.core.builder import Builder
from netspec.core.channels import Sources
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Value
from netspec.core.op import ShapeError, op
from netspec.core.types import TensorType
from netspec.declarations.ops.axes import AXIS_NAMES, along, axis_index, reach_of_maps, with_axis
from netspec.declarations.ops.movement import gradient_of_move


@op(
    "part",
    main="index",
    doc="One of several equal parts of an axis.",
    example="- conv: {filters: 8, kernel: 3, padding: same}\n- relu\n- part: {index: 0, of: 2}",
)
class Part:
    index: int = attr(doc="which part, counted from 0", minimum=0)
    of: int = attr(default=2, doc="how many parts there are", minimum=1)
    axis: str = attr(default="channels", doc="the axis that is cut", enum=AXIS_NAMES)

    def infer(self, x: TensorType) -> TensorType:
        axis = axis_index(self.axis, len(x.spatial))
        if self.index >= self.of:
            raise ShapeError("NS216", attr="index", what="part", place=self.index, count=self.of, last=self.of - 1)
        size = x.shape[axis]
        if size % self.of:
            divisors = formulas.divisors(size)[1:]
            what = f"places of {self.axis}" if self.axis != "channels" else "channels"
            raise ShapeError("NS217", attr="of", count=size, what=what, parts=self.of, divisors=divisors)
        shape = with_axis(x, axis, formulas.equal_part(size, self.of))
        return replace(x, shape=shape, dtype="float32", block=None)

    def axis_maps(self, x: TensorType) -> tuple[AxisMap | None, ...]:
        axis = axis_index(self.axis, len(x.spatial))
        length = formulas.equal_part(x.shape[axis], self.of)
        first = self.index * length
        return along(axis, take(x.shape[axis], range(first, first + length)), x)

    @property
    def channel_parts(self) -> int:
        """Parts of the channels, of which it takes one."""
        return self.of if self.axis == "channels" else 1

    def reach(self, x: TensorType) -> tuple[Reach, ...]:
        return reach_of_maps(self.axis_maps(x))

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return gradient_of_move(g, node, dy)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        axis = axis_index(self.axis, len(data[0].spatial))
        yield Formula(self.axis, "n / parts", f"{data[0].shape[axis]}/{self.of}", outputs[0].shape[axis])


@op(
    "select",
    main="index",
    doc="The listed places of an axis, in that order. The axis stays, of length 1 for one place.",
    example="- conv: {filters: 8, kernel: 3, padding: same}\n- relu\n- select: [0, 2, 4]",
)
class Select:
    index: Indices = attr(doc="a place or a list of places, counted from 0; a place may come again")
    axis: str = attr(default="channels", doc="the axis", enum=AXIS_NAMES)

    def _places(self) -> tuple[int, ...]:
        return (self.index,) if isinstance(self.index, int) else self.index

    def infer(self, x: TensorType) -> TensorType:
        axis = axis_index(self.axis, len(x.spatial))
        size, largest = x.shape[axis], max(self._places())
        if largest >= size:
            what = "channel" if self.axis == "channels" else f"place along {self.axis}"
            raise ShapeError("NS216", attr="index", what=what, place=largest, count=size, last=size - 1)
        return replace(x, shape=with_axis(x, axis, len(self._places())), dtype="float32", block=None)

    def axis_maps(self, x: TensorType) -> tuple[AxisMap | None, ...]:
        axis = axis_index(self.axis, len(x.spatial))
        return along(axis, take(x.shape[axis], self._places()), x)

    def narrowed(self, sources: Sources) -> Select:
        """The channels that are left, counted anew; of another axis the same places."""
        places = tuple(channel for ((_, channel),) in sources) if self.axis == "channels" else self.index
        return Select(index=places, axis=self.axis)

    def reach(self, x: TensorType) -> tuple[Reach, ...]:
        return reach_of_maps(self.axis_maps(x))

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return gradient_of_move(g, node, dy)


@op(
    "channel_shuffle",
    main="groups",
    doc="Deals the channels of each group out to all groups: the table of groups by channels is transposed "
    "(Zhang et al. 2018, ShuffleNet).",
    example=(
        "- conv: {filters: 8, kernel: 3, padding: same}\n"
        "- relu\n"
        "- channel_shuffle: 2\n"
        "- conv: {filters: 8, kernel: 3, groups: 2}\n"
        "- relu"
    ),
)
class ChannelShuffle:
    groups: int = attr(doc="how many groups there are; the number of channels is a multiple of it", minimum=1)

    def infer(self, x: TensorType) -> TensorType:
        if x.channels % self.groups:
            divisors = formulas.divisors(x.channels)
            raise ShapeError("NS202", attr="groups", groups=self.groups, channels=x.channels, divisors=divisors)
        return replace(x, dtype="float32", block=None)

    def axis_maps(self, x: TensorType) -> tuple[AxisMap | None, ...]:
        each = formulas.equal_part(x.channels, self.groups)
        places = [group * each + place for place in range(each) for group in range(self.groups)]
        return along(len(x.spatial), take(x.channels, places), x)

    @property
    def channel_parts(self) -> int:
        """Groups that the channels come in, of equal size."""
        return self.groups

    def reach(self, x: TensorType) -> tuple[Reach, ...]:
        return reach_of_maps(self.axis_maps(x))

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return gradient_of_move(g, node, dy)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        each = formulas.equal_part(data[0].channels, self.groups)
        yield Formula("channels of a group", "C / groups", f"{data[0].channels}/{self.groups}", each)
