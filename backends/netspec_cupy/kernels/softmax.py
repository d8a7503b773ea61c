"""Softmax and cross-entropy, row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from netspec.core.types import TensorType
from netspec_cupy.contract import THREADS, Grid, Launch, Operand, Request, Types, blocks, in_turn, kernel, pointer

ROWS = THREADS // 32
"""Rows of one block: a warp each."""
ITEM = 4


def _grid(type: TensorType) -> Callable[[int], Grid]:
    """A warp for each row of the live samples."""

    def grid(n: int) -> Grid:
        return (blocks(n * type.positions, ROWS), 1, 1)

    return grid


@kernel("softmax")
def softmax(request: Request) -> Launch:
    """x (N, ..., K) -> y, a sum of 1 in every row."""
    (x,), (y,) = request.inputs, request.outputs
    sizes = request.live, x.type.positions, x.type.channels
    return request.launch("softmax_forward", _grid(x.type), x, y, *sizes)


@kernel("softmax.dx")
def softmax_dx(request: Request) -> Launch:
    """y, dy -> dx."""
    (y, dy), (dx,) = request.inputs, request.outputs
    sizes = request.live, y.type.positions, y.type.channels
    return request.launch("softmax_gradient", _grid(y.type), y, dy, dx, *sizes)


def _rows(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    return {"rows": 2 * batch * inputs[0].positions}


@kernel("cross_entropy", scratch=_rows)
def cross_entropy(request: Request) -> Launch:
    """z (N, ..., K), targets -> the loss, and what the sum was divided by."""
    (z, target), (loss, divisor) = request.inputs, request.outputs
    positions = z.type.positions
    first = request.scratch["rows"]
    losses, divisors = pointer(first), pointer(first + request.batch * positions * ITEM)
    sizes = request.live, positions
    targets = _targets(request, target)
    by_row = request.launch("cross_entropy_rows", _grid(z.type), z, *targets, losses, divisors, *sizes, z.type.channels)
    mean = request.launch("cross_entropy_mean", lambda n: (1, 1, 1), losses, divisors, loss, divisor, *sizes)
    return in_turn(by_row, mean)


@kernel("cross_entropy.dx")
def cross_entropy_dx(request: Request) -> Launch:
    """z, targets, divisor (), dloss () -> dz."""
    (z, target, divisor, dloss), (dz,) = request.inputs, request.outputs
    operands = z, *_targets(request, target), divisor, dloss, dz
    sizes = request.live, z.type.positions, z.type.channels
    return request.launch("cross_entropy_gradient", _grid(z.type), *operands, *sizes)


def _targets(request: Request, target: Operand) -> tuple[Any, ...]:
    """Labels or shares, weights of classes, smoothing: what `Targets` in softmax.cu is made of."""
    attrs = request.attrs
    labels, shares = (target, None) if target.type.dtype == "int32" else (None, target)
    weights = None
    if attrs.class_weights is not None:
        weights = pointer(request.table(np.array(attrs.class_weights, np.float32)))
    return labels, shares, weights, float(attrs.label_smoothing)
