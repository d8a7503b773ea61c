"""Batch normalisation (Ioffe and Szegedy 2015): its inference form, its training form, and the moving statistics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from netspec.core.attributes import attr
from netspec.core.builder import Builder
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Param, Value, moments_type
from netspec.core.op import op
from netspec.core.types import TensorType


@op(
    "batch_norm",
    doc="Brings each channel to mean 0 and variance 1 over the batch, then scales and shifts it.",
    example="- conv: {filters: 8, kernel: 3, bias: false}\n- batch_norm\n- relu",
)
class BatchNorm:
    momentum: float = attr(
        default=0.9,
        doc="share of the old moving statistics kept at each step",
        dialects={"caffe": 0.999, "keras": 0.99},
        minimum=0,
        maximum=1,
    )
    eps: float = attr(
        default=1e-5, doc="added to the variance before the root", dialects={"keras": 1e-3}, exclusiveMinimum=0
    )
    scale: bool = attr(default=True, doc="learn a factor per channel")
    center: bool = attr(default=True, doc="learn a summand per channel")
    moving_variance: str = attr(
        default="unbiased",
        doc="the batch's variance as it enters the moving one: divided by m - 1 (unbiased) or by m (biased)",
        dialects={"keras": "biased"},
        enum=("unbiased", "biased"),
    )

    per_channel = True
    scales_channels = True

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, dtype="float32", block=None)

    def params(self, x: TensorType) -> dict[str, Param]:
        found = {"scale": Param((x.channels,), "ones")} if self.scale else {}
        if self.center:
            found["shift"] = Param((x.channels,), "zeros")
        found["moving_mean"] = Param((x.channels,), "zeros", trained=False)
        found["moving_variance"] = Param((x.channels,), "ones", trained=False)
        return found

    def training(self, g: Builder, node: Node) -> Value | None:
        if node.frozen:
            return None
        affine = [node.parameter(name) for name in node.parameters if not name.startswith("moving_")]
        x = node.data[0]
        trained = g.node(BatchNormTrain(eps=self.eps, scale=self.scale, center=self.center), x, *affine)
        y, mean, variance, *_ = trained.outputs
        moving = node.parameter("moving_mean"), node.parameter("moving_variance")
        g.region = "update"
        unbiased = self.moving_variance == "unbiased"
        update = BatchNormMoving(momentum=self.momentum, positions=x.type.positions, unbiased=unbiased)
        new_mean, new_variance = g.node(update, *map(g.latest, moving), mean, variance).outputs
        g.region = "forward"
        g.write(moving[0], new_mean)
        g.write(moving[1], new_variance)
        return y

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        # Differentiated as it stands is only a frozen layer, whose parameters are constants.
        dx = BatchNormFrozenDx(eps=self.eps, scale=self.scale)
        known = [node.parameter(name) for name in node.parameters if name in ("scale", "moving_variance")]
        return (g.add(dx, dy, *known), *(None,) * len(node.parameters))

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        per_channel, channels = 2 + self.scale + self.center, data[0].channels
        yield Formula(
            "parameters",
            "scale + shift + moving mean + moving variance, per channel",
            f"{per_channel}·{channels}",
            per_channel * channels,
            f"{(self.scale + self.center) * channels} of them are trained; the moving statistics are not",
        )


@op(
    "batch_norm.frozen_dx", public=False, doc="Gradient by x with the moving statistics: dy times a factor per channel."
)
class BatchNormFrozenDx:
    eps: float = attr(doc="added to the variance before the root")
    scale: bool = attr(doc="whether a learned factor per channel is given")

    def infer(self, dy: TensorType, *statistics: TensorType) -> TensorType:
        return replace(dy, block=None)


@op(
    "moments",
    public=False,
    doc="Per channel over samples and positions the mean, what is missing from it as it is rounded, and the variance.",
)
class Moments:
    def infer(self, x: TensorType) -> TensorType:
        return moments_type(x)


@op(
    "batch_norm.train",
    public=False,
    doc="Normalises with the statistics of the batch; yields them, and the factor and summand that they make of scale "
    "and shift: y = (x - mean) * factor + summand.",
)
class BatchNormTrain:
    eps: float = attr(doc="added to the variance before the root")
    scale: bool = attr(doc="whether a factor per channel follows x")
    center: bool = attr(doc="whether a summand per channel follows")
    given: bool = attr(default=False, doc="whether the moments of x follow, last")

    def given_moments(self) -> BatchNormTrain:
        """See ``netspec.core.op``."""
        return BatchNormTrain(eps=self.eps, scale=self.scale, center=self.center, given=True)

    def infer(self, x: TensorType, *affine: TensorType) -> tuple[TensorType, ...]:
        statistic = TensorType((x.channels,), batched=False)
        return replace(x, dtype="float32", block=None), *(statistic,) * 4

    def grad(self, g: Builder, node: Node, dy: Value, *_: Value | None) -> tuple[Value | None, ...]:
        mean, variance = node.outputs[1:3]
        inputs = [node.inputs[0], mean, variance, dy]
        if self.scale:
            inputs.append(node.inputs[1])
        gradients: tuple[Value | None, ...] = g.node(
            BatchNormDx(eps=self.eps, scale=self.scale, center=self.center), *inputs
        ).outputs
        return gradients


@op("batch_norm.dx", public=False, doc="Gradients of the training form: of x, then of scale and shift where learned.")
class BatchNormDx:
    eps: float = attr(doc="added to the variance before the root")
    scale: bool = attr(doc="whether there is a factor per channel")
    center: bool = attr(doc="whether there is a summand per channel")
    gate: tuple[float, float] | None = attr(
        default=None, doc="dy counts only where the normalised, scaled and shifted x lies strictly between these"
    )
    gate_input = 3

    def gated(self, node: Node, forward: Node, low: float, high: float) -> tuple[Any, tuple[Value, ...]] | None:
        """See ``netspec.core.op``. The output is made again from x, which is read anyway, and not read from memory."""
        if forward.op.name != "batch_norm.train" or forward.outputs[1] is not node.inputs[1]:
            return None
        attrs = BatchNormDx(eps=self.eps, scale=self.scale, center=self.center, gate=(low, high))
        return attrs, forward.outputs[3:]

    def infer(
        self, x: TensorType, mean: TensorType, variance: TensorType, dy: TensorType, *others: TensorType
    ) -> tuple[TensorType, ...]:
        return (replace(x, dtype="float32", block=None), *(mean,) * (self.scale + self.center))


@op("batch_norm.moving", public=False, doc="Moves the moving mean and variance towards those of the batch.")
class BatchNormMoving:
    momentum: float = attr(doc="share of the old value")
    positions: int = attr(doc="positions of one sample; times the live batch they are the numbers per channel")
    unbiased: bool = attr(doc="whether the variance is taken times m/(m-1)")

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return types[0], types[1]
