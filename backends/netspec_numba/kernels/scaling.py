"""y = (x - centre) * scale + shift, one of each per channel: normalisation, and images made from bytes."""

from __future__ import annotations

from typing import Any

from numba import prange

from netspec_numba.contract import Array
from netspec_numba.host import LANES
from netspec_numba.kernels.loops import Walk, device, load, parallel, span, store


@device
def _scale_row(x: Array, y: Array, row: int, width: int, coefficients: Any, at: int, padded: int) -> None:
    for lane in range(width):
        centred = load(x, row + lane) - load(coefficients, at + lane)
        scaled = centred * load(coefficients, at + padded + lane)
        store(y, row + lane, scaled + load(coefficients, at + 2 * padded + lane))


@parallel
def scale_shift(n: int, parts: int, over: Walk, x: Array, y: Array, coefficients: Array) -> None:
    """x, y as ``over`` says, may be one; coefficients (3, blocks*LANES): centre, scale, shift."""
    blocks, writable = over.blocks, over.writable
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    padded = blocks * LANES
    for task in prange(parts * blocks):
        block = task % blocks
        first_sample, end_sample, first, end = span(over, n, task // blocks)
        at = block * LANES
        width = min(LANES, writable - at)
        for sample in range(first_sample, end_sample):
            plane = sample * sample_stride + block * block_stride
            for position in range(first, end):
                row = plane + position * row_stride
                if width == LANES:
                    _scale_row(x, y, row, LANES, coefficients, at, padded)
                else:
                    _scale_row(x, y, row, width, coefficients, at, padded)
