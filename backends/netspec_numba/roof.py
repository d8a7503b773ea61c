"""What this machine could do at best: fused multiply-adds from registers, and bytes read from memory."""

from __future__ import annotations

import time
from collections.abc import Callable

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from netspec.backend import Roof
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import load_lanes, spread, sum_of_lanes
from netspec_numba.kernels.loops import parallel
from netspec_numba.kernels.vectors import FLOAT, INT64, VECTOR, ZERO, fused_multiply_add

CHAINS = 12
"""Sums in flight: enough to hide the latency of two units that take four or five cycles, few enough for registers."""
STEPS = 4_000_000
"""Multiply-adds of each chain and thread: some milliseconds."""
FLOATS = 64 * 2**20
"""Numbers that are read, four times what the largest usual cache holds."""
REPEATS = 5
"""Measurements; the best counts, since anything else running only takes away."""


@intrinsic
def chained_multiply_adds(typing_context, steps):
    """``CHAINS`` vectors, each multiplied and added to ``steps`` times; the sum of their first lanes."""

    def generate(context, builder, signature, arguments):
        factor = ir.Constant(VECTOR, [ir.Constant(FLOAT, 0.5)] * LANES)
        summand = ir.Constant(VECTOR, [ir.Constant(FLOAT, 1.0)] * LANES)
        sums = [cgutils.alloca_once_value(builder, ZERO) for _ in range(CHAINS)]
        with cgutils.for_range(builder, arguments[0]):
            for chain in sums:
                builder.store(fused_multiply_add(builder, builder.load(chain), factor, summand), chain)
        total = ir.Constant(FLOAT, 0.0)
        for chain in sums:
            total = builder.fadd(total, builder.extract_element(builder.load(chain), INT64(0)))
        return total

    return types.float32(types.int64), generate


@parallel
def _multiply_adds(threads, steps, found):
    for thread in prange(threads):
        found[thread] = chained_multiply_adds(steps)


@parallel
def _read(source, parts, found):
    # source (parts, length): each part is summed up by one thread
    length = source.size // parts
    for part in prange(parts):
        total = spread(np.float32(0.0))
        for row in range(length // LANES):
            total = total + load_lanes(source, part * length + row * LANES)
        found[part] = sum_of_lanes(total)


def measure_roof(threads: int) -> Roof:
    """Both figures for this many threads; takes some tenths of a second once the kernels are compiled."""
    numba.set_num_threads(threads)
    found = np.zeros(max(threads, 64), np.float32)
    seconds = _best(lambda: _multiply_adds(threads, STEPS, found))
    flops = 2.0 * threads * STEPS * CHAINS * LANES / seconds
    source = np.ones(FLOATS, np.float32)
    seconds = _best(lambda: _read(source, 64, found))
    return Roof(flops, source.nbytes / seconds)


def _best(run: Callable[[], object]) -> float:
    """Seconds of the fastest of several runs, the first of which compiles and does not count."""
    run()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
