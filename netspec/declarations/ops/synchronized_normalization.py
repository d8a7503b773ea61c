"""Batch normalisation over the batch of all ranks: its statistics and the means of its gradients are exchanged.

Each rank's moments are joined by the formula of Chan, Golub and LeVeque (1979) in two sums over the ranks: first the
mean; then, about the mean as it was rounded, what is missing from it and the variance. So no digits are lost where a
mean is large, and a rank counts by its share of the samples. A rank whose share is 0 counts nothing, whatever it has.
"""

from __future__ import annotations

from dataclasses import replace

from netspec.core.attributes import attr
from netspec.core.builder import Builder
from netspec.core.expression import Expression, maximum, where
from netspec.core.expression import inputs as variables
from netspec.core.graph import Node, Value
from netspec.core.op import op
from netspec.core.types import TensorType
from netspec.declarations.ops.exchange import ExchangeSum


@op(
    "batch_norm.moments",
    public=False,
    doc="Moments per channel of this rank's samples: mean, what is missing from it as it is rounded, variance.",
)
class BatchNormMoments:
    given: bool = attr(default=False, doc="whether the moments of x follow, from the kernel that made x")

    def given_moments(self) -> BatchNormMoments:
        """See ``netspec.core.op``."""
        return BatchNormMoments(given=True)

    def infer(self, x: TensorType, *moments: TensorType) -> tuple[TensorType, ...]:
        return (TensorType((x.channels,), batched=False),) * 3


@op(
    "batch_norm.deviations",
    public=False,
    doc="(mean, missing, variance, centre, share): the rank's part of what is missing from the centre, a mean of all "
    "ranks as it is rounded, and of the mean square about it.",
)
class BatchNormDeviations:
    def infer(self, mean: TensorType, *others: TensorType) -> tuple[TensorType, ...]:
        return mean, mean

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        mean, missing, variance, centre, share = variables(inputs)
        distance = (mean - centre) + missing
        square = variance + distance * distance
        return where(share > 0, distance * share, 0.0), where(share > 0, square * share, 0.0)


@op("batch_norm.variance", public=False, doc="(missing, square): the variance, from the mean square about the centre.")
class BatchNormVariance:
    def infer(self, missing: TensorType, square: TensorType) -> TensorType:
        return square

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        missing, square = variables(inputs)
        return (maximum(square - missing * missing, 0.0),)


@op(
    "batch_norm.synchronized",
    public=False,
    doc="(x, mean, missing, variance, share, samples[, scale][, shift]): normalises by the moments of the batch of all "
    "ranks, which has so many samples. Its gradient goes through the moments too.",
)
class BatchNormSynchronized:
    eps: float = attr(doc="added to the variance before the root")
    scale: bool = attr(doc="whether a factor per channel follows")
    center: bool = attr(doc="whether a summand per channel follows")

    def infer(self, x: TensorType, *others: TensorType) -> TensorType:
        return replace(x, dtype="float32", block=None)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        x, mean, _, variance, share, samples, *affine = node.inputs
        own = g.node(BatchNormSums(eps=self.eps), x, mean, variance, dy).outputs
        # Both sums before anything that reads one: they go in one message.
        whole = [g.add(ExchangeSum(per_update=False), each) for each in own]
        means = [g.add(BatchNormMeanOfSum(positions=x.type.positions), each, share, samples) for each in whole]
        dx = BatchNormSynchronizedDx(eps=self.eps, scale=self.scale)
        factors = affine[:1] if self.scale else []
        learned = [gradient for gradient, wanted in zip(own, (self.scale, self.center), strict=True) if wanted]
        return g.add(dx, x, mean, variance, dy, *means, *factors), *(None,) * 5, *learned


@op(
    "batch_norm.sums",
    public=False,
    doc="(x, mean, variance, dy): the sums of dy times the normalised x, and of dy, over this rank's samples: the "
    "gradients of scale and shift.",
)
class BatchNormSums:
    eps: float = attr(doc="added to the variance before the root")

    def infer(self, x: TensorType, mean: TensorType, variance: TensorType, dy: TensorType) -> tuple[TensorType, ...]:
        return mean, mean


@op(
    "batch_norm.mean_of_sum",
    public=False,
    doc="(total, share, samples): the mean over the numbers of a channel in the samples of all ranks; 0 on a rank "
    "whose share is 0, so that no gradient comes to its sample.",
)
class BatchNormMeanOfSum:
    positions: int = attr(doc="positions of one sample; times the samples they are the numbers per channel")

    def infer(self, total: TensorType, share: TensorType, samples: TensorType) -> TensorType:
        return total

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        total, share, samples = variables(inputs)
        return (where(share > 0, total / (samples * self.positions), 0.0),)


@op(
    "batch_norm.synchronized_dx",
    public=False,
    doc="(x, mean, variance, dy, mean of dy times normalised x, mean of dy[, scale]): the gradient of x.",
)
class BatchNormSynchronizedDx:
    eps: float = attr(doc="added to the variance before the root")
    scale: bool = attr(doc="whether there is a factor per channel")

    def infer(self, x: TensorType, *others: TensorType) -> TensorType:
        return replace(x, dtype="float32", block=None)
