"""Channels laid out as cells, and back: copies of runs of channels."""

from __future__ import annotations

import numpy as np

from netspec_numba.contract import Array, Launch, Operand, Request, kernel
from netspec_numba.kernels.copying import copy_rows, runs
from netspec_numba.kernels.loops import check_layout


@kernel("depth_to_space")
def depth_to_space(request: Request) -> Launch:
    """x (*axes, cells*C) -> y (*longer axes, C)."""
    (x,), (y,) = request.inputs, request.outputs
    segments = cell_segments(x, y, request.attrs.factors(x.type))
    return copy_rows(x, y, 1, segments, request.batch)


@kernel("depth_to_space.dx")
def depth_to_space_dx(request: Request) -> Launch:
    """dy (*longer axes, C) -> dx (*axes, cells*C)."""
    (dy,), (dx,) = request.inputs, request.outputs
    segments = cell_segments(dx, dy, request.attrs.factors)
    return copy_rows(dy, dx, 1, segments[:, [1, 0, 2]], request.batch)


def cell_segments(deep: Operand, wide: Operand, factors: tuple[int, ...]) -> Array:
    """Segments (in a sample of ``deep``, in one of ``wide``, width): cell by cell, and in each every position."""
    check_layout(deep.type, wide.type)
    channels = wide.type.channels
    positions = np.arange(wide.type.positions).reshape(wide.type.spatial)
    segments = []
    for number, cell in enumerate(np.ndindex(*factors)):
        places = tuple(slice(at, None, step) for at, step in zip(cell, factors, strict=True))
        there = positions[places].reshape(-1) * wide.type.lanes
        here = np.arange(deep.type.positions) * deep.type.lanes
        for begin, to, width in runs(deep.type, number * channels, wide.type, 0, channels):
            segments.append(np.stack([begin + here, to + there, np.full_like(here, width)], axis=1))
    return np.concatenate(segments)
