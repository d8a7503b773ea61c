"""Activations. Each but prelu and softmax is a scalar expression and its derivative; kernels are made from them.

Where the derivative can be told from the output it is, so that the input's memory is free for what comes after.

Sources: LeCun et al. 1998 (scaled tanh); Glorot et al. 2011 (rectifier, softplus); Maas et al. 2013 (leaky relu);
He et al. 2015 (prelu); Clevert et al. 2016 (elu); Hendrycks and Gimpel 2016 (gelu, silu); Howard et al. 2017 and 2019
(relu6, the hard forms).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal, TypeVar, dataclass_transform

from netspec.core.attributes import attr
from netspec.core.builder import Builder
from netspec.core.expression import Expression, absolute, erf, exp, log, maximum, minimum, sigmoid, tanh, where
from netspec.core.expression import inputs as variables
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Param, Value
from netspec.core.op import op
from netspec.core.types import TensorType
from netspec.declarations.initializers import Constant

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(attr,))
def elementwise(
    name: str, *, main: str | None = None, doc: str, reads: Literal["x", "y"] = "y", activation: bool = True
) -> Callable[[type[T]], type[T]]:
    """Declare an op of one input and, as the internal op ``{name}.dx``, its gradient.

    The class states ``value(self, x)``, the output, and ``gradient(self, read, dy)``, the gradient of the input, where
    ``read`` is the output or the input, as ``reads`` says. An ``activation`` is one that a network puts behind a layer
    to bend it; two in a row are likely a slip.
    """

    @op(f"{name}.dx", public=False, doc=f"Gradient of {name}, from its {'output' if reads == 'y' else 'input'} and dy.")
    class Gradient:
        of: Any = attr(doc="the op whose gradient it is")

        def infer(self, read: TensorType, dy: TensorType) -> TensorType:
            return dy

        def expressions(self, inputs: int) -> tuple[Expression, ...]:
            return (self.of.gradient(*variables(2)),)

    def infer(self: Any, x: TensorType) -> TensorType:
        return replace(x, dtype="float32")

    def expressions(self: Any, inputs: int) -> tuple[Expression, ...]:
        return (self.value(*variables(1)),)

    def grad(self: Any, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(Gradient(of=self), node.output if reads == "y" else node.data[0], dy),)

    def register(cls: type[T]) -> type[T]:
        methods: dict[str, Any] = {"infer": infer, "expressions": expressions, "grad": grad}
        for key, member in (methods | ({"activation": True} if activation else {})).items():
            setattr(cls, key, member)
        return op(name, main=main, doc=doc)(cls)

    return register


@elementwise("relu", doc="max(x, 0).")
class Relu:
    def value(self, x: Expression) -> Expression:
        return where(x < 0, 0, x)

    def gradient(self, y: Expression, dy: Expression) -> Expression:
        return where(y > 0, dy, 0)


@elementwise("relu6", doc="min(max(x, 0), 6).")
class Relu6:
    def value(self, x: Expression) -> Expression:
        return _clipped(x, 6)

    def gradient(self, y: Expression, dy: Expression) -> Expression:
        return where(y > 0, where(y < 6, dy, 0), 0)


@elementwise("leaky_relu", main="slope", doc="x where x > 0, else slope·x.")
class LeakyRelu:
    slope: float = attr(default=0.01, doc="share of a negative number that passes", minimum=0)

    def value(self, x: Expression) -> Expression:
        return where(x < 0, self.slope * x, x)

    def gradient(self, y: Expression, dy: Expression) -> Expression:
        return where(y > 0, dy, self.slope * dy)  # y has the sign of x, or is 0 with a slope of 0


@op("prelu", doc="x where x > 0, else a learned slope times x, one slope per channel, 0.25 at first.")
class PRelu:
    per_channel = True
    activation = True

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, dtype="float32", block=None)

    def params(self, x: TensorType) -> dict[str, Param]:
        return {"slope": Param((x.channels,), Constant(value=0.25))}

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return g.node(PReluDx(), node.data[0], dy, node.parameter("slope")).outputs

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        channels = data[0].channels
        yield Formula("parameters", "one slope per channel", str(channels), channels)


@op("prelu.dx", public=False, doc="Gradients of prelu: dy or slope·dy, and per channel the sum of x·dy where x <= 0.")
class PReluDx:
    def infer(self, x: TensorType, dy: TensorType, slope: TensorType) -> tuple[TensorType, ...]:
        return replace(dy, block=None), slope


@elementwise("elu", main="alpha", doc="x where x > 0, else α(eˣ − 1).")
class Elu:
    alpha: float = attr(default=1.0, doc="the output goes no lower than −α", minimum=0)

    def value(self, x: Expression) -> Expression:
        # eˣ − 1 = 2t/(1 − t) with t = tanh(x/2), which near 0 does not take two nearly equal numbers from each other.
        half = tanh(minimum(x, 0) / 2)
        return where(x > 0, x, self.alpha * (2 * half / (1 - half)))

    def gradient(self, y: Expression, dy: Expression) -> Expression:
        return where(y > 0, dy, dy * (y + self.alpha))


@elementwise("gelu", reads="x", doc="x Φ(x) = x (1 + erf(x/√2))/2, with Φ the normal distribution.")
class Gelu:
    def value(self, x: Expression) -> Expression:
        return x * _normal_distribution(x)

    def gradient(self, x: Expression, dy: Expression) -> Expression:
        density = exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
        return dy * (_normal_distribution(x) + x * density)


@elementwise("silu", reads="x", doc="x/(1 + e⁻ˣ), also known as swish.")
class Silu:
    def value(self, x: Expression) -> Expression:
        return x * sigmoid(x)

    def gradient(self, x: Expression, dy: Expression) -> Expression:
        gate = sigmoid(x)
        return dy * (gate * (1 + x * (1 - gate)))


@elementwise("softplus", doc="log(1 + eˣ), a smooth relu.")
class Softplus:
    def value(self, x: Expression) -> Expression:
        return maximum(x, 0) + log(1 + exp(-absolute(x)))  # no power overflows

    def gradient(self, y: Expression, dy: Expression) -> Expression:
        return dy * (1 - exp(-y))


@elementwise("tanh", main="scale", doc="A tanh(Sx), between −A and A; LeCun's is A = 1.7159, S = 2/3.")
class Tanh:
    scale: float = attr(default=1.0, doc="A, the largest output", exclusiveMinimum=0)
    slope: float = attr(default=1.0, doc="S, what the input is multiplied by", exclusiveMinimum=0)

    def value(self, x: Expression) -> Expression:
        return self.scale * tanh(self.slope * x)

    def gradient(self, y: Expression, dy: Expression) -> Expression:
        unscaled = y * (1 / self.scale)
        return dy * (self.scale * self.slope * (1 - unscaled * unscaled))


@elementwise("sigmoid", doc="1/(1 + e⁻ˣ), between 0 and 1.")
class Sigmoid:
    def value(self, x: Expression) -> Expression:
        return sigmoid(x)

    def gradient(self, y: Expression, dy: Expression) -> Expression:
        return dy * (y * (1 - y))


@elementwise("hard_sigmoid", doc="relu6(x + 3)/6: a sigmoid of straight lines.")
class HardSigmoid:
    def value(self, x: Expression) -> Expression:
        return _clipped(x + 3, 6) / 6

    def gradient(self, y: Expression, dy: Expression) -> Expression:
        return where(y > 0, where(y < 1, dy / 6, 0), 0)


@elementwise("hard_swish", reads="x", doc="x relu6(x + 3)/6: a silu of straight lines and a parabola.")
class HardSwish:
    def value(self, x: Expression) -> Expression:
        return x * _clipped(x + 3, 6) / 6

    def gradient(self, x: Expression, dy: Expression) -> Expression:
        return where(x < -3, 0, where(x > 3, dy, dy * (2 * x + 3) / 6))


@elementwise("abs", reads="x", activation=False, doc="|x|.")
class Abs:
    def value(self, x: Expression) -> Expression:
        return absolute(x)

    def gradient(self, x: Expression, dy: Expression) -> Expression:
        return where(x > 0, dy, where(x < 0, -dy, 0))


@op("linear", doc="x itself: says that a layer has no activation on purpose.")
class Linear:
    def infer(self, x: TensorType) -> TensorType:
        return replace(x, dtype="float32")

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        return variables(1)

    def lower(self, g: Builder, node: Node) -> Value:
        return node.data[0]


def _clipped(x: Expression, top: float) -> Expression:
    return minimum(maximum(x, 0), top)


def _normal_distribution(x: Expression) -> Expression:
    return 0.5 * (1 + erf(x * math.sqrt(0.5)))


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
