"""A convolution and the max pooling behind it as one, which a pass makes of the two."""

from __future__ import annotations

from netspec.core.attributes import attr
from netspec.core.op import op
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.pooling import MaxPool


@op("conv.pooled", public=False, doc="The maxima of what a convolution yields, which itself is not stored.")
class ConvPooled:
    conv: Conv = attr(doc="the convolution")
    pool: MaxPool = attr(doc="the pooling")

    optional = True

    @property
    def groups(self) -> int:
        """Groups of the convolution."""
        return self.conv.groups

    def geometry(self, x: TensorType) -> WindowGeometry:
        """The convolution's window over the axes of ``x``."""
        return self.conv.geometry(x)

    def windows(self, x: TensorType) -> WindowGeometry:
        """The pooling's window over what the convolution makes of ``x``."""
        return self.pool.geometry(self.conv.infer(x))

    def infer(self, x: TensorType, *parameters: TensorType) -> TensorType:
        return self.pool.infer(self.conv.infer(x))[0]

    def macs(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> int:
        return self.conv.macs(data, (self.conv.infer(data[0]),))
