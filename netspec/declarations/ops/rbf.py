"""Radial basis units: how far the input is from each of some points.

The nearest point has the smallest number. Where a softmax follows, which takes the largest, the sign is to be turned
before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netspec.core import formulas
from netspec.core.attributes import attr
from netspec.core.builder import Builder
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Param, Value
from netspec.core.op import ShapeError, op
from netspec.core.types import TensorType


@op(
    "rbf",
    main="units",
    doc="Squared distance from a point per unit, as at the end of LeNet-5: Σ (x_i − w_ij)².",
    example="- flatten\n- dense: 16\n- tanh\n- rbf: 12",
)
class Rbf:
    units: int = attr(doc="outputs, one point each", minimum=1)

    def infer(self, x: TensorType) -> TensorType:
        if len(x.shape) != 1:
            raise ShapeError("NS205", features=x.elements, channels=x.channels)
        return replace(x, shape=(self.units,), dtype="float32")

    def params(self, x: TensorType) -> dict[str, Param]:
        """Weight ``(C, units)``, which starts from -1 and 1, as the points of LeNet-5 do (LeCun et al. 1998, II.B)."""
        return {"weight": Param((x.elements, self.units), "signs", fan_in=x.elements, fan_out=self.units)}

    def macs(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> int:
        return formulas.dense_weights(data[0].elements, self.units)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        x, weight = node.data[0], node.parameter("weight")
        return g.add(RbfDx(), x, weight, dy), g.add(RbfDw(), x, weight, dy)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        inputs = data[0].elements
        weights = formulas.dense_weights(inputs, self.units)
        yield Formula("parameters", "n_in · n_out", f"{inputs}·{self.units}", weights, "one point per unit, no bias")
        yield Formula("MACs", "n_in · n_out", f"{inputs}·{self.units}", weights, "each a difference, squared and added")


@op("rbf.dx", public=False, doc="Gradient of the squared distances with respect to the input: 2 Σ_j (x_i − w_ij) dy_j.")
class RbfDx:
    def infer(self, x: TensorType, weight: TensorType, dy: TensorType) -> TensorType:
        return replace(x, dtype="float32")


@op("rbf.dw", public=False, doc="Gradient of the squared distances with respect to the points: 2 Σ (w_ij − x_i) dy_j.")
class RbfDw:
    def infer(self, x: TensorType, weight: TensorType, dy: TensorType) -> TensorType:
        return TensorType(weight.shape, batched=False)
