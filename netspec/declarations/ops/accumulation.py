"""What stands around an update: gradients summed over several batches before it, an average of weights behind it."""

from __future__ import annotations

from netspec.core.expression import Expression, where
from netspec.core.expression import inputs as variables
from netspec.core.op import op
from netspec.core.types import TensorType


@op(
    "accumulate",
    public=False,
    doc="(sum, gradient, share, first): the sum and the gradient's share of it; at the first of several batches the "
    "share alone, whatever the sum was.",
)
class Accumulate:
    def infer(self, total: TensorType, gradient: TensorType, share: TensorType, first: TensorType) -> TensorType:
        return total

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        total, gradient, share, first = variables(4)
        return (where(first > 0.5, 0.0, total) + share * gradient,)


@op(
    "average",
    public=False,
    doc="(average, number, share): the average moved by its share towards the number.",
)
class MoveAverage:
    def infer(self, average: TensorType, number: TensorType, share: TensorType) -> TensorType:
        return average

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        average, number, share = variables(3)
        return (average + share * (number - average),)
