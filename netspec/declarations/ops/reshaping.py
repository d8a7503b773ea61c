"""Ops that only see a tensor in another way: as it is, in another shape, or with channels laid out as cells."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from netspec.core import formulas
from netspec.core.attributes import Shape, Window, attr
from netspec.core.axis_map import AS_IT_IS, Reach
from netspec.core.builder import Builder
from netspec.core.channels import Sources
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Value
from netspec.core.op import ShapeError, op
from netspec.core.types import TensorType
from netspec.declarations.ops.axes import explain_axes
from netspec.declarations.ops.dense import Flatten, FlattenDx
from netspec.declarations.ops.windows import check_image, per_axis


@op("identity", doc="Its input, as it is: a layer that does nothing, but can bear a name.")
class Identity:
    per_channel = True

    def infer(self, x: TensorType) -> TensorType:
        return x

    def lower(self, g: Builder, node: Node) -> Value:
        return node.data[0]


@op(
    "reshape",
    main="shape",
    doc="The same numbers in another shape, in the order height, width, channels.",
    example="- reshape: [4, 4, 4]\n- conv: {filters: 8, kernel: 3}\n- relu",
)
class Reshape:
    shape: Shape = attr(doc="the new shape, channels last; one side may be -1, which takes what is left")

    def resolved(self, x: TensorType) -> tuple[int, ...]:
        """The new shape with its -1 worked out; raises ``ShapeError`` where the numbers do not come out even."""
        known = math.prod(side for side in self.shape if side != -1)
        left = self.shape.count(-1)
        shape = self.shape
        if left == 1 and known and x.elements % known == 0:
            shape = tuple(x.elements // known if side == -1 else side for side in shape)
        if left > 1 or math.prod(shape) != x.elements or min(shape) < 1:
            written = formulas.times(self.shape)
            raise ShapeError("NS217", attr="shape", shape=written, input=formulas.times(x.shape), count=x.elements)
        return shape

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, shape=self.resolved(x), block=None)

    def lower(self, g: Builder, node: Node) -> Value:
        x, shape = node.data[0], self.resolved(node.data[0].type)
        flat = g.add(Flatten(), x) if x.type.spatial else x
        return g.add(FlattenDx(shape=shape), flat) if len(shape) > 1 else flat

    def reach(self, x: TensorType) -> tuple[Reach, ...]:
        kept = self.resolved(x)[:-1] == x.spatial
        return tuple(AS_IT_IS if kept else Reach(side, Fraction(side)) for side in x.spatial)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        sides = "·".join(map(str, outputs[0].shape))
        yield Formula("numbers", "product of the sides", sides, outputs[0].elements, "as many as come in")


@op(
    "depth_to_space",
    main="factor",
    doc="Lays groups of channels out as cells: with factor f, f·f·C channels become C channels on f times the sides. "
    "Channel (i·f + j)·C + c goes to cell (i, j), as in TensorFlow and in ONNX's mode DCR.",
    example="- conv: {filters: 8, kernel: 3, padding: same}\n- relu\n- depth_to_space: 2",
)
class DepthToSpace:
    factor: Window = attr(doc="how many times as long each axis becomes, one number or one per axis", minimum=1)

    def factors(self, x: TensorType) -> tuple[int, ...]:
        """One factor per spatial axis of ``x``; raises ``ShapeError``."""
        check_image(x)
        return per_axis(self.factor, len(x.spatial), "factor")

    def infer(self, x: TensorType) -> TensorType:
        factors = self.factors(x)
        cells = math.prod(factors)
        if x.channels % cells:
            advice = f"the channels must be a multiple of {'·'.join(map(str, factors))} = {cells}"
            raise ShapeError("NS217", attr="factor", count=x.channels, what="channels", parts=cells, advice=advice)
        sides = [formulas.upsampled(n, f) for n, f in zip(x.spatial, factors, strict=True)]
        shape = (*sides, formulas.equal_part(x.channels, cells))
        return replace(x, shape=shape, dtype="float32", block=None)

    def channel_sources(self, x: TensorType) -> Sources:
        cells = math.prod(self.factors(x))
        channels = formulas.equal_part(x.channels, cells)
        return tuple(tuple((0, cell * channels + channel) for cell in range(cells)) for channel in range(channels))

    def reach(self, x: TensorType) -> tuple[Reach, ...]:
        return tuple(Reach(1, Fraction(1, factor)) for factor in self.factors(x))

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(DepthToSpaceDx(factors=self.factors(node.data[0].type)), dy),)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        factors = self.factors(data[0])
        texts = [f"{n}·{f}" for n, f in zip(data[0].spatial, factors, strict=True)]
        yield from explain_axes("n·f", texts, outputs[0].spatial)
        cells = "·".join(map(str, factors))
        yield Formula("channels", "C / cells", f"{data[0].channels}/({cells})", outputs[0].channels)


@op("depth_to_space.dx", public=False, doc="Gathers cells back into groups of channels.")
class DepthToSpaceDx:
    factors: tuple[int, ...] = attr(doc="cells along each spatial axis that become channels")

    def infer(self, dy: TensorType) -> TensorType:
        sides = [formulas.equal_part(n, f) for n, f in zip(dy.spatial, self.factors, strict=True)]
        return replace(dy, shape=(*sides, dy.channels * math.prod(self.factors)), block=None)
