"""Pooling by the p-norm of a window, in float64: it holds every power that p allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import prange

from netspec_numba.contract import Array, Call, Calls, Launch, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import as_double, as_single, choose, lane, load_lanes, spread, store_first
from netspec_numba.kernels.loops import check_layout, device, parallel, same_layout, splits, store
from netspec_numba.kernels.windows import backward_gather, forward_gather


@kernel("lp_pool")
def lp_pool(request: Request) -> Launch:
    """x -> y, the p-th root of the sum of the p-th powers of |x| over each window."""
    (x,), (y,) = request.inputs, request.outputs
    check_layout(x.type, y.type)
    gather = forward_gather(request.attrs.geometry(x.type))
    pieces = splits(request.batch, x.type.blocks, gather.rows)
    sizes = int(request.attrs.p), x.type.lanes, x.type.positions, y.type.positions, pieces

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield norms, (n * x.type.blocks, *sizes, gather.start, gather.source, x.array, y.array)

    return launch


@kernel("lp_pool.dx")
def lp_pool_dx(request: Request) -> Launch:
    """(x, y, dy) -> dx = sum over the windows of dy * sign(x) * (|x| / y)^(p - 1)."""
    (x, y, dy), (dx,) = request.inputs, request.outputs
    same_layout(x.type, dx.type)
    same_layout(y.type, dy.type)
    gather = backward_gather(request.attrs.geometry(x.type))
    pieces = splits(request.batch, x.type.blocks, gather.rows)
    sizes = int(request.attrs.p), x.type.lanes, y.type.positions, x.type.positions, pieces

    @Calls
    def launch(n: int) -> Iterator[Call]:
        planes, tables = n * x.type.blocks, (gather.start, gather.source)
        yield norm_gradients, (planes, *sizes, *tables, x.array, y.array, dy.array, dx.array)

    return launch


@device
def _magnitude(x: Any) -> Any:
    return choose(x < spread(0.0), spread(0.0) - x, x)


@device
def _raised(first: Any, factor: Any, times: int) -> Any:
    """first * factor^times."""
    for _ in range(times):
        first = first * factor
    return first


@parallel
def norms(
    planes: int,
    p: int,
    lanes: int,
    inputs: int,
    outputs: int,
    pieces: int,
    start: Array,
    source: Array,
    x: Array,
    y: Array,
) -> None:
    """x (planes, inputs, lanes) -> y (planes, outputs, lanes); the tables are a ``Gather``'s."""
    for task in prange(planes * pieces):
        plane, piece = task // pieces, task % pieces
        for position in range(piece * outputs // pieces, (piece + 1) * outputs // pieces):
            row = (plane * outputs + position) * lanes
            for at in range(0, lanes, LANES):
                total = spread(0.0)
                for entry in range(start[position], start[position + 1]):
                    value = as_double(load_lanes(x, (plane * inputs + source[entry]) * lanes + at))
                    magnitude = _magnitude(value)
                    total = total + _raised(magnitude, magnitude, p - 1)
                for number in range(min(lanes - at, LANES)):
                    powers = lane(total, number)
                    root = np.sqrt(powers) if p == 2 else powers ** (1.0 / p)
                    store(y, row + at + number, np.float32(root))


@parallel
def norm_gradients(
    planes: int,
    p: int,
    lanes: int,
    outputs: int,
    inputs: int,
    pieces: int,
    start: Array,
    source: Array,
    x: Array,
    y: Array,
    dy: Array,
    dx: Array,
) -> None:
    """x, dx (planes, inputs, lanes), y, dy (planes, outputs, lanes); the tables are a ``Gather``'s."""
    for task in prange(planes * pieces):
        plane, piece = task // pieces, task % pieces
        for position in range(piece * inputs // pieces, (piece + 1) * inputs // pieces):
            row = (plane * inputs + position) * lanes
            for at in range(0, lanes, LANES):
                total = spread(0.0)
                for entry in range(start[position], start[position + 1]):
                    seen = (plane * outputs + source[entry]) * lanes + at
                    norm, slope = as_double(load_lanes(y, seen)), as_double(load_lanes(dy, seen))
                    share = slope / _raised(spread(1.0), norm, p - 1)
                    total = total + choose(norm == spread(0.0), spread(0.0), share)
                value = as_double(load_lanes(x, row + at))
                negative, positive = value < spread(0.0), value > spread(0.0)
                sign = choose(positive, spread(1.0), choose(negative, spread(-1.0), value))
                store_first(dx, row + at, as_single(total * _raised(sign, _magnitude(value), p - 1)), lanes - at)
