"""What stands between gradients and update where gradients are clipped."""

from __future__ import annotations

from netspec.core.attributes import attr
from netspec.core.expression import Expression, maximum, minimum
from netspec.core.expression import inputs as variables
from netspec.core.op import op
from netspec.core.types import TensorType, scalar


@op("clip_value", public=False, doc="The number, but no farther from 0 than the limit.")
class ClipValue:
    limit: float = attr(doc="farthest from 0")

    def infer(self, gradient: TensorType) -> TensorType:
        return gradient

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        (gradient,) = variables(1)
        return (maximum(minimum(gradient, self.limit), -self.limit),)


@op("global_norm", public=False, doc="Root of the sum of the squares of all numbers of all inputs; none is batched.")
class GlobalNorm:
    def infer(self, *gradients: TensorType) -> TensorType:
        return scalar()


@op("clip_norm", public=False, doc="(gradient, global norm): the gradient times limit / max(norm, limit).")
class ClipNorm:
    limit: float = attr(doc="longest that all gradients together may be")

    def infer(self, gradient: TensorType, norm: TensorType) -> TensorType:
        return gradient

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        gradient, norm = variables(2)
        return (gradient * (self.limit / maximum(norm, self.limit)),)
