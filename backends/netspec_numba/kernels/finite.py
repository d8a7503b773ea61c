"""Whether numbers are finite: what stands between the gradients and the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Launch, Request, kernel
from netspec_numba.kernels.loops import load, parallel

PARTS = 16
"""Parts that each input is cut into."""
MAGNITUDE = np.int32(0x7FFFFFFF)
INFINITY = np.int32(0x7F800000)
"""Bits of float32 without its sign, and of infinity: what is not finite has no smaller bits than infinity."""

Types = tuple[TensorType, ...]


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    return {"largest": len(inputs) * PARTS}


@kernel("all_finite", scratch=_scratch)
def all_finite(request: Request) -> Launch:
    """Arrays -> 1 or 0."""
    arrays = [operand.array[: operand.type.stored].view(np.int32) for operand in request.inputs]
    largest = request.scratch["largest"].view(np.int32)[: len(arrays) * PARTS]
    (verdict,) = (operand.array for operand in request.outputs)

    def launch(n: int) -> None:
        for position, bits in enumerate(arrays):
            largest_magnitudes(bits, largest, position * PARTS)
        verdict[0] = largest.max() < INFINITY

    return launch


@parallel
def largest_magnitudes(bits: Array, largest: Array, first: int) -> None:
    """bits (size) of float32 -> largest[first + part], the greatest bits without sign of each part.

    Whole numbers are compared, since the greatest of them can be found in any order, vector by vector.
    """
    size = bits.size
    for part in prange(PARTS):
        most = np.int32(0)
        for index in range(size * part // PARTS, size * (part + 1) // PARTS):
            most = max(most, load(bits, index) & MAGNITUDE)
        largest[first + part] = most
