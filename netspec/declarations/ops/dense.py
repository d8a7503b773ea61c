"""Dense (fully connected) layers and the flattening before them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netspec.core import formulas
from netspec.core.attributes import attr
from netspec.core.builder import Builder
from netspec.core.channels import Sources
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Param, Value
from netspec.core.op import ShapeError, op
from netspec.core.types import TensorType
from netspec.declarations.ops.reductions import ChannelSum


@op(
    "dense",
    main="units",
    doc="Every output is a weighted sum of every input: y = xW + b.",
    example="- flatten\n- dense: 32\n- relu",
)
class Dense:
    units: int = attr(doc="outputs", minimum=1)
    bias: bool = attr(default=True, doc="add one learned number per unit")

    weighs_channels = True

    def infer(self, x: TensorType) -> TensorType:
        if len(x.shape) != 1:
            raise ShapeError("NS205", features=x.elements, channels=x.channels)
        return replace(x, shape=(self.units,), dtype="float32")

    def params(self, x: TensorType) -> dict[str, Param]:
        weight = Param((x.elements, self.units), "he", fan_in=x.elements, fan_out=self.units)
        return {"weight": weight} | ({"bias": Param((self.units,), "zeros")} if self.bias else {})

    def macs(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> int:
        return formulas.dense_weights(data[0].elements, self.units)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        dx = g.add(DenseDx(), dy, node.parameter("weight"))
        dw = g.add(DenseDw(), node.data[0], dy)
        return (dx, dw, g.add(ChannelSum(), dy)) if self.bias else (dx, dw)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        inputs = data[0].elements
        weights = formulas.dense_weights(inputs, self.units)
        bias, more = (" + 1", self.units) if self.bias else ("", 0)
        yield Formula(
            "parameters",
            f"(n_in{bias}) · n_out",
            f"({inputs}{bias})·{self.units}",
            weights + more,
            "one bias per output, so the 1 stands beside n_in" if self.bias else "",
        )
        yield Formula("MACs", "n_in · n_out", f"{inputs}·{self.units}", weights)


@op("dense.dx", public=False, doc="Gradient of a dense layer with respect to its input: dy Wᵀ.")
class DenseDx:
    def infer(self, dy: TensorType, weight: TensorType) -> TensorType:
        return replace(dy, shape=(weight.shape[0],))


@op("dense.dw", public=False, doc="Gradient of a dense layer with respect to its weight: xᵀ dy.")
class DenseDw:
    def infer(self, x: TensorType, dy: TensorType) -> TensorType:
        return TensorType((x.elements, dy.elements), batched=False)


@op(
    "flatten",
    doc="Lays all numbers of a sample in one row, in the order height, width, channels.",
    example="- conv: {filters: 8, kernel: 3, padding: same}\n- relu\n- flatten",
)
class Flatten:
    def channel_sources(self, x: TensorType) -> Sources:
        return tuple(((0, channel),) for _ in range(x.positions) for channel in range(x.channels))

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, shape=(x.elements,), block=None)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(FlattenDx(shape=node.data[0].type.shape), dy),)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        shape = data[0].shape
        yield Formula("outputs", "product of the sides", "·".join(map(str, shape)), data[0].elements)


@op("flatten.dx", public=False, doc="A row of numbers given its spatial shape back.")
class FlattenDx:
    shape: tuple[int, ...] = attr(doc="shape before flattening")

    def infer(self, dy: TensorType) -> TensorType:
        return replace(dy, shape=self.shape, block=None)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(Flatten(), dy),)
