"""Reductions that gradients need."""

from __future__ import annotations

from netspec.core.op import op
from netspec.core.types import TensorType, scalar


@op("channel_sum", public=False, doc="Sum over samples and positions, one number per channel: the gradient of a bias.")
class ChannelSum:
    def infer(self, x: TensorType) -> TensorType:
        return TensorType((x.channels,), batched=False)


@op(
    "sample_sum",
    public=False,
    doc="Sum over samples, one number per channel and position: the gradient of a bias that each place has.",
)
class SampleSum:
    def infer(self, x: TensorType) -> TensorType:
        return TensorType(x.shape, batched=False)


@op("all_finite", public=False, doc="1 if every number of every input is finite, else 0. The inputs are not batched.")
class AllFinite:
    def infer(self, *inputs: TensorType) -> TensorType:
        return scalar()
