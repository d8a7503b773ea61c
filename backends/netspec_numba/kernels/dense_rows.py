"""Dense layers of few samples: the weights go by once, row after row, where they are.

forward  y (N, K) = bias (K) + sum over channels  x (N, C)  w (C, K)

With few samples, fetching the weights is all that takes time. Read in the order in which they lie, they come as fast as
memory gives them, and need no second copy in another order. The rows are cut into parts that have sums of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numba import prange

from netspec_numba.contract import Call, Calls, Launch, Request, Types, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.costs import FETCH, JOINED_SUM, READ_IN_ORDER, SECOND_LOOP
from netspec_numba.kernels.finishing import finished, finishing
from netspec_numba.kernels.lanes import load_lanes, spread, store_first, store_lanes
from netspec_numba.kernels.loops import load, parallel

MOST_SAMPLES = 4
"""Samples up to which multiplying is hidden behind the fetching."""
PARTS = 16
"""Parts of the rows, so many that the threads of a small machine are evenly loaded."""
ROWS = 4
"""Rows that are gone through side by side, so that their sums are fetched and stored once."""


def _vectors(columns: int) -> int:
    return -(-columns // LANES)


def cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    """Cost of ``dense``."""
    x, y = inputs[0], outputs[0]
    if batch > MOST_SAMPLES:
        return math.inf
    vectors = _vectors(y.channels)
    return READ_IN_ORDER * FETCH * x.channels * vectors + JOINED_SUM * PARTS * vectors * batch + SECOND_LOOP


def scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Workspace of ``dense``: the sums of every part."""
    return {"partial": PARTS * batch * _vectors(outputs[0].channels) * LANES}


@kernel("dense", scratch=scratch, cost=cost, algorithm="rows", epilogue=True)
def dense(request: Request) -> Launch:
    """y = x w + bias."""
    x, weight, *bias = request.inputs
    (y,) = request.outputs
    partial, columns = request.scratch["partial"], y.type.channels
    added = bias[0].array if bias else np.zeros(columns + LANES, np.float32)
    residual, finish = finishing(request)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield sum_rows, (n, x.array, x.type.channels, weight.array, columns, partial)
        yield join_parts, (n, columns, partial, added, y.array, residual, finish)

    return launch


@parallel
def sum_rows(n, x, channels, weight, columns, partial):
    """partial [part, n, columns in whole vectors] = sum over the part's channels of x [n, channels] times weight.

    Lanes past the last column hold what lies behind a row, and are not used.
    """
    width = (columns + LANES - 1) // LANES * LANES
    for number in prange(PARTS):
        part = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        start, end = part * channels // PARTS, (part + 1) * channels // PARTS
        for sample in range(n):
            for at in range(0, width, LANES):
                store_lanes(partial, (part * n + sample) * width + at, spread(np.float32(0.0)))
        whole = start + (end - start) // ROWS * ROWS
        for row in range(start, whole, ROWS):
            for sample in range(n):
                sums = (part * n + sample) * width
                first = sample * channels + row
                x0, x1 = spread(load(x, first)), spread(load(x, first + 1))
                x2, x3 = spread(load(x, first + 2)), spread(load(x, first + 3))
                for at in range(0, width, LANES):
                    place = row * columns + at
                    total = load_lanes(partial, sums + at)
                    total = total + load_lanes(weight, place) * x0
                    total = total + load_lanes(weight, place + columns) * x1
                    total = total + load_lanes(weight, place + 2 * columns) * x2
                    store_lanes(partial, sums + at, total + load_lanes(weight, place + 3 * columns) * x3)
        for row in range(whole, end):
            for sample in range(n):
                sums = (part * n + sample) * width
                factor = spread(load(x, sample * channels + row))
                for at in range(0, width, LANES):
                    total = load_lanes(partial, sums + at) + load_lanes(weight, row * columns + at) * factor
                    store_lanes(partial, sums + at, total)


@parallel
def join_parts(n, columns, partial, bias, y, residual, finish):
    """y [n, columns] = bias and the sums of all parts, in their order, and its ending."""
    vectors = (columns + LANES - 1) // LANES
    for number in prange(n * vectors):
        task = np.int64(number)
        sample, at = task // vectors, task % vectors * LANES
        total = load_lanes(bias, at)
        for part in range(PARTS):
            total = total + load_lanes(partial, ((part * n + sample) * vectors) * LANES + at)
        place = sample * columns + at
        store_first(y, place, finished(total, residual, place, finish), columns - at)
