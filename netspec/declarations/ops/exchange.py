"""What stands where the ranks of a distributed step meet: a sum over all of them, and what a rank's part counts in it.

A rank's loss is its part of the loss over the whole batch, so that all that follows from it is summed: the gradients
of all ranks are those of the whole batch.
"""

from __future__ import annotations

from netspec.core.attributes import attr
from netspec.core.builder import Builder
from netspec.core.expression import Expression, where
from netspec.core.expression import inputs as variables
from netspec.core.graph import Node, Value
from netspec.core.op import op
from netspec.core.types import TensorType


@op(
    "exchange.sum",
    public=False,
    doc="The sum over all ranks, in their order. A kernel passes its own rank's numbers on; they are replaced by the "
    "sum before anything reads them.",
)
class ExchangeSum:
    per_update: bool = attr(doc="whether it is summed once for an update, and not for each batch of it")

    def infer(self, x: TensorType) -> TensorType:
        return x

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        return variables(inputs)


@op(
    "exchange.part",
    public=False,
    doc="(x, share): x times the rank's share of the whole; 0 where that is 0, whatever x.",
)
class ExchangePart:
    def infer(self, x: TensorType, share: TensorType) -> TensorType:
        return x

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        x, share = variables(inputs)
        return (where(share > 0, x * share, 0.0),)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return g.add(ExchangePart(), dy, node.inputs[1]), None


@op("exchange.share", public=False, doc="(part, whole): the rank's share of the whole; 0 where its part is 0.")
class ExchangeShare:
    def infer(self, part: TensorType, whole: TensorType) -> TensorType:
        return part

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        part, whole = variables(inputs)
        return (where(part > 0, part / whole, part),)


@op(
    "exchange.unbiased",
    public=False,
    doc="(variance, samples): the variance of a rank's live samples times m/(m - 1), m the numbers per channel.",
)
class ExchangeUnbiased:
    positions: int = attr(doc="positions of one sample; times the samples they are the numbers per channel")

    def infer(self, variance: TensorType, samples: TensorType) -> TensorType:
        return variance

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        variance, samples = variables(inputs)
        numbers = samples * self.positions
        return (variance * where(numbers > 1, numbers / (numbers - 1), 1.0),)
