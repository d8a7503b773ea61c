"""Pooling by the median of what lies under a window."""

from __future__ import annotations

from dataclasses import replace

from netspec.core.attributes import Padding, Window, attr
from netspec.core.builder import Builder
from netspec.core.graph import Node, Value
from netspec.core.op import op
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.declarations.ops.pooling import (
    explain_pool,
    filled_geometry,
    pool_padding_after,
    round_attr,
    size_attr,
    stride_attr,
)


@op(
    "median_pool",
    main="size",
    doc="The median of the numbers under the window, per channel: of an even count the mean of the middle two. "
    "Of equal numbers, the one that comes first in the window (last axis fastest) ranks first.",
    example="- median_pool: {size: 3, stride: 1}\n- conv: {filters: 8, kernel: 3}\n- relu",
)
class MedianPool:
    size: Window = size_attr()
    stride: Window = stride_attr()
    padding: Padding = attr(default="valid", doc="cells added around the input; they are left out of the median")
    round: str = round_attr()

    per_channel = True

    geometry = filled_geometry
    padding_after = pool_padding_after
    explain = explain_pool

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        geometry = self.geometry(x)
        y = replace(x, shape=(*geometry.output, x.channels), dtype="float32", block=None)
        middle = replace(y, dtype="uint8" if geometry.taps <= 256 else "int32")
        return y, middle, middle

    def grad(self, g: Builder, node: Node, dy: Value, *_: Value | None) -> tuple[Value | None, ...]:
        return (g.add(MedianPoolDx(pool=self, x=node.data[0].type), *node.outputs[1:], dy),)


@op("median_pool.dx", public=False, doc="Sends half of each gradient to each of the recorded middle two, often one.")
class MedianPoolDx:
    pool: MedianPool = attr(doc="the pooling")
    x: TensorType = attr(doc="type of its input")

    def geometry(self, x: TensorType) -> WindowGeometry:
        """The forward window over the axes of ``x``, the type of dx."""
        return self.pool.geometry(x)

    def infer(self, lower: TensorType, upper: TensorType, dy: TensorType) -> TensorType:
        return replace(self.x, dtype="float32", block=None)
