"""The loss of a test: a weighted sum, so that a gradient can be asked for of an op that is no loss."""

from __future__ import annotations

from netspec.core.builder import Builder
from netspec.core.graph import Node, Value
from netspec.core.op import op
from netspec.core.types import TensorType, scalar


@op("testing.weighted_sum", public=False, doc="Σ weight·y over everything: known to the interpreter, to no backend.")
class WeightedSum:
    """Its gradient by y is the weight itself, an input of the graph, so the backward graph needs no kernel for it."""

    def infer(self, y: TensorType, weight: TensorType) -> TensorType:
        """A scalar."""
        return scalar()

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        """The weight; ``dy`` is 1, since nothing is computed from a loss."""
        return node.inputs[1], None
