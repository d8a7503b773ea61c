"""Losses: what ``train.loss`` may name.

A loss states the type of its targets, the activation that it takes into itself, and the metrics that usually go with
it. Each is a mean over samples and positions; one of numbers against numbers is a mean over channels too.
"""

from __future__ import annotations

from dataclasses import replace

import netspec.declarations.metrics as measures
from netspec.core.attributes import NumbersOrWord, attr
from netspec.core.builder import Builder
from netspec.core.declare import declare
from netspec.core.graph import Value
from netspec.core.types import TensorType
from netspec.declarations.ops.loss_nodes import (
    AbsoluteError,
    BatchMean,
    BinaryError,
    CrossEntropyNode,
    HuberError,
    SquaredError,
)

BALANCED = "balanced"
"""Class weights that follow from how often each class occurs; until that is known, a plan is made as if all were 1."""


@declare("loss", "cross_entropy", main="label_smoothing", doc="−Σₖ tₖ log pₖ of the softmax of the head.")
class CrossEntropy:
    label_smoothing: float = attr(
        default=0.0, doc="share of the target spread over all classes", minimum=0, exclusiveMaximum=1
    )
    targets: str = attr(
        default="indices",
        doc="whether a target is a class number, or probabilities (one number per class, such as a one-hot row)",
        enum=("indices", "probabilities"),
    )
    class_weights: NumbersOrWord = attr(
        default=None,
        doc="a factor for each class; the mean over class numbers then is a weighted one, as in PyTorch. balanced: "
        "what makes every class of the training part count the same",
        minimum=0,
        enum=(BALANCED,),
    )

    absorbs = "softmax"
    """The activation that a head may end in and that the loss takes into itself, as log-sum-exp."""
    metrics = (("accuracy", measures.Accuracy()),)
    """What is measured where the spec does not say."""

    def target(self, head: TensorType) -> TensorType:
        """Type of the targets: one class number per position, or one probability per class."""
        return TensorType(head.spatial, "int32") if self.targets == "indices" else _alike(head)

    def apply(self, g: Builder, logits: Value, target: Value) -> Value:
        """Adds the loss of one head; ``logits`` come before the absorbed activation. ``ShapeError`` if it cannot."""
        weights = self.class_weights
        if isinstance(weights, str):
            weights = (1.0,) * logits.type.channels
        node = CrossEntropyNode(label_smoothing=self.label_smoothing, class_weights=weights)
        return g.add(node, logits, target)


@declare(
    "loss",
    "binary_cross_entropy",
    doc="−t log p − (1 − t) log(1 − p) of the sigmoid p of each number of the head; t lies in [0, 1].",
)
class BinaryCrossEntropy:
    absorbs = "sigmoid"
    metrics = (("binary_accuracy", measures.BinaryAccuracy()),)

    def target(self, head: TensorType) -> TensorType:
        """Type of the targets: one number per number of the head."""
        return _alike(head)

    def apply(self, g: Builder, logits: Value, target: Value) -> Value:
        """Adds the loss of one head; ``logits`` come before the absorbed activation."""
        return g.add(BatchMean(), g.add(BinaryError(), logits, target))


@declare("loss", "mean_squared_error", doc="The mean of (x − t)² over all numbers of the head.")
class MeanSquaredError:
    absorbs = None
    metrics = (("mean_absolute_error", measures.MeanAbsoluteError()),)

    def target(self, head: TensorType) -> TensorType:
        """Type of the targets: one number per number of the head."""
        return _alike(head)

    def apply(self, g: Builder, output: Value, target: Value) -> Value:
        """Adds the loss of one head."""
        return g.add(BatchMean(), g.add(SquaredError(), output, target))


@declare("loss", "mean_absolute_error", doc="The mean of |x − t| over all numbers of the head.")
class MeanAbsoluteError:
    absorbs = None
    metrics = (("mean_absolute_error", measures.MeanAbsoluteError()),)

    def target(self, head: TensorType) -> TensorType:
        """Type of the targets: one number per number of the head."""
        return _alike(head)

    def apply(self, g: Builder, output: Value, target: Value) -> Value:
        """Adds the loss of one head."""
        return g.add(BatchMean(), g.add(AbsoluteError(), output, target))


@declare(
    "loss",
    "huber",
    main="delta",
    doc="The mean over all numbers of (x − t)²/2 where |x − t| ≤ δ, else of δ(|x − t| − δ/2) (Huber 1964).",
)
class Huber:
    delta: float = attr(default=1.0, doc="where the square ends and the line begins", exclusiveMinimum=0)

    absorbs = None
    metrics = (("mean_absolute_error", measures.MeanAbsoluteError()),)

    def target(self, head: TensorType) -> TensorType:
        """Type of the targets: one number per number of the head."""
        return _alike(head)

    def apply(self, g: Builder, output: Value, target: Value) -> Value:
        """Adds the loss of one head."""
        return g.add(BatchMean(), g.add(HuberError(delta=self.delta), output, target))


def _alike(head: TensorType) -> TensorType:
    return replace(head, dtype="float32", block=None)
