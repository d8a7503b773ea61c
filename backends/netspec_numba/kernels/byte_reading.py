"""How a convolution of bytes reads its input, and how its outputs are cut into panels of vectors.

**Few channels**: the last axis of the window is folded into them, so that at most the end of a row of the window is
multiplied with zeros, and one address serves the whole row. Where a layer has few outputs as well, the outputs of
several neighbouring positions become columns of one: they lie side by side in y, and what they read overlaps, so that
x is read under a wider window with larger strides, and weights are repeated, each time further along the window.

**Groups**: neighbours are taken together as long as their outputs fit one vector; what a channel has no weight for it
meets zeros. A group for every channel, with one filter, has inner loops of its own, in which nothing is broadcast.

**Images** slide past the weights of a row of the window where nothing would be gained from wider panels: where channels
stay apart, and where outputs are one vector and rows of the image fill tiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netspec.core.declare import declaration_of
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_numba.host import LANES
from netspec_numba.kernels.byte_tiles import GROUP
from netspec_numba.kernels.dense import PointConvolution
from netspec_numba.kernels.depthwise import is_depthwise
from netspec_numba.kernels.microkernels import PANEL_VECTORS, TILE_ROWS
from netspec_numba.kernels.packing import Int64s, column_panels
from netspec_numba.kernels.views import Source, folded_source, input_view, is_folding

FIRST_COLUMN, VECTORS, OFFSET, CHANNEL, END = range(5)
"""Columns of a panel table: what a panel spans, at which byte its weights begin, the first channel that it reads, and
where its columns end."""
SLIDING = ((3, 1), (3, 2), (5, 1), (5, 2))
"""Rows of windows, cells and stride, that there is a loop for with the weights of a row in registers."""
ROWS_APART, ROWS_TOGETHER = 14, 16
"""Positions of a tile there: sides of images are multiples of one or of the other."""
FEW_CHANNELS = 16
"""Where there are so many at most, and one vector of outputs, the addresses of a window's taps cost as much as the
products, and more than a copy of the input with padding."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a layer is computed.

    ``part`` columns, of a group or of one position of several, read the same ``channels`` of the source; the next
    part's begin ``step`` channels later.
    """

    source: Source
    columns: int
    """All that the outputs are cut into: channels, times the positions that are computed as one."""
    part: int
    step: int
    channels: int
    blocks: int = 1
    """What is cut into panels by itself: parts of equal size, each with so many parts."""
    apart: bool = False
    """Whether every column reads its own channel and nothing else."""
    slides: bool = False
    """Whether the weights of a row of the window stay in registers (:mod:`byte_slides`)."""

    @property
    def width(self) -> int:
        """Channels of the source that a block reads."""
        parts = self.columns // self.blocks // self.part
        return (parts - 1) * self.step + self.channels

    @property
    def groups(self) -> int:
        """Groups of four channels that a tap reads; 0 where every column reads its own."""
        return 0 if self.apart else -(-self.width // GROUP)

    def panels(self) -> Int64s:
        """A table of panels, and behind them one that is empty."""
        offset, rows = 0, []
        size = self.columns // self.blocks
        for block in range(self.blocks):
            begin, channel = block * size, block * size // self.part * self.step
            for first, vectors in column_panels(size, 1 if self.slides else PANEL_VECTORS):
                rows.append((begin + first, vectors, offset, first if self.apart else channel, begin + size))
                offset += self.source.geometry.taps * max(self.groups, 1) * vectors * LANES * GROUP
        return np.array([*rows, (self.columns, 0, offset, 0, 0)], np.int64)


def reading_of(layer: Any, x: TensorType, y: TensorType) -> Reading:
    """How a convolution or a dense layer is computed."""
    geometry: WindowGeometry = (PointConvolution() if declaration_of(layer).name == "dense" else layer).geometry(x)
    groups, whole = getattr(layer, "groups", 1), Source(input_view(x), geometry)
    if is_depthwise(groups, x, y):
        return Reading(whole, y.channels, y.channels, 0, x.channels, apart=True, slides=_slides(geometry))
    if groups > 1:
        part = y.channels // groups
        together = max(n for n in range(1, groups + 1) if groups % n == 0 and (n == 1 or n * part <= LANES))
        each = x.channels // groups
        return Reading(whole, y.channels, part, each, each, blocks=groups // together)
    narrow = x.channels % GROUP == 0 and y.channels <= LANES
    if narrow and _slides(geometry) and geometry.output[-1] % ROWS_TOGETHER == 0:
        return Reading(whole, y.channels, y.channels, 0, x.channels, slides=True)
    saves_addresses = x.channels <= FEW_CHANNELS and y.channels <= LANES
    if not (is_folding(geometry) and (x.channels % GROUP or saves_addresses)):
        return Reading(whole, y.channels, y.channels, 0, x.channels)
    length, most = geometry.output[-1], PANEL_VECTORS * LANES // y.channels
    choices = [1, *(n for n in range(2, most + 1) if length % n == 0)]
    joined = min(choices, key=lambda n: _cost(geometry, x.channels, y.channels, n))
    source = folded_source(x, _joined(geometry, joined))
    step, channels = geometry.stride[-1] * x.channels, geometry.size[-1] * x.channels
    return Reading(source, joined * y.channels, y.channels, step, channels)


def _slides(geometry: WindowGeometry) -> bool:
    image = len(geometry.size) == 2 and geometry.dilation[-1] == 1
    return image and (geometry.size[-1], geometry.stride[-1]) in SLIDING


def _joined(geometry: WindowGeometry, joined: int) -> WindowGeometry:
    """The window that so many neighbours along the last axis read together."""
    size, stride = geometry.size[-1], geometry.stride[-1]
    return replace(
        geometry,
        size=(*geometry.size[:-1], size + (joined - 1) * stride),
        stride=(*geometry.stride[:-1], joined * stride),
        output=(*geometry.output[:-1], geometry.output[-1] // joined),
    )


def _cost(geometry: WindowGeometry, channels: int, columns: int, joined: int) -> float:
    """Cycles for a position, roughly: addresses, products or the loads that they wait for, and the ending."""
    window = _joined(geometry, joined).size
    vectors = -(-joined * columns // LANES)
    groups = -(-window[-1] * channels // GROUP)
    products = max(TILE_ROWS * vectors, TILE_ROWS + vectors) / 2
    tile = math.prod(window[:-1]) * (12 + groups * products) + 2.5 * TILE_ROWS * vectors
    return tile / (TILE_ROWS * joined)
