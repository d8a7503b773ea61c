"""Tables of a depthwise convolution: where each position of the result reads, axis by axis.

Along an axis the taps through which a position reads something are evenly spaced, and so are the cells that it reads
through them. So each axis is described by the first tap, their number and the first cell of every position, and two
steps. Along the last axis neighbours are joined to tiles, with the taps that any of them needs; where one reads past
the end, the kernel gives it zeros. The same description serves the forward direction and the data gradient, with any
stride and dilation: the positions of a tile of a strided gradient are a stride apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from netspec.core.window import WindowGeometry
from netspec_numba.kernels.index_tables import Positions, positions_read, positions_reading
from netspec_numba.kernels.packing import Int64s

TAP, CELL, OUTER_TAPS, INNER_TAPS, KIND = range(5)
"""Columns of a row table: first tap and first cell of a row of the result, how many taps there are along the outer
and the inner axis, and the number of that combination."""

PLACE, PLACES, FIRST_TAP, TAPS, FIRST_CELL, INSIDE = range(6)
"""Columns of a tile table: first position of the result, how many, first tap, how many, the cell that the first
position reads through the first tap, and whether every position reads a cell that is there through every tap."""

TILE_PLACES = 8
"""Most positions of a tile: as many sums in flight hide the latency of adding."""


@dataclass(frozen=True, slots=True)
class Heights:
    """How neighbours are cut into tiles: as high as ``most``, or all of much the same height."""

    most: int
    even: bool

    def cut(self, places: Positions) -> list[Positions]:
        """The places of each tile."""
        if self.even:
            return np.array_split(places, -(-len(places) // self.most))
        return np.split(places, range(self.most, len(places), self.most))


EVEN = Heights(TILE_PLACES, even=True)

GROUPED_TAPS = 4
"""Most taps of which a gradient tile keeps the sums."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What every position of the result reads: rows of it (all axes but the last), and tiles of a row.

    ``tap_steps`` and ``cell_steps`` lead from one tap to the next that reads something, in taps and in cells of the
    source, for the outer, the inner and the last axis. Neighbours in a tile stand ``place_step`` apart in the
    result, and read ``neighbour_step`` apart in the source.
    """

    rows: Int64s
    tiles: Int64s
    tap_steps: tuple[int, int, int]
    cell_steps: tuple[int, int, int]
    place_step: int
    neighbour_step: int
    row_length: int
    """Positions of the result in one row."""
    source_length: int
    """Cells of the source in one row."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The taps of every kind of row and every tile, relative to the first.

    ``steps`` [total, 3] are distances in the source and in the weights, as given, and in cells along the last axis;
    those of a kind and tile begin at ``spans[kind, tile, 0]`` and are ``spans[kind, tile, 1]`` many.
    """

    spans: Int64s
    steps: Int64s


def tap_steps(reading: Reading, cell_distance: int, tap_distance: int) -> Steps:
    """Steps for cells that lie ``cell_distance`` apart in memory, and taps ``tap_distance``."""
    kinds = {int(row[KIND]): (int(row[OUTER_TAPS]), int(row[INNER_TAPS])) for row in reading.rows}
    known: dict[tuple[int, ...], int] = {}
    steps: list[Int64s] = [np.zeros((1, 3), np.int64)]
    spans = np.zeros((len(kinds), len(reading.tiles), 2), np.int64)
    for kind, counts in kinds.items():
        for number, tile in enumerate(reading.tiles):
            combination = (*counts, int(tile[TAPS]))
            if combination not in known:
                known[combination] = sum(map(len, steps))
                taps = np.indices(combination).reshape(3, -1)
                cells, weights = np.array(reading.cell_steps) @ taps, np.array(reading.tap_steps) @ taps
                along = reading.cell_steps[2] * taps[2]
                steps.append(np.stack([cells * cell_distance, weights * tap_distance, along], axis=1))
            spans[kind, number] = known[combination], math.prod(combination)
    return Steps(spans, np.concatenate(steps))


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis: per position of the result the first tap, the number of taps and the first cell, and the steps."""

    first: Int64s
    count: Int64s
    cell: Int64s
    tap_step: int
    cell_step: int


def forward_reading(geometry: WindowGeometry, heights: Heights = EVEN) -> Reading:
    """Every output position from the input cells under its window, in tiles of these heights."""
    three = _three_axes(geometry)
    axes = [_axis(positions_read(one), 1, one.dilation[0]) for one in _each_axis(three)]
    return _join(axes, three.input, three.size, (1, three.stride[-1]), heights)


