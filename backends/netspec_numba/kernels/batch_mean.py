"""The mean of a whole batch, and its gradient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.loops import Walk, padded, parts, serial, walk
from netspec_numba.kernels.sums import gather_sums

Types = tuple[TensorType, ...]


def _scratch(attrs: object, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """A float64 sum for each lane of each part."""
    over = walk(inputs[0])
    return {"sums": 2 * parts(over, batch) * padded(over)}


@kernel("batch_mean", scratch=_scratch)
def batch_mean(request: Request) -> Launch:
    """x -> the mean over live samples, positions and channels."""
    (x,), (mean,) = request.inputs, request.outputs
    over, sums = walk(x.type), request.scratch["sums"].view(np.float64)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        count = parts(over, n)
        yield gather_sums, (n, count, over, x.array, sums)
        yield join_means, (count, over, n * x.type.elements, sums, mean.array)

    return launch


@kernel("batch_mean.dx")
def batch_mean_dx(request: Request) -> Launch:
    """dmean -> dx, dmean over the count of numbers in every place."""
    (dmean,), (dx,) = request.inputs, request.outputs

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield spread_mean, (n * dx.type.stored, n * dx.type.elements, dmean.array, dx.array)

    return launch


@serial
def spread_mean(stored: int, count: int, dmean: Array, dx: Array) -> None:
    """dmean (1,) -> dx (stored,), its share of ``count`` numbers."""
    dx[:stored] = dmean[0] / np.float32(count)


@serial
def join_means(parts: int, over: Walk, count: int, sums: Array, mean: Array) -> None:
    """sums (parts, blocks, LANES) -> mean (1,), the parts in order and in each its channels."""
    total = 0.0
    for part in range(parts):
        for channel in range(over.channels):
            total += sums[part * over.blocks * LANES + channel]
    mean[0] = total / count
