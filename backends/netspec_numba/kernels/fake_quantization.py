"""What a network in training is rounded by: weights as bytes hold them, and between which numbers those of a batch lie.

Activations are rounded by a generated kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numba import prange

from netspec.core.types import LARGEST_WEIGHT, TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.functions import maximum, minimum
from netspec_numba.kernels.lanes import choose, load_lanes, spread, store_lanes
from netspec_numba.kernels.loops import check_layout, load, parallel, serial

Types = tuple[TensorType, ...]

ROWS = 512
"""Rows of LANES float32 that a task takes of a plain tensor: as much as the first cache holds."""
INFINITY = np.float32(math.inf)


@kernel("fake_quantize.weights")
def fake_quantize_weights(request: Request) -> Launch:
    """weight (..., K) -> the same"""
    (weight,), (made,) = request.inputs, request.outputs
    columns = weight.type.channels
    rows = weight.type.elements // columns

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield round_weights, (rows, columns, weight.array, made.array)

    return launch


@serial
def round_weights(rows: int, columns: int, weight: Array, made: Array) -> None:
    """weight, made (rows, columns), each column in a scale of its own. In float64."""
    scale = np.zeros(columns, np.float64)
    for row in range(rows):
        for column in range(columns):
            scale[column] = max(scale[column], abs(np.float64(weight[row * columns + column])))
    for column in range(columns):
        scale[column] = (scale[column] if scale[column] > 0 else 1.0) / LARGEST_WEIGHT
    for row in range(rows):
        for column in range(columns):
            place = row * columns + column
            made[place] = np.float32(np.rint(np.float64(weight[place]) / scale[column]) * scale[column])


def _planes(x: TensorType, samples: int) -> tuple[int, int]:
    """How many tasks there are, and how many rows of LANES numbers each has."""
    if x.block is None:
        return samples * x.stored // (ROWS * LANES), ROWS
    return samples * x.blocks, x.positions


def _scratch(attrs: object, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """A row for each task."""
    size = max(1, _planes(inputs[0], batch)[0]) * LANES
    return {"low": size, "high": size}


@kernel("extremes", scratch=_scratch)
def extremes(request: Request) -> Launch:
    """x -> the smallest and the largest number of live samples; padding lanes do not count."""
    (x,), (lowest, highest) = request.inputs, request.outputs
    check_layout(x.type)
    low, high = request.scratch["low"], request.scratch["high"]
    blocks = 1 if x.type.block is None else x.type.blocks
    live = LANES if x.type.block is None else x.type.channels - (blocks - 1) * LANES

    @Calls
    def launch(n: int) -> Iterator[Call]:
        planes, rows = _planes(x.type, n)
        yield extremes_of_planes, (planes, rows, x.array, low, high)
        read = planes * rows * LANES
        yield join, (planes, blocks, live, low, high, read, n * x.type.stored, x.array, lowest.array, highest.array)

    return launch


@parallel
def extremes_of_planes(planes: int, rows: int, x: Array, low: Array, high: Array) -> None:
    """x (planes, rows, LANES) -> low, high (planes, LANES); NaN where there is one."""
    for plane in prange(planes):
        smallest, largest = spread(INFINITY), spread(-INFINITY)
        for row in range(rows):
            value = load_lanes(x, (plane * rows + row) * LANES)
            smallest = choose((value > smallest) | (smallest != smallest), smallest, value)
            largest = choose((value < largest) | (largest != largest), largest, value)
        store_lanes(low, plane * LANES, smallest)
        store_lanes(high, plane * LANES, largest)


@serial
def join(
    planes: int,
    blocks: int,
    live: int,
    low: Array,
    high: Array,
    first: int,
    end: int,
    x: Array,
    lowest: Array,
    highest: Array,
) -> None:
    """low, high (planes, LANES) and x[first:end] -> one number each; of the last block only ``live`` lanes count."""
    smallest, largest = INFINITY, -INFINITY
    for plane in range(planes):
        for lane in range(live if plane % blocks == blocks - 1 else LANES):
            smallest = minimum(smallest, low[plane * LANES + lane])
            largest = maximum(largest, high[plane * LANES + lane])
    for place in range(first, end):
        value = load(x, place)
        smallest, largest = minimum(smallest, value), maximum(largest, value)
    lowest[0], highest[0] = smallest, largest
