"""Normalisation within each sample: over the channels of a position, over each channel, over groups, over everything.

All of them are one internal op, ``sample_norm``: the numbers of a sample are cut into groups of equal size, each
brought to mean 0 and variance 1 by its own statistics. No sample knows of another, so training and use are alike.

Sources: Ba et al. 2016 (layer); Ulyanov et al. 2016 (instance); Wu and He 2018 (group).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from netspec.core.attributes import attr
from netspec.core.builder import Builder
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Param, Value
from netspec.core.op import ShapeError, op
from netspec.core.types import TensorType


def _eps() -> Any:
    doc = "added to the variance before the root"
    return attr(default=1e-5, doc=doc, dialects={"keras": 1e-3}, exclusiveMinimum=0)


def _kept(x: TensorType) -> TensorType:
    return replace(x, dtype="float32", block=None)


@op("sample_norm", public=False, doc="Normalises groups of numbers within each sample; yields mean and variance too.")
class SampleNorm:
    """``x`` is read as (places, positions in each, groups, channels in each); means go over the second and fourth."""

    eps: float = attr(doc="added to the variance before the root")
    scale: bool = attr(doc="whether factors follow x")
    center: bool = attr(doc="whether summands follow")
    groups: int = attr(doc="groups of neighbouring channels")
    by_position: bool = attr(default=False, doc="whether each position has statistics of its own")
    whole: bool = attr(default=False, doc="whether there is a factor and a summand per number, not one per channel")

    def statistics(self, x: TensorType) -> int:
        """Means of one sample."""
        return self.groups * (x.positions if self.by_position else 1)

    def parameters(self, x: TensorType) -> dict[str, Param]:
        """Factors and summands, where learned."""
        shape = x.shape if self.whole else (x.channels,)
        found = {"scale": Param(shape, "ones")} if self.scale else {}
        return found | ({"shift": Param(shape, "zeros")} if self.center else {})

    def infer(self, x: TensorType, *affine: TensorType) -> tuple[TensorType, ...]:
        statistic = TensorType((self.statistics(x),))
        return _kept(x), statistic, statistic

    def grad(self, g: Builder, node: Node, dy: Value, *_: Value | None) -> tuple[Value | None, ...]:
        mean, variance = node.outputs[1:]
        factors = node.inputs[1:2] if self.scale else ()
        gradients: tuple[Value | None, ...]
        gradients = g.node(SampleNormDx(norm=self), node.inputs[0], mean, variance, dy, *factors).outputs
        return gradients


@op(
    "sample_norm.dx", public=False, doc="Gradients of the normalisation: of x, then of factors and summands if learned."
)
class SampleNormDx:
    norm: SampleNorm = attr(doc="the normalisation")

    def infer(self, x: TensorType, *others: TensorType) -> tuple[TensorType, ...]:
        affine = (TensorType(p.shape, batched=False) for p in self.norm.parameters(x).values())
        return (_kept(x), *affine)


class Norm(Protocol):
    """A normalisation that a person writes."""

    def normalization(self, x: TensorType) -> SampleNorm:
        """The internal op that does it for an input of this type."""


def _checked(norm: SampleNorm, x: TensorType) -> TensorType:
    """The output's type; refuses groups of a single number, which would all become 0."""
    if x.elements == norm.statistics(x):
        raise ShapeError("NS225", makes=_kept(x))
    return _kept(x)


def _params(self: Norm, x: TensorType) -> dict[str, Param]:
    return self.normalization(x).parameters(x)


def _lowered(self: Norm, g: Builder, node: Node) -> Value:
    return g.add(self.normalization(node.data[0].type), *node.inputs)


def _explain(self: Norm, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
    norm, x = self.normalization(data[0]), data[0]
    positions, channels = 1 if norm.by_position else x.positions, x.channels // norm.groups
    yield Formula(
        "numbers in each mean", "positions·channels of a group", f"{positions}·{channels}", positions * channels
    )
    learned = norm.scale + norm.center
    if learned:
        words = " + ".join(norm.parameters(x))
        symbolic = f"{words}, per number" if norm.whole else f"{words}, per channel"
        count = x.elements if norm.whole else x.channels
        yield Formula("parameters", symbolic, f"{learned}·{count}", learned * count)


@op("layer_norm", doc="Brings the numbers of each position, or of all positions, to mean 0 and variance 1.")
class LayerNorm:
    """Scale and shift have the shape that is normalised, as in Keras, PyTorch and ONNX: ``[C]``, or that of the layer.

    With one of each per channel, ``axes: all`` is ``group_norm: 1``.
    """

    eps: float = _eps()
    scale: bool = attr(default=True, doc="learn factors: one per channel, or with axes: all one per number")
    center: bool = attr(default=True, doc="learn summands: one per channel, or with axes: all one per number")
    axes: str = attr(
        default="channels",
        doc="what is normalised as one: the channels of each position, or all numbers",
        enum=("channels", "all"),
    )

    def normalization(self, x: TensorType) -> SampleNorm:
        """What it is for an input of this type."""
        alone, whole = self.axes == "channels", self.axes == "all"
        return SampleNorm(eps=self.eps, scale=self.scale, center=self.center, groups=1, by_position=alone, whole=whole)

    def infer(self, x: TensorType) -> TensorType:
        return _checked(self.normalization(x), x)

    params = _params
    lower = _lowered
    explain = _explain


@op("instance_norm", doc="Brings each channel of each sample to mean 0 and variance 1 over its positions.")
class InstanceNorm:
    eps: float = _eps()
    scale: bool = attr(default=True, doc="learn a factor per channel")
    center: bool = attr(default=True, doc="learn a summand per channel")

    per_channel = True

    def normalization(self, x: TensorType) -> SampleNorm:
        """What it is for an input of this type."""
        return SampleNorm(eps=self.eps, scale=self.scale, center=self.center, groups=x.channels)

    def infer(self, x: TensorType) -> TensorType:
        return _checked(self.normalization(x), x)

    params = _params
    lower = _lowered
    explain = _explain


@op(
    "group_norm",
    main="groups",
    doc="Brings groups of neighbouring channels of each sample to mean 0 and variance 1.",
    example="- conv: {filters: 8, kernel: 3}\n- group_norm: 2\n- relu",
)
class GroupNorm:
    groups: int = attr(doc="parts into which the channels are cut; 1 normalises all of a sample", minimum=1)
    eps: float = _eps()
    scale: bool = attr(default=True, doc="learn a factor per channel")
    center: bool = attr(default=True, doc="learn a summand per channel")

    def normalization(self, x: TensorType) -> SampleNorm:
        """What it is for an input of this type."""
        return SampleNorm(eps=self.eps, scale=self.scale, center=self.center, groups=self.groups)

    def infer(self, x: TensorType) -> TensorType:
        if x.channels % self.groups:
            divisors = [each for each in range(1, x.channels + 1) if x.channels % each == 0]
            raise ShapeError(
                "NS202",
                attr="groups",
                makes=_kept(x),
                groups=self.groups,
                channels=x.channels,
                which="input",
                divisors=divisors,
            )
        return _checked(self.normalization(x), x)

    params = _params
    lower = _lowered
    explain = _explain
