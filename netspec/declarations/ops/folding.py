"""Batch normalisation taken into the weights before it, once training is over."""

from __future__ import annotations

from netspec.core.attributes import attr
from netspec.core.op import op
from netspec.core.types import TensorType


@op(
    "fold_norm",
    public=False,
    doc="Weight and bias that do what they and a batch normalisation behind them do: w·f and (b − mean)·f + shift, "
    "with f = scale/√(variance + eps) for each output channel.",
)
class FoldNorm:
    eps: float = attr(doc="added to the variance before the root")
    bias: bool = attr(doc="whether a bias follows the weight")
    scale: bool = attr(doc="whether the normalisation has a factor per channel")
    center: bool = attr(doc="whether it has a summand per channel")

    def infer(self, weight: TensorType, *others: TensorType) -> tuple[TensorType, ...]:
        return weight, TensorType((weight.channels,), batched=False)
