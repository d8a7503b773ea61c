"""Dense layers: three products of matrices."""

from __future__ import annotations

from netspec_cupy.contract import Grid, Launch, Request, kernel

TILE = 64
"""Rows and columns of a product that one block makes, as in multiply.cuh."""


def tiles(rows: int, columns: int, planes: int = 1) -> Grid:
    """Blocks for so many products of so many rows and columns."""
    return (max(1, -(-rows // TILE)), max(1, -(-columns // TILE)), planes)


@kernel("dense")
def dense(request: Request) -> Launch:
    """x (N, I), weight (I, U), [bias (U)] -> y (N, U)."""
    (x, weight, *bias), (y,) = request.inputs, request.outputs
    inputs, units = weight.type.shape
    operands = x, weight, bias[0] if bias else None, y
    return request.launch("dense_forward", lambda n: tiles(n, units), *operands, request.live, inputs, units)


@kernel("dense.dx")
def dense_dx(request: Request) -> Launch:
    """dy (N, U), weight (I, U) -> dx (N, I)."""
    (dy, weight), (dx,) = request.inputs, request.outputs
    inputs, units = weight.type.shape
    sizes = request.live, inputs, units
    return request.launch("dense_input_gradient", lambda n: tiles(n, inputs), dy, weight, dx, *sizes)


@kernel("dense.dw")
def dense_dw(request: Request) -> Launch:
    """x (N, I), dy (N, U) -> dw (I, U)."""
    (x, dy), (dw,) = request.inputs, request.outputs
    inputs, units = dw.type.shape
    sizes = request.live, inputs, units
    return request.launch("dense_weight_gradient", lambda n: tiles(inputs, units), x, dy, dw, *sizes)
