"""Whether numbers are finite: what stands between the gradients and the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Request, kernel
from netspec_numba.kernels.loops import load, parallel

NUMBERS_PER_PART = 8192
"""Numbers that one thread takes at a time, of one input."""
MAGNITUDE = np.int32(0x7FFFFFFF)
INFINITY = np.int32(0x7F800000)
"""Bits of float32 without its sign, and of infinity: what is not finite has no smaller bits than infinity."""

Types = tuple[TensorType, ...]


def _parts(inputs: Types) -> list[tuple[int, int, int]]:
    """(input, first number, end) of every part."""
    return [
        (place, first, min(first + NUMBERS_PER_PART, tensor.stored))
        for place, tensor in enumerate(inputs)
        for first in range(0, tensor.stored, NUMBERS_PER_PART)
    ]


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    return {"largest": len(_parts(inputs))}


@kernel("all_finite", scratch=_scratch)
def all_finite(request: Request) -> Launch:
    """Arrays -> 1 or 0."""
    parts = _parts(tuple(operand.type for operand in request.inputs))
    first = request.inputs[0].array.view(np.int32)
    distances = [(operand.array.ctypes.data - first.ctypes.data) // 4 for operand in request.inputs]
    spans = np.array([(distances[place] + start, distances[place] + end) for place, start, end in parts], np.int64)
    largest = request.scratch["largest"].view(np.int32)[: len(parts)]
    (verdict,) = (operand.array for operand in request.outputs)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield judge, (first, spans.ravel(), largest, verdict)

    return launch


@parallel
def judge(bits: Array, spans: Array, largest: Array, verdict: Array) -> None:
    """verdict[0] = whether all float32 of the spans are finite; ``spans`` [parts, 2] count numbers from ``bits``.

    The greatest bits without sign are sought: whole numbers can be compared in any order, vector by vector.
    """
    for part in prange(largest.size):
        most = np.int32(0)
        for index in range(load(spans, 2 * part), load(spans, 2 * part + 1)):
            most = max(most, load(bits, index) & MAGNITUDE)
        largest[part] = most
    most = np.int32(0)
    for part in range(largest.size):
        most = max(most, largest[part])
    verdict[0] = most < INFINITY
