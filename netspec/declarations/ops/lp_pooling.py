"""Pooling by the p-norm of what lies under a window: between the sum of magnitudes (p = 1) and their maximum."""

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
    pool_geometry,
    pool_padding_after,
    round_attr,
    size_attr,
    stride_attr,
)

HIGHEST_POWER = 6
"""So high may p be that a float64 holds every power of every float32, and of its inverse."""


@op(
    "lp_pool",
    main="size",
    doc="(Σ|x|ᵖ)^(1/p) of the numbers under the window, per channel.",
    example="- conv: {filters: 8, kernel: 3, padding: same}\n- relu\n- lp_pool: {size: 2, p: 2}",
)
class LpPool:
    size: Window = size_attr()
    stride: Window = stride_attr()
    padding: Padding = attr(default="valid", doc="cells of zeros added around the input")
    round: str = round_attr()
    p: int = attr(
        default=2, doc="the power: 1 sums magnitudes, 2 takes the root of squares", minimum=1, maximum=HIGHEST_POWER
    )

    per_channel = True

    geometry = pool_geometry
    padding_after = pool_padding_after
    explain = explain_pool

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, shape=(*self.geometry(x).output, x.channels), dtype="float32", block=None)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(LpPoolDx(pool=self), node.data[0], node.output, dy),)


@op(
    "lp_pool.dx",
    public=False,
    doc="Σ dy·sign(x)·(|x|/y)^(p−1) over the windows that see x; a window of zeros has none.",
)
class LpPoolDx:
    pool: LpPool = attr(doc="the pooling")

    @property
    def p(self) -> int:
        """The power."""
        return self.pool.p

    def geometry(self, x: TensorType) -> WindowGeometry:
        """The forward window over the axes of ``x``."""
        return self.pool.geometry(x)

    def infer(self, x: TensorType, y: TensorType, dy: TensorType) -> TensorType:
        return replace(x, dtype="float32", block=None)
