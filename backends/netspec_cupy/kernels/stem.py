"""The weight gradient of convolutions of maps with few channels, such as the first one of a network (stem.cu)."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from math import inf
from typing import Any

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_cupy.contract import THREADS, Grid, Launch, Request, Types, kernel, pointer
from netspec_cupy.geometry import Convolution, window
from netspec_cupy.kernels.convolution import join
from netspec_cupy.kernels.dense import BUSY, LAUNCH

PLACES = 32
"""Places of a row that a block works on at a time, as in stem.cu."""
MOST_TERMS = 160
"""Numbers under the window."""
FILTERS = 64
MOST_SEEN = 8192
"""Numbers in shared memory that those places see."""
UNITS_PER_PART = 4
"""Strips of places that a part adds up, at least."""
SLOWNESS = 2.0
"""Times as long as multiply-adds of float32 take: of eleven numbers read from shared memory forty are made."""


class Seen(ctypes.Structure):
    """What the windows of some places of a row see: so many rows of so many numbers."""

    _fields_ = [(name, ctypes.c_int) for name in ("rows", "numbers")]


def _seen(geometry: WindowGeometry, channels: int) -> tuple[int, int]:
    rows, columns = (dilation * (size - 1) + 1 for size, dilation in zip(geometry.size, geometry.dilation, strict=True))
    return rows, ((PLACES - 1) * geometry.stride[1] + columns) * channels


def _units(dy: TensorType, batch: int) -> int:
    """Strips of places."""
    return batch * dy.spatial[0] * -(-dy.spatial[1] // PLACES)


def _parts(dy: TensorType, batch: int) -> int:
    """Parts of the sum: by the largest batch, so that shapes alone decide."""
    return max(1, min(2 * BUSY, _units(dy, batch) // UNITS_PER_PART))


def _fits(geometry: WindowGeometry, groups: int, x: TensorType) -> bool:
    if groups > 1 or len(geometry.size) != 2 or geometry.taps * x.channels > MOST_TERMS:
        return False
    rows, numbers = _seen(geometry, x.channels)
    return rows * numbers <= MOST_SEEN


def _cost(attrs: Any, inputs: Types, outputs: Types, batch: int) -> float:
    x, dy = inputs
    if not _fits(attrs.geometry(x), attrs.groups, x):
        return inf
    parts, columns = _parts(dy, batch), -(-dy.channels // FILTERS)
    units = -(-_units(dy, batch) // parts)
    return float(max(parts * columns, BUSY) * units * PLACES * MOST_TERMS * FILTERS) * SLOWNESS + 2 * LAUNCH


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    return {"parts": _parts(inputs[1], batch) * outputs[0].elements}


@kernel("conv.dw", "direct/stem", cost=_cost, scratch=_scratch)
def stem_weight_gradient(request: Request) -> Launch:
    """x (N, rows, columns, C), dy (N, *places, K) -> dw (*window, C, K)."""
    x, dy = request.inputs
    geometry = request.attrs.geometry(x.type)
    parts, sums = _parts(dy.type, request.batch), pointer(request.scratch["parts"])
    rows, numbers = _seen(geometry, x.type.channels)
    shared = 4 * (-(-rows * numbers // 4) * 4 + PLACES * FILTERS)

    def grid(n: int) -> Grid:
        return (parts, -(-dy.type.channels // FILTERS), 1)

    layer = Convolution(window(geometry), x.type.channels, dy.type.channels, 1)
    operands = x, dy, sums, request.live, parts, Seen(rows, numbers), layer
    summed = request.launch("stem_weight_gradient", grid, *operands, threads=THREADS, shared=shared)
    return join(request, summed, sums, parts)
