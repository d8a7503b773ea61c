"""Prelu (He et al. 2015): a rectifier with one learned slope per channel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import as_double, choose, load_lanes, spread, store_first, store_lanes
from netspec_numba.kernels.loops import Walk, padded, parallel, parts, same_layout, span, walk
from netspec_numba.kernels.sums import join_sums

Types = tuple[TensorType, ...]


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """A float64 sum for each lane of each part."""
    over = walk(inputs[0])
    return {"sums": 2 * parts(over, batch) * padded(over)}


@kernel("prelu")
def prelu(request: Request) -> Launch:
    """(x, slope (C,)) -> y; y may be x."""
    (x, slope), (y,) = request.inputs, request.outputs
    same_layout(x.type, y.type)
    over = walk(x.type)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield bend, (n, parts(over, n), over, x.array, x.array, slope.array, y.array)

    return launch


@kernel("prelu.dx", scratch=_scratch)
def prelu_dx(request: Request) -> Launch:
    """(x, dy, slope (C,)) -> (dx, dslope (C,))."""
    (x, dy, slope), (dx, dslope) = request.inputs, request.outputs
    same_layout(x.type, dy.type, dx.type)
    over, sums = walk(x.type), request.scratch["sums"].view(np.float64)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        count = parts(over, n)
        yield gather_below, (n, count, over, x.array, dy.array, sums)
        yield join_sums, (count, over, sums, dslope.array)
        yield bend, (n, count, over, x.array, dy.array, slope.array, dx.array)

    return launch


@parallel
def bend(n: int, parts: int, over: Walk, x: Array, given: Array, slope: Array, made: Array) -> None:
    """x, given, made as ``over`` says, slope (C,): what is given where x > 0, slope times it elsewhere."""
    blocks, writable = over.blocks, over.writable
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(parts * blocks):
        block = task % blocks
        first_sample, end_sample, first, end = span(over, n, task // blocks)
        factor = load_lanes(slope, block * LANES)
        for sample in range(first_sample, end_sample):
            plane = sample * sample_stride + block * block_stride
            for position in range(first, end):
                row = plane + position * row_stride
                numbers = load_lanes(given, row)
                above = load_lanes(x, row) > spread(np.float32(0.0))
                store_first(made, row, choose(above, numbers, factor * numbers), writable - block * LANES)


@parallel
def gather_below(n: int, parts: int, over: Walk, x: Array, dy: Array, sums: Array) -> None:
    """sums (parts, blocks, LANES): sums of x * dy over the rows of each part, where x is not above 0."""
    blocks = over.blocks
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(parts * blocks):
        block = task % blocks
        first_sample, end_sample, first, end = span(over, n, task // blocks)
        total = spread(0.0)
        for sample in range(first_sample, end_sample):
            plane = sample * sample_stride + block * block_stride
            for position in range(first, end):
                numbers = as_double(load_lanes(x, plane + position * row_stride))
                product = numbers * as_double(load_lanes(dy, plane + position * row_stride))
                total = total + choose(numbers > spread(0.0), spread(0.0), product)
        store_lanes(sums, task * LANES, total)
