"""The length of all gradients as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import as_double, load_lanes, spread, sum_of_lanes
from netspec_numba.kernels.loops import load, parallel

PARTS = 16
"""Parts that each input is cut into."""

Types = tuple[TensorType, ...]


def _scratch(attrs: object, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """A float64 sum for each part of each input."""
    return {"squares": 2 * len(inputs) * PARTS}


@kernel("global_norm", scratch=_scratch)
def global_norm(request: Request) -> Launch:
    """Arrays -> the root of the sum of all their squares, which float64 holds."""
    arrays = [operand.array[: operand.type.stored] for operand in request.inputs]
    squares = request.scratch["squares"].view(np.float64)[: len(arrays) * PARTS]
    (norm,) = (operand.array for operand in request.outputs)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        for position, numbers in enumerate(arrays):
            yield sums_of_squares, (numbers.size, numbers, squares, position * PARTS)
        yield join_squares, (squares, norm)

    return launch


def join_squares(squares: Array, norm: Array) -> None:
    """squares -> norm (1,), the root of their sum."""
    norm[0] = math.sqrt(squares.sum())


@parallel
def sums_of_squares(size: int, numbers: Array, squares: Array, first: int) -> None:
    """numbers (size) -> squares[first + part], the sum of the squares of each part."""
    for part in prange(PARTS):
        start, end = size * part // PARTS, size * (part + 1) // PARTS
        whole = start + (end - start) // LANES * LANES
        total = spread(0.0)
        for at in range(start, whole, LANES):
            values = as_double(load_lanes(numbers, at))
            total = total + values * values
        rest = 0.0
        for at in range(whole, end):
            value = np.float64(load(numbers, at))
            rest += value * value
        squares[first + part] = sum_of_lanes(total) + rest
