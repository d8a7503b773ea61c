"""Activations. Each but softmax is one scalar expression and its derivative; backends make the kernels from it."""

from __future__ import annotations

from dataclasses import replace

from netspec.core.builder import Builder
from netspec.core.expression import Expression, sigmoid, tanh, where
from netspec.core.expression import inputs as variables
from netspec.core.graph import Node, Value
from netspec.core.op import op
from netspec.core.types import TensorType


@op("relu", doc="max(x, 0).")
class Relu:
    def infer(self, x: TensorType) -> TensorType:
        return replace(x, dtype="float32")

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        (x,) = variables(1)
        return (where(x < 0, 0, x),)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(ReluDx(), node.output, dy),)


@op("relu.dx", public=False, doc="dy where y > 0, else 0.")
class ReluDx:
    def infer(self, y: TensorType, dy: TensorType) -> TensorType:
        return dy

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        y, dy = variables(2)
        return (where(y > 0, dy, 0),)


@op("tanh", doc="(eˣ − e⁻ˣ)/(eˣ + e⁻ˣ), between −1 and 1.")
class Tanh:
    def infer(self, x: TensorType) -> TensorType:
        return replace(x, dtype="float32")

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        return (tanh(variables(1)[0]),)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(TanhDx(), node.output, dy),)


@op("tanh.dx", public=False, doc="dy (1 − y²).")
class TanhDx:
    def infer(self, y: TensorType, dy: TensorType) -> TensorType:
        return dy

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        y, dy = variables(2)
        return (dy * (1 - y * y),)


@op("sigmoid", doc="1/(1 + e⁻ˣ), between 0 and 1.")
class Sigmoid:
    def infer(self, x: TensorType) -> TensorType:
        return replace(x, dtype="float32")

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        return (sigmoid(variables(1)[0]),)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(SigmoidDx(), node.output, dy),)


@op("sigmoid.dx", public=False, doc="dy y (1 − y).")
class SigmoidDx:
    def infer(self, y: TensorType, dy: TensorType) -> TensorType:
        return dy

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        y, dy = variables(2)
        return (dy * (y * (1 - y)),)


@op("softmax", doc="Probabilities over the channels: e^xᵢ / Σⱼ e^xⱼ.")
class Softmax:
    def infer(self, x: TensorType) -> TensorType:
        return replace(x, dtype="float32", block=None)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(SoftmaxDx(), node.output, dy),)


@op("softmax.dx", public=False, doc="y (dy − Σⱼ yⱼ dyⱼ).")
class SoftmaxDx:
    def infer(self, y: TensorType, dy: TensorType) -> TensorType:
        return replace(dy, block=None)
