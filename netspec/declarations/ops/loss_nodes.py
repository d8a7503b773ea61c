"""The internal ops that losses are made of: cross-entropy, errors of one number against one, and their mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, dataclass_transform

from netspec.core import formulas
from netspec.core.attributes import attr
from netspec.core.builder import Builder
from netspec.core.expression import Expression, absolute, exp, log, maximum, minimum, sigmoid, where
from netspec.core.expression import inputs as variables
from netspec.core.graph import Node, Value
from netspec.core.op import ShapeError, op
from netspec.core.types import TensorType, scalar

T = TypeVar("T")

_SMOOTHING_DOC = "share of the target spread over all classes"
_WEIGHTS_DOC = "factor of each class, or none"


@op(
    "cross_entropy",
    public=False,
    doc="Mean of Σₖ wₖ tₖ (log Σⱼ e^zⱼ − zₖ) over live samples and positions: from logits, by log-sum-exp. "
    "Targets are class numbers or, as float32, one number per class. A mean over class numbers is weighted.",
)
class CrossEntropyNode:
    label_smoothing: float = attr(default=0.0, doc=_SMOOTHING_DOC)
    class_weights: tuple[float, ...] | None = attr(default=None, doc=_WEIGHTS_DOC)

    def infer(self, logits: TensorType, target: TensorType) -> tuple[TensorType, ...]:
        """The loss, and what the sum was divided by."""
        if self.class_weights is not None and len(self.class_weights) != logits.channels:
            raise ShapeError(
                "NS504", attr="class_weights", count=len(self.class_weights), outputs=formulas.times(logits.shape)
            )
        return scalar(), scalar()

    def grad(self, g: Builder, node: Node, dy: Value, _: Value | None = None) -> tuple[Value | None, ...]:
        dx = CrossEntropyDx(label_smoothing=self.label_smoothing, class_weights=self.class_weights)
        return (g.add(dx, *node.inputs, node.outputs[1], dy), None)


@op("cross_entropy.dx", public=False, doc="(Σⱼ wⱼ tⱼ · softmax(z)ₖ − wₖ tₖ) / divisor, times the gradient of the loss.")
class CrossEntropyDx:
    label_smoothing: float = attr(default=0.0, doc=_SMOOTHING_DOC)
    class_weights: tuple[float, ...] | None = attr(default=None, doc=_WEIGHTS_DOC)

    def infer(self, logits: TensorType, target: TensorType, divisor: TensorType, dloss: TensorType) -> TensorType:
        return logits


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(attr,))
def error(name: str, doc: str) -> Callable[[type[T]], type[T]]:
    """Declare an internal op of a number x and its target t and, as ``{name}.dx``, its gradient by x.

    The class states ``value(self, x, t)`` and ``slope(self, x, t)``, its derivative by x. Targets have no gradient.
    """

    @op(f"{name}.dx", public=False, doc=f"Gradient of {name} by its first input, from both inputs and dy.")
    class Gradient:
        of: Any = attr(doc="the op whose gradient it is")

        def infer(self, x: TensorType, target: TensorType, dy: TensorType) -> TensorType:
            return dy

        def expressions(self, inputs: int) -> tuple[Expression, ...]:
            x, target, dy = variables(3)
            return (dy * self.of.slope(x, target),)

    def infer(self: Any, x: TensorType, target: TensorType) -> TensorType:
        return replace(x, dtype="float32")

    def expressions(self: Any, inputs: int) -> tuple[Expression, ...]:
        return (self.value(*variables(2)),)

    def grad(self: Any, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(Gradient(of=self), *node.inputs, dy), None)

    def register(cls: type[T]) -> type[T]:
        methods: dict[str, Any] = {"infer": infer, "expressions": expressions, "grad": grad}
        for key, member in methods.items():
            setattr(cls, key, member)
        return op(name, public=False, doc=doc)(cls)

    return register


@error("binary_error", doc="−t log σ(z) − (1 − t) log(1 − σ(z)) = max(z, 0) − zt + log(1 + e^−|z|): from logits.")
class BinaryError:
    def value(self, z: Expression, target: Expression) -> Expression:
        return maximum(z, 0) - z * target + log(1 + exp(-absolute(z)))

    def slope(self, z: Expression, target: Expression) -> Expression:
        return sigmoid(z) - target


@error("squared_error", doc="(x − t)².")
class SquaredError:
    def value(self, x: Expression, target: Expression) -> Expression:
        return (x - target) * (x - target)

    def slope(self, x: Expression, target: Expression) -> Expression:
        return 2 * (x - target)


@error("absolute_error", doc="|x − t|; where the two are equal its slope is 0.")
class AbsoluteError:
    def value(self, x: Expression, target: Expression) -> Expression:
        return absolute(x - target)

    def slope(self, x: Expression, target: Expression) -> Expression:
        difference = x - target
        return where(difference > 0, 1, where(difference < 0, -1, difference))  # 0, or NaN


@error("huber_error", doc="(x − t)²/2 where |x − t| ≤ δ, else δ(|x − t| − δ/2).")
class HuberError:
    delta: float = attr(doc="where the square ends and the line begins")

    def value(self, x: Expression, target: Expression) -> Expression:
        distance = absolute(x - target)
        near = minimum(distance, self.delta)  # near²/2 + δ(distance − near) is both pieces in one
        return near * near / 2 + self.delta * (distance - near)

    def slope(self, x: Expression, target: Expression) -> Expression:
        return maximum(minimum(x - target, self.delta), -self.delta)


@op("batch_mean", public=False, doc="The mean of all numbers of all live samples.")
class BatchMean:
    def infer(self, x: TensorType) -> TensorType:
        return scalar()

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(BatchMeanDx(x=node.data[0].type), dy),)


@op("batch_mean.dx", public=False, doc="The gradient of the mean by each number: the same share for all.")
class BatchMeanDx:
    x: TensorType = attr(doc="type of the input of the mean")

    def infer(self, dy: TensorType) -> TensorType:
        return replace(self.x, dtype="float32", block=None)


@op("constant", public=False, doc="A number known when the graph is built.")
class Constant:
    value: float = attr(doc="the number")

    def infer(self) -> TensorType:
        return scalar()
