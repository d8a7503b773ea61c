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
from netspec_numba.contract import Cost, Launch, Request, ScratchSizes, Types, kernel
from netspec_numba.kernels.convolution import (
    convolution,
    data_gradient,
    data_gradient_cost,
    data_gradient_prepared,
    forward_cost,
    forward_prepared,
    forward_scratch,
    weight_gradient,
    weight_gradient_cost,
    weight_gradient_scratch,
)


@dataclass(frozen=True, slots=True)
class PointConvolution:
    """The attributes that make a convolution of a dense layer."""

    groups: int = 1

    def geometry(self, x: TensorType) -> WindowGeometry:
        """A window over no axes."""
        return WindowGeometry(input=(), output=(), size=(), stride=(), dilation=(), before=())


def _as_point(sizes: ScratchSizes) -> ScratchSizes:
    def of_dense(_attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
        return sizes(PointConvolution(), inputs, outputs, batch, threads)

    return of_dense


def _cost_as_point(cost: Cost) -> Cost:
    def of_dense(_attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
        return cost(PointConvolution(), inputs, outputs, batch, kept)

    return of_dense


@kernel(
    "dense",
    scratch=_as_point(forward_scratch),
    prepared=_as_point(forward_prepared),
    cost=_cost_as_point(forward_cost),
    epilogue=True,
)
def dense(request: Request) -> Launch:
    """y = x w + bias."""
    return convolution(replace(request, attrs=PointConvolution()))


@kernel("dense.dx", prepared=_as_point(data_gradient_prepared), cost=_cost_as_point(data_gradient_cost))
def dense_dx(request: Request) -> Launch:
    """dx = dy w^T"""
    return data_gradient(replace(request, attrs=PointConvolution()))


@kernel("dense.dw", scratch=_as_point(weight_gradient_scratch), cost=_cost_as_point(weight_gradient_cost))
def dense_dw(request: Request) -> Launch:
    """dw = x^T dy"""
    return weight_gradient(replace(request, attrs=PointConvolution()))
