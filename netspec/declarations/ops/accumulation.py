"""What stands around an update: gradients summed before it, pruned weights kept at 0 and an average behind it."""

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


@op(
    "keep_where",
    public=False,
    doc="(number, mask): the number where the mask is not 0, else 0.",
)
class KeepWhere:
    def infer(self, number: TensorType, mask: TensorType) -> TensorType:
        return number

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        number, mask = variables(2)
        return (where(mask > 0.5, number, 0.0),)
