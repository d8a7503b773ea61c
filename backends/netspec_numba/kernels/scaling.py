"""y = (x - centre) * scale + shift, one of each per channel: normalisation, and images made from bytes."""

from __future__ import annotations

from numba import prange

from netspec_numba.contract import Array
from netspec_numba.host import LANES
from netspec_numba.kernels.finishing import Finish, finished
from netspec_numba.kernels.lanes import as_single, load_lanes, prefetch, store_first
from netspec_numba.kernels.loops import AHEAD, Walk, parallel, span


@parallel
def scale_shift(
    n: int, parts: int, over: Walk, x: Array, y: Array, coefficients: Array, residual: Array, finish: Finish
) -> None:
    """x, and y and the residual, as ``over`` says, may be one; coefficients (3, blocks*LANES): centre, scale, shift."""
    blocks, writable = over.blocks, over.writable
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(parts * blocks):
        block = task % blocks
        first_sample, end_sample, first, end = span(over, n, task // blocks)
        at = block * LANES
        centre = load_lanes(coefficients, at)
        scale = load_lanes(coefficients, at + blocks * LANES)
        shift = load_lanes(coefficients, at + 2 * blocks * LANES)
        for sample in range(first_sample, end_sample):
            plane = sample * sample_stride + block * block_stride
            made = sample * over.result_stride + block * block_stride
            for position in range(first, end):
                row, there = plane + position * row_stride, made + position * row_stride
                prefetch(x, row + AHEAD)
                value = (as_single(load_lanes(x, row)) - centre) * scale + shift
                store_first(y, there, finished(value, residual, there, finish), writable - at)
