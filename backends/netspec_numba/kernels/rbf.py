"""Radial basis units. Differences are squared as they are: multiplied out, the squares would cancel.

forward          y (N, U)  = sum over I of (x (N, I) - w (I, U))²
data gradient    dx (N, I) = 2 sum over U of (x - w) dy (N, U)
weight gradient  dw (I, U) = 2 sum over N of (w - x) dy
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import prange

from netspec_numba.contract import Array, Call, Calls, Launch, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import choose, lane_numbers, load_lanes, spread, store_first, sum_of_lanes
from netspec_numba.kernels.loops import parallel


@kernel("rbf")
def rbf(request: Request) -> Launch:
    """x, w -> y."""
    (x, weight), (y,) = request.inputs, request.outputs
    inputs, units = weight.type.shape

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield squared_distances, (n, inputs, units, x.array, weight.array, y.array)

    return launch


@kernel("rbf.dx")
def rbf_dx(request: Request) -> Launch:
    """x, w, dy -> dx."""
    (x, weight, dy), (dx,) = request.inputs, request.outputs
    inputs, units = weight.type.shape

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield pull_inputs, (n, inputs, units, x.array, weight.array, dy.array, dx.array)

    return launch


@kernel("rbf.dw")
def rbf_dw(request: Request) -> Launch:
    """x, w, dy -> dw."""
    (x, weight, dy), (dw,) = request.inputs, request.outputs
    inputs, units = weight.type.shape

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield pull_points, (n, inputs, units, x.array, weight.array, dy.array, dw.array)

    return launch


@parallel
def squared_distances(n: int, inputs: int, units: int, x: Array, weight: Array, y: Array) -> None:
    """x (n, inputs), weight (inputs, units) -> y (n, units)."""
    for sample in prange(n):
        for unit in range(0, units, LANES):
            total = spread(np.float32(0.0))
            for number in range(inputs):
                apart = spread(x[sample * inputs + number]) - load_lanes(weight, number * units + unit)
                total = total + apart * apart
            store_first(y, sample * units + unit, total, units - unit)


@parallel
def pull_inputs(n: int, inputs: int, units: int, x: Array, weight: Array, dy: Array, dx: Array) -> None:
    """x (n, inputs), weight (inputs, units), dy (n, units) -> dx (n, inputs)."""
    for sample in prange(n):
        for number in range(inputs):
            value = spread(x[sample * inputs + number])
            total = spread(np.float32(0.0))
            for unit in range(0, units, LANES):
                pull = (value - load_lanes(weight, number * units + unit)) * load_lanes(dy, sample * units + unit)
                total = total + choose(lane_numbers() < spread(np.int32(units - unit)), pull, spread(np.float32(0.0)))
            dx[sample * inputs + number] = np.float32(2.0) * sum_of_lanes(total)


@parallel
def pull_points(n: int, inputs: int, units: int, x: Array, weight: Array, dy: Array, dw: Array) -> None:
    """x (n, inputs), weight (inputs, units), dy (n, units) -> dw (inputs, units)."""
    for number in prange(inputs):
        for unit in range(0, units, LANES):
            point = load_lanes(weight, number * units + unit)
            total = spread(np.float32(0.0))
            for sample in range(n):
                apart = point - spread(x[sample * inputs + number])
                total = total + apart * load_lanes(dy, sample * units + unit)
            store_first(dw, number * units + unit, total + total, units - unit)
