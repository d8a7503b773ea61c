"""Ops that change the sides of an image: finer grids, cells added around, and the middle cut out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from netspec.core import axis_map, formulas
from netspec.core.attributes import LayerShape, Margin, Margins, Window, attr
from netspec.core.axis_map import AxisMap, Reach
from netspec.core.builder import Builder
from netspec.core.channels import Sources
from netspec.core.declare import attributes_of
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Value
from netspec.core.op import ShapeError, op
from netspec.core.types import TensorType
from netspec.declarations.ops.axes import explain_axes, reach_of_maps, target_sides
from netspec.declarations.ops.movement import gradient_of_move
from netspec.declarations.ops.windows import check_image


@op(
    "upsample",
    main="factor",
    doc="A finer grid: each cell repeated, or interpolated between its neighbours.",
    example=("- upsample: {factor: 2, method: bilinear}\n- conv: {filters: 4, kernel: 4, stride: 2}\n- relu"),
)
class Upsample:
    factor: Window = attr(
        default=None, doc="how many times as long each axis becomes, one number or one per axis", minimum=1
    )
    like: LayerShape = attr(default=None, doc="the layer whose size it becomes, instead of a factor")
    method: str = attr(
        default="nearest",
        doc="repeat cells, or interpolate linearly with half-pixel centres along every axis",
        enum=("nearest", "bilinear"),
    )

    def sides(self, x: TensorType) -> tuple[int, ...]:
        """Sides of the output for an input of type ``x``; raises ``ShapeError``."""
        numbers = target_sides("factor", self.factor, self.like, x)
        if not self.like:
            return tuple(formulas.upsampled(n, f) for n, f in zip(x.spatial, numbers, strict=True))
        if self.method == "nearest" and any(to % n for n, to in zip(x.spatial, numbers, strict=True)):
            raise ShapeError("NS219", attr="like", target=formulas.times(numbers))
        return numbers

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, shape=(*self.sides(x), x.channels), dtype="float32", block=None)

    def axis_maps(self, x: TensorType) -> tuple[AxisMap | None, ...]:
        make = axis_map.nearest if self.method == "nearest" else axis_map.bilinear
        return (*(make(n, to) for n, to in zip(x.spatial, self.sides(x), strict=True)), None)

    def reach(self, x: TensorType) -> tuple[Reach, ...]:
        return reach_of_maps(self.axis_maps(x))

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return gradient_of_move(g, node, dy)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        if not self.like:
            factors = target_sides("factor", self.factor, None, data[0])
            texts = [f"{n}·{f}" for n, f in zip(data[0].spatial, factors, strict=True)]
            yield from explain_axes("n·f", texts, outputs[0].spatial)
        else:
            yield from explain_axes("as the layer named", list(map(str, outputs[0].spatial)), outputs[0].spatial)


@op(
    "crop",
    main="size",
    doc="The middle part of an image; of an odd number of cells cut off, one more goes at the end.",
    example="- crop: 6\n- conv: {filters: 8, kernel: 3}\n- relu",
)
class Crop:
    size: Window = attr(default=None, doc="sides of what is left, one number or one per axis", minimum=1)
    like: LayerShape = attr(default=None, doc="the layer whose size it becomes, instead of a size")

    def infer(self, x: TensorType) -> TensorType:
        sides = target_sides("size", self.size, self.like, x)
        if any(kept > n for n, kept in zip(x.spatial, sides, strict=True)):
            raise ShapeError("NS219", attr="like" if self.like else "size", size=formulas.times(sides))
        return replace(x, shape=(*sides, x.channels), dtype="float32", block=None)

    def axis_maps(self, x: TensorType) -> tuple[AxisMap | None, ...]:
        sides = target_sides("size", self.size, self.like, x)
        return (*(axis_map.middle(n, kept) for n, kept in zip(x.spatial, sides, strict=True)), None)

    def reach(self, x: TensorType) -> tuple[Reach, ...]:
        return reach_of_maps(self.axis_maps(x))

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return gradient_of_move(g, node, dy)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        for axis, (n, kept) in enumerate(zip(data[0].spatial, outputs[0].spatial, strict=True), 1):
            before = formulas.crop_before(n, kept)
            yield Formula(f"cells before, axis {axis}", "⌊(n − size)/2⌋", f"⌊({n} − {kept})/2⌋", before)


@op(
    "pad",
    main="amount",
    doc="Adds cells around an image, and channels: of one value, mirrored, or like the edge.",
    example="- pad: {amount: 1, mode: reflect}\n- conv: {filters: 8, kernel: 3}\n- relu",
)
class Pad:
    amount: Margins = attr(default=0, doc="cells on both sides, or per axis a number or a [before, after] pair")
    channels: Margin = attr(default=0, doc="channels before and behind, a number for both or a [before, after] pair")
    mode: str = attr(
        default="value",
        doc="what the new cells hold: the value, the inside mirrored at the edge cell, or copies of the edge cell",
        enum=("value", "reflect", "replicate"),
    )
    value: float = attr(default=0.0, doc="the number in the new cells under mode: value")

    def margins(self, x: TensorType) -> tuple[tuple[int, int], ...]:
        """Cells before and after each axis of ``x``, the channels last; raises ``ShapeError``."""
        channels = (self.channels, self.channels) if isinstance(self.channels, int) else self.channels
        if self.amount == 0:
            return (*((0, 0),) * len(x.spatial), channels)
        check_image(x)
        if isinstance(self.amount, int):
            return (*((self.amount, self.amount),) * len(x.spatial), channels)
        if len(self.amount) != len(x.spatial):
            count = len(self.amount)
            raise ShapeError("NS210", attr="amount", attribute="amount", count=count, axes=len(x.spatial))
        return (*((each, each) if isinstance(each, int) else each for each in self.amount), channels)

    def infer(self, x: TensorType) -> TensorType:
        margins = self.margins(x)
        for side, margin in zip(x.shape, margins, strict=True):
            if self.mode == "reflect" and max(margin) >= side:
                raise ShapeError("NS219", attr="mode", margin=max(margin), side=side)
        shape = tuple(formulas.padded(n, *margin) for n, margin in zip(x.shape, margins, strict=True))
        return replace(x, shape=shape, dtype="float32", block=None)

    def axis_maps(self, x: TensorType) -> tuple[AxisMap | None, ...]:
        mode: Literal["value", "reflect", "replicate"] = self.mode  # type: ignore[assignment]  # the schema knows them
        sides = zip(x.shape, self.margins(x), strict=True)
        return tuple(axis_map.pad(n, *margin, mode) if any(margin) else None for n, margin in sides)

    def narrowed(self, sources: Sources) -> Pad:
        """With as many empty channels before and behind as are left there."""
        empty = [not source for source in sources]
        before = empty.index(False) if False in empty else len(empty)
        return Pad(**{**attributes_of(self), "channels": (before, sum(empty) - before)})

    def reach(self, x: TensorType) -> tuple[Reach, ...]:
        return reach_of_maps(self.axis_maps(x))

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return gradient_of_move(g, node, dy)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        margins = self.margins(data[0])
        names = [*(f"output axis {number}" for number in range(1, len(margins))), "channels"]
        for name, n, (before, after), side in zip(names, data[0].shape, margins, outputs[0].shape, strict=True):
            if before or after:
                yield Formula(name, "n + before + after", f"{n} + {before} + {after}", side)
