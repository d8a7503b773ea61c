"""Reductions that gradients need."""

from __future__ import annotations

from netspec.core.op import op
from netspec.core.types import TensorType


@op("channel_sum", public=False, doc="Sum over samples and positions, one number per channel: the gradient of a bias.")
class ChannelSum:
    def infer(self, x: TensorType) -> TensorType:
        return TensorType((x.channels,), batched=False)
