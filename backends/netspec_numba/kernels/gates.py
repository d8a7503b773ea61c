"""Gradients of clipping activations and of the biases before them: dy where y was not clipped, and its sums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numba import prange

from netspec.core.clipping import limits_of_gate
from netspec_numba.contract import Array, Call, Calls, Launch, Request, Types
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import as_double, choose, load_lanes, prefetch, spread, store_first, store_lanes
from netspec_numba.kernels.loops import AHEAD, Walk, padded, parallel, parts, same_layout, span, walk
from netspec_numba.kernels.sums import join_sums


def gate_scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """A float64 sum for each lane of each part, where an elementwise op has sums to gather."""
    if len(outputs) == len(attrs.expressions(len(inputs))):
        return {}
    over = walk(outputs[0])
    return {"sums": 2 * parts(over, batch) * padded(over)}


def build_gate(request: Request) -> Launch:
    """(y, dy) -> (g, the sums of g over samples and positions); g may be dy. ValueError for an op that is no gate."""
    (y, dy), (g, total) = request.inputs, request.outputs
    limits = limits_of_gate(request.attrs.expressions(2)[0])
    if limits is None or request.epilogue is None or not request.epilogue.sums:
        raise ValueError(f"{request.attrs} is no gate with sums")
    same_layout(y.type, dy.type, g.type)
    over, dy_sample = walk(y.type, g.type), dy.type.sample_stride
    low, high = np.float32(limits.low), np.float32(limits.high)
    bounded = int(np.isfinite(high))
    sums = request.scratch["sums"].view(np.float64)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        count = parts(over, n)
        yield pass_gate, (n, count, over, y.array, dy.array, dy_sample, low, high, bounded, g.array, sums)
        yield join_sums, (count, over, sums, total.array)

    return launch


@parallel
def pass_gate(
    n: int,
    parts: int,
    over: Walk,
    y: Array,
    dy: Array,
    dy_sample: int,
    low: np.float32,
    high: np.float32,
    bounded: int,
    g: Array,
    sums: Array,
) -> None:
    """g = dy where y lies between the limits, else 0; sums (parts, blocks, LANES) of the rows of each part."""
    blocks, writable = over.blocks, over.writable
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(parts * blocks):
        block = task % blocks
        first_sample, end_sample, first, end = span(over, n, task // blocks)
        none, total = spread(np.float32(0.0)), spread(0.0)
        for sample in range(first_sample, end_sample):
            plane = sample * sample_stride + block * block_stride
            given = sample * dy_sample + block * block_stride
            made = sample * over.result_stride + block * block_stride
            for position in range(first, end):
                row = position * row_stride
                prefetch(y, plane + row + AHEAD)
                prefetch(dy, given + row + AHEAD)
                value = load_lanes(y, plane + row)
                passed = choose(value > spread(low), load_lanes(dy, given + row), none)
                if bounded:
                    passed = choose(value < spread(high), passed, none)
                store_first(g, made + row, passed, writable - block * LANES)
                total = total + as_double(passed)
        store_lanes(sums, task * LANES, total)
