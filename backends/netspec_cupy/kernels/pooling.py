"""Pooling: which kernel goes with which type of index, and the windows or bins that it is given."""

from __future__ import annotations

from netspec_cupy.contract import HALVES, Launch, Operand, Request, kernel, named
from netspec_cupy.geometry import bins, window


@kernel("max_pool", storage=HALVES)
def max_pool(request: Request) -> Launch:
    """x -> the maxima under the window, and the number of the tap that met each."""
    (x,), (y, index) = request.inputs, request.outputs
    sizes = x.type.channels, window(request.attrs.geometry(x.type))
    return request.per_sample(named(f"max_pool_{index.type.dtype}", x), y.type.elements, x, y, index, *sizes)


@kernel("max_pool.values", storage=HALVES)
def max_pool_values(request: Request) -> Launch:
    """x -> the maxima under the window or of the bins."""
    (x,), (y,), pool = request.inputs, request.outputs, request.attrs.pool
    cut = bins(pool.bins(x.type)) if hasattr(pool, "bins") else window(pool.geometry(x.type))
    name = "adaptive_max_uint8" if hasattr(pool, "bins") else "max_pool_uint8"
    return request.per_sample(named(name, x), y.type.elements, x, y, None, x.type.channels, cut)


@kernel("max_pool.dx", storage=HALVES)
def max_pool_dx(request: Request) -> Launch:
    """index, dy -> dx."""
    index, dy = request.inputs
    return _send_back(request, index, None, dy)


@kernel("median_pool")
def median_pool(request: Request) -> Launch:
    """x -> the medians under the window, and the taps that met the lower and the upper of the middle two."""
    (x,), (y, lower, upper) = request.inputs, request.outputs
    sizes = x.type.channels, window(request.attrs.geometry(x.type))
    return request.per_sample(f"median_pool_{lower.type.dtype}", y.type.elements, x, y, lower, upper, *sizes)


@kernel("median_pool.dx", storage=HALVES)
def median_pool_dx(request: Request) -> Launch:
    """lower, upper, dy -> dx, half of each gradient to each."""
    return _send_back(request, *request.inputs)


def _send_back(request: Request, index: Operand, other: Operand | None, dy: Operand) -> Launch:
    (dx,) = request.outputs
    sizes = dx.type.channels, window(request.attrs.geometry(dx.type))
    operands = index, other, dy, dx
    return request.per_sample(named(f"pool_gradient_{index.type.dtype}", dy), dx.type.elements, *operands, *sizes)


@kernel("adaptive_max_pool", storage=HALVES)
def adaptive_max_pool(request: Request) -> Launch:
    """x -> the maxima of the bins, and the place of each in a box that every bin fits into."""
    (x,), (y, index) = request.inputs, request.outputs
    sizes = x.type.channels, bins(request.attrs.bins(x.type))
    return request.per_sample(named(f"adaptive_max_{index.type.dtype}", x), y.type.elements, x, y, index, *sizes)


@kernel("adaptive_max_pool.dx", storage=HALVES)
def adaptive_max_pool_dx(request: Request) -> Launch:
    """index, dy -> dx."""
    (index, dy), (dx,) = request.inputs, request.outputs
    sizes = dx.type.channels, bins(request.attrs.bins(dx.type))
    return request.per_sample(
        named(f"adaptive_gradient_{index.type.dtype}", dy), dx.type.elements, index, dy, dx, *sizes
    )


@kernel("lp_pool")
def lp_pool(request: Request) -> Launch:
    """x -> (Σ|x|ᵖ)^(1/p) under the window."""
    (x,), (y,), attrs = request.inputs, request.outputs, request.attrs
    sizes = x.type.channels, attrs.p, window(attrs.geometry(x.type))
    return request.per_sample("lp_pool", y.type.elements, x, y, *sizes)


@kernel("lp_pool.dx")
def lp_pool_dx(request: Request) -> Launch:
    """x, y, dy -> dx."""
    (x, y, dy), (dx,), attrs = request.inputs, request.outputs, request.attrs
    sizes = x.type.channels, attrs.p, window(attrs.geometry(x.type))
    return request.per_sample("lp_pool_gradient", dx.type.elements, x, y, dy, dx, *sizes)
