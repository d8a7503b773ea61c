"""Dense layers: convolutions without axes. A sample has one position, the window one tap.

forward          y (N, K)  = bias (K) + x (N, C) w (C, K)
data gradient    dx (N, C) = dy (N, K) w^T
weight gradient  dw (C, K) = x^T dy
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_numba.contract import Builder, Launch, Request, ScratchSizes, kernel
from netspec_numba.kernels.convolution import (
    Types,
    convolution,
    data_gradient,
    data_gradient_scratch,
    forward_scratch,
    weight_gradient,
    weight_gradient_scratch,
)


@dataclass(frozen=True, slots=True)
class PointConvolution:
    """The attributes that make a convolution of a dense layer."""

    groups: int = 1

    def geometry(self, x: TensorType) -> WindowGeometry:
        """A window over no axes."""
        return WindowGeometry(input=(), output=(), size=(), stride=(), dilation=(), before=())


def _register(op: str, build: Builder, scratch: ScratchSizes) -> None:
    """Register a builder of convolutions as the kernel of a dense ``op``."""

    def dense_scratch(_attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
        return scratch(PointConvolution(), inputs, outputs, batch, threads)

    def dense_build(request: Request) -> Launch:
        return build(replace(request, attrs=PointConvolution()))

    kernel(op, scratch=dense_scratch)(dense_build)


_register("dense", convolution, forward_scratch)
_register("dense.dx", data_gradient, data_gradient_scratch)
_register("dense.dw", weight_gradient, weight_gradient_scratch)
