"""Elementwise ops that a pass has made into one, so that memory is gone through once."""

from __future__ import annotations

from netspec.core.attributes import attr
from netspec.core.expression import Expression
from netspec.core.op import op
from netspec.core.types import TensorType


@op("chain", public=False, doc="Several elementwise ops as one, without storing what lies between them.")
class Chain:
    formula: Expression = attr(doc="the output, computed from the inputs x0, x1, ...")
    output: TensorType = attr(doc="type of the output")

    def infer(self, *inputs: TensorType) -> TensorType:
        return self.output

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        return (self.formula,)