def backward_reading(geometry: WindowGeometry, heights: Heights = EVEN) -> Reading:
    """Every input cell from the output positions whose windows see it, in tiles of these heights."""
    three = _three_axes(geometry)
    axes = []
    for one in _each_axis(three):
        common = math.gcd(one.stride[0], one.dilation[0])
        axes.append(_axis(positions_reading(one), one.stride[0] // common, -one.dilation[0] // common))
    return _join(axes, three.output, three.size, (three.stride[-1], 1), heights)


def aligned(reading: Reading) -> Reading:
    """The same with the places of each tile turned round, if they would read against the direction of the taps."""
    if reading.neighbour_step * reading.cell_steps[2] > 0:
        return reading
    tiles = reading.tiles.copy()
    tiles[:, PLACE] += reading.place_step * (tiles[:, PLACES] - 1)
    tiles[:, FIRST_CELL] += reading.neighbour_step * (tiles[:, PLACES] - 1)
    return replace(reading, tiles=tiles, place_step=-reading.place_step, neighbour_step=-reading.neighbour_step)


def gradient_segments(geometry: WindowGeometry) -> Int64s:
    """Tile table along the last axis in which each tap meets each of its output positions once, and no zeros.

    Taps are taken together, up to ``GROUPED_TAPS``, over the outputs where all of them read something; tiles are as
    long as that.
    """
    *_, last = _each_axis(_three_axes(geometry))
    read = positions_read(last)
    groups = -(-len(read) // GROUPED_TAPS)
    found: list[tuple[int, ...]] = []

    def add(tap: int, together: int, begin: int, end: int) -> None:
        if begin < end:
            found.append((begin, end - begin, tap, together, int(read[tap, begin]), 1))

    for group in range(groups):
        members = range(group * len(read) // groups, (group + 1) * len(read) // groups)
        spans = [_span(read[tap]) for tap in members]
        begin = max(first for first, _ in spans)
        end = max(begin, min(behind for _, behind in spans))
        add(members[0], len(members), begin, end)
        for tap, (first, behind) in zip(members, spans, strict=True):
            add(tap, 1, first, min(begin, behind))
            add(tap, 1, max(end, first), behind)
    return np.array(found, np.int64).reshape(-1, 6)


def _span(read: Positions) -> tuple[int, int]:
    """First and end output position through which a tap reads something."""
    (places,) = np.nonzero(read >= 0)
    return (int(places[0]), int(places[-1]) + 1) if places.size else (0, 0)


def _three_axes(geometry: WindowGeometry) -> WindowGeometry:
    """The same window over three axes, the first of length one where there are fewer."""
    more = 3 - len(geometry.size)
    ones, zeros = (1,) * more, (0,) * more
    return WindowGeometry(
        input=(*ones, *geometry.input),
        output=(*ones, *geometry.output),
        size=(*ones, *geometry.size),
        stride=(*ones, *geometry.stride),
        dilation=(*ones, *geometry.dilation),
        before=(*zeros, *geometry.before),
    )


def _each_axis(geometry: WindowGeometry) -> Iterator[WindowGeometry]:
    """Each axis as a geometry of its own."""
    for axis in range(len(geometry.size)):
        sides = (geometry.input, geometry.output, geometry.size, geometry.stride, geometry.dilation, geometry.before)
        yield WindowGeometry(*((side[axis],) for side in sides))


def _axis(table: Positions, tap_step: int, cell_step: int) -> _Axis:
    """From the table [taps, positions] of the cell that is read, or -1."""
    reads = table >= 0
    first = reads.argmax(axis=0)
    cell = np.maximum(table[first, np.arange(table.shape[1])], 0)
    return _Axis(first, reads.sum(axis=0), cell, tap_step, cell_step)


def _join(
    axes: list[_Axis], source: tuple[int, ...], size: tuple[int, ...], apart: tuple[int, int], heights: Heights
) -> Reading:
    """The axes together: ``source`` are the sides of what is read, ``size`` those of the window.

    Neighbours in a tile stand ``apart`` so far in the result and in the source.
    """
    place_step, neighbour_step = apart
    outer, inner, last = axes
    _, taps_inner, taps_last = size
    _, cells_inner, cells_last = source
    tap = (outer.first[:, None] * taps_inner + inner.first[None, :]) * taps_last
    cell = (outer.cell[:, None] * cells_inner + inner.cell[None, :]) * cells_last
    counts = np.broadcast_arrays(outer.count[:, None], inner.count[None, :])
    _, kind = np.unique(np.stack([each.ravel() for each in counts], axis=1), axis=0, return_inverse=True)
    rows = np.stack([*(each.ravel() for each in (tap, cell, *counts)), kind.ravel()], axis=1)
    return Reading(
        rows=np.ascontiguousarray(rows, np.int64),
        tiles=_tiles(last, place_step, neighbour_step, heights),
        tap_steps=(outer.tap_step * taps_inner * taps_last, inner.tap_step * taps_last, last.tap_step),
        cell_steps=(outer.cell_step * cells_inner * cells_last, inner.cell_step * cells_last, last.cell_step),
        place_step=place_step,
        neighbour_step=neighbour_step,
        row_length=len(last.first),
        source_length=cells_last,
    )


def _tiles(axis: _Axis, place_step: int, neighbour_step: int, heights: Heights) -> Int64s:
    """Positions ``place_step`` apart in tiles."""
    found = []
    for start in range(min(place_step, len(axis.first))):
        places = np.arange(start, len(axis.first), place_step)
        for tile in heights.cut(places):
            found.append((tile[0], len(tile), *_taps(axis, tile, neighbour_step)))
    return np.array(found, np.int64)


def _taps(axis: _Axis, places: Positions, neighbour_step: int) -> tuple[int, int, int, bool]:
    """First tap, number of taps, first cell, and whether all that is read is there."""
    (reading,) = np.nonzero(axis.count[places])
    if not reading.size:
        return 0, 0, 0, True
    firsts, counts = axis.first[places[reading]], axis.count[places[reading]]
    first = int(firsts.min())
    taps = int(((firsts - first) // axis.tap_step + counts).max())
    back = neighbour_step * int(reading[0]) + axis.cell_step * int(firsts[0] - first) // axis.tap_step
    inside = len(reading) == len(places) and len({*firsts}) == len({*counts}) == 1
    return first, taps, int(axis.cell[places[reading[0]]]) - back, inside
