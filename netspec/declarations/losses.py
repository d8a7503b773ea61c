"""Losses: what ``train.loss`` may name."""

from __future__ import annotations

from netspec.core.attributes import attr
from netspec.core.builder import Builder
from netspec.core.declare import declare
from netspec.core.graph import Value
from netspec.core.types import TensorType
from netspec.declarations.ops.loss_nodes import CrossEntropyNode


@declare("loss", "cross_entropy", main="label_smoothing", doc="−Σₖ tₖ log pₖ of the softmax of the head.")
class CrossEntropy:
    label_smoothing: float = attr(
        default=0.0, doc="share of the target spread over all classes", minimum=0, exclusiveMaximum=1
    )

    absorbs = "softmax"
    """The activation that a head may end in and that the loss takes into itself, as log-sum-exp."""

    def target(self, head: TensorType) -> TensorType:
        """Type of the labels: one class number per position."""
        return TensorType(head.spatial, "int32")

    def apply(self, g: Builder, logits: Value, target: Value) -> Value:
        """Adds the loss of one head; ``logits`` come before the absorbed activation."""
        return g.add(CrossEntropyNode(label_smoothing=self.label_smoothing), logits, target)
