"""Ops between the raw data and the first layer, and between ways of storing numbers."""

from __future__ import annotations

from dataclasses import replace

from netspec.core.attributes import attr
from netspec.core.builder import Builder
from netspec.core.expression import Expression
from netspec.core.expression import inputs as variables
from netspec.core.graph import Node, Value
from netspec.core.op import ShapeError, op
from netspec.core.types import DType, TensorType


@op(
    "affine",
    public=False,
    doc="x·scale + shift per channel, from uint8 or float32: how images are normalised in the graph.",
)
class Affine:
    scale: tuple[float, ...] = attr(doc="one factor, or one per channel")
    shift: tuple[float, ...] = attr(doc="one summand, or one per channel")

    keeps_layout = True

    def infer(self, x: TensorType) -> TensorType:
        for numbers in (self.scale, self.shift):
            if len(numbers) not in (1, x.channels):
                raise ShapeError("NS503", count=len(numbers), channels=x.channels)
        return replace(x, dtype="float32")

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value]:
        """``dx = dy·scale``: the same op without the summand."""
        return (g.add(Affine(scale=self.scale, shift=(0.0,)), dy),)


@op("layout.convert", public=False, doc="The same numbers in another storage layout.")
class LayoutConvert:
    block: int | None = attr(doc="channels per block of the result, None for plain")

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, block=self.block)


@op("storage.convert", public=False, doc="The same numbers stored as another type, rounded where that has fewer bits.")
class StorageConvert:
    optional = True
    to: DType = attr(default="float32", doc="element type of the result")

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, dtype=self.to)

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        return tuple(variables(inputs))
