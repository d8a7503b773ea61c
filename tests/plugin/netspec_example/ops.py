"""An activation, given by its expression, and a layer with weights, given by the ops that it consists of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netspec.core.attributes import attr
from netspec.core.builder import Builder
from netspec.core.expression import Expression, absolute, inputs
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Param, Value
from netspec.core.op import ShapeError, op
from netspec.core.types import TensorType
from netspec.declarations.ops.activations import Relu, Sigmoid
from netspec.declarations.ops.dense import Dense
from netspec.declarations.ops.pooling import GlobalAvgPool
from netspec.declarations.ops.products import Multiply


@op("softsign", doc="x / (1 + |x|) (Bergstra et al. 2009).")
class Softsign:
    activation = True

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, dtype="float32")

    def expressions(self, inputs_given: int) -> tuple[Expression, ...]:
        (x,) = inputs(1)
        return (x / (1 + absolute(x)),)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(SoftsignDx(), node.inputs[0], dy),)


@op("softsign.dx", public=False, doc="dy / (1 + |x|)².")
class SoftsignDx:
    def infer(self, x: TensorType, dy: TensorType) -> TensorType:
        return dy

    def expressions(self, inputs_given: int) -> tuple[Expression, ...]:
        x, dy = inputs(2)
        below = 1 + absolute(x)
        return (dy / (below * below),)


@op(
    "squeeze_excite",
    main="ratio",
    doc="Weighs each channel by what all of them hold on average (Hu et al. 2018).",
    example="- conv: {filters: 8, kernel: 3}\n- softsign\n- squeeze_excite: 2",
)
class SqueezeExcite:
    ratio: int = attr(doc="how many times fewer numbers lie between the two dense layers", minimum=1)

    def squeezed(self, x: TensorType) -> int:
        """Numbers between the two dense layers; raises ``ShapeError`` where the channels do not come out even."""
        if x.channels % self.ratio:
            advice = f"the channels must be a multiple of {self.ratio}"
            raise ShapeError("NS217", attr="ratio", count=x.channels, what="channels", parts=self.ratio, advice=advice)
        return x.channels // self.ratio

    def infer(self, x: TensorType) -> TensorType:
        GlobalAvgPool().infer(x)
        self.squeezed(x)
        return replace(x, dtype="float32", block=None)

    def params(self, x: TensorType) -> dict[str, Param]:
        wide, narrow = x.channels, self.squeezed(x)
        return {
            "squeeze_weight": Param((wide, narrow), "he", fan_in=wide, fan_out=narrow),
            "squeeze_bias": Param((narrow,), "zeros", fan_in=wide, fan_out=narrow),
            "excite_weight": Param((narrow, wide), "lecun", fan_in=narrow, fan_out=wide),
            "excite_bias": Param((wide,), "zeros", fan_in=narrow, fan_out=wide),
        }

    def macs(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> int:
        return 2 * data[0].channels * self.squeezed(data[0])

    def lower(self, g: Builder, node: Node) -> Value:
        x = node.data[0]
        means = g.apply(GlobalAvgPool(), x)
        first, second = ((node.parameter(f"{part}_weight"), node.parameter(f"{part}_bias")) for part in _PARTS)
        narrow = g.apply(Dense(units=self.squeezed(x.type)), means, weight=first[0], bias=first[1])
        wide = g.apply(Dense(units=x.type.channels), g.add(Relu(), narrow), weight=second[0], bias=second[1])
        return g.add(Multiply(), x, g.add(Sigmoid(), wide))

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        wide, narrow = data[0].channels, self.squeezed(data[0])
        yield Formula("squeezed channels", "C/r", f"{wide}/{self.ratio}", narrow)


_PARTS = ("squeeze", "excite")
