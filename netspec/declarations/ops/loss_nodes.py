"""The internal ops that losses are made of."""

from __future__ import annotations

from netspec.core.attributes import attr
from netspec.core.builder import Builder
from netspec.core.graph import Node, Value
from netspec.core.op import op
from netspec.core.types import TensorType, scalar


@op(
    "cross_entropy",
    public=False,
    doc="Mean of log Σⱼ e^zⱼ − Σₖ tₖ zₖ over the live samples: from logits, by log-sum-exp.",
)
class CrossEntropyNode:
    label_smoothing: float = attr(default=0.0, doc="share of the target spread over all classes")

    def infer(self, logits: TensorType, labels: TensorType) -> TensorType:
        return scalar()

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(CrossEntropyDx(label_smoothing=self.label_smoothing), *node.inputs, dy), None)


@op("cross_entropy.dx", public=False, doc="(softmax(z) − t)/m, times the gradient of the loss.")
class CrossEntropyDx:
    label_smoothing: float = attr(default=0.0, doc="share of the target spread over all classes")

    def infer(self, logits: TensorType, labels: TensorType, dloss: TensorType) -> TensorType:
        return logits


@op("constant", public=False, doc="A number known when the graph is built.")
class Constant:
    value: float = attr(doc="the number")

    def infer(self) -> TensorType:
        return scalar()
