"""Sums per channel over samples and positions, in float64; parts are added up in their order."""

from __future__ import annotations

from numba import prange

from netspec_numba.contract import Array
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import as_double, as_single, load_lanes, spread, store_first, store_lanes
from netspec_numba.kernels.loops import Walk, parallel, serial, span


@parallel
def gather_sums(n: int, parts: int, over: Walk, x: Array, sums: Array) -> None:
    """sums (parts, blocks, LANES) of the rows of each part."""
    blocks = over.blocks
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(parts * blocks):
        block = task % blocks
        first_sample, end_sample, first, end = span(over, n, task // blocks)
        total = spread(0.0)
        for sample in range(first_sample, end_sample):
            plane = sample * sample_stride + block * block_stride
            for position in range(first, end):
                total = total + as_double(load_lanes(x, plane + position * row_stride))
        store_lanes(sums, task * LANES, total)


@serial
def join_sums(parts: int, over: Walk, sums: Array, total: Array) -> None:
    """sums (parts, blocks, LANES) -> total (C,), the parts in order."""
    for block in range(over.blocks):
        joined = load_lanes(sums, block * LANES)
        for part in range(1, parts):
            joined = joined + load_lanes(sums, (part * over.blocks + block) * LANES)
        store_first(total, block * LANES, as_single(joined), over.channels - block * LANES)


@serial
def sum_channels(n: int, parts: int, over: Walk, x: Array, sums: Array, total: Array) -> None:
    """x -> total (C,), as one call: entering compiled code takes longer than summing what is small."""
    gather_sums(n, parts, over, x, sums)
    join_sums(parts, over, sums, total)
