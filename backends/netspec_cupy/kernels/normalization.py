"""Normalisation within each sample: a block for each segment; the gradients of its parameters are sums over rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.core.types import TensorType
from netspec_cupy.contract import THREADS, Launch, Request, Types, in_turn, kernel
from netspec_cupy.geometry import Segments
from netspec_cupy.kernels.channels import Sums, Table, by_channel, by_sample

WARP = 32


def _segments(norm: Any, x: TensorType) -> Segments:
    return Segments(x.positions, x.channels, norm.groups, int(norm.by_position), int(norm.whole))


def _threads(norm: Any, x: TensorType) -> int:
    """Threads of a segment's block: whole warps, no more than it has numbers."""
    length: int = x.elements // norm.statistics(x)
    return min(THREADS, -(-length // WARP) * WARP)


@kernel("sample_norm")
def sample_norm(request: Request) -> Launch:
    """x, [scale], [shift] -> y, mean and variance (N, segments)."""
    (x, *affine), norm = request.inputs, request.attrs
    scale, shift = affine[0] if norm.scale else None, affine[-1] if norm.center else None
    segments = norm.statistics(x.type)
    return request.launch(
        "normalize_segments",
        lambda n: (n * segments, 1, 1),
        x,
        scale,
        shift,
        *request.outputs,
        _segments(norm, x.type),
        float(norm.eps),
        threads=_threads(norm, x.type),
    )


def _table(norm: Any, x: TensorType, batch: int) -> Table:
    return by_sample(x, batch) if norm.whole else by_channel(x, batch)


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    learned = attrs.norm.scale or attrs.norm.center
    return {"parts": _table(attrs.norm, inputs[0], batch).numbers(2)} if learned else {}


@kernel("sample_norm.dx", scratch=_scratch)
def sample_norm_dx(request: Request) -> Launch:
    """x, mean, variance, dy, [scale] -> dx, [Σ dy x̂], [Σ dy]."""
    (x, mean, variance, dy, *scale), (dx, *affine), norm = request.inputs, request.outputs, request.attrs.norm
    segments, eps = norm.statistics(x.type), float(norm.eps)
    passed = request.launch(
        "normalize_segments_gradient",
        lambda n: (n * segments, 1, 1),
        x,
        mean,
        variance,
        dy,
        scale[0] if scale else None,
        dx,
        _segments(norm, x.type),
        eps,
        threads=_threads(norm, x.type),
    )
    if not affine:
        return passed
    sums = Sums(request, _table(norm, x.type, request.batch), 2)
    shape = x.type.positions, x.type.channels, norm.groups, int(norm.by_position), int(norm.whole)
    joined = [sums.chunk("sum_sample_gradients", x, mean, variance, dy, eps, more=shape)]
    if norm.scale:
        joined.append(sums.join(0, sums=affine[0]))
    if norm.center:
        joined.append(sums.join(1, sums=affine[-1]))
    return in_turn(passed, *joined)
