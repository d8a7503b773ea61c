"""Ops that move numbers along axes, and their gradients: one sparse matrix per axis, which the op states.

The matrices of the spatial axes become one table over positions when the plan is loaded, as for a window; that of the
channels another. Three launches serve all: where channels stay, whole rows are gathered; where only channels move, and
none is added up, runs of them are copied; else number by number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numba import prange

from netspec.core.axis_map import AxisMap
from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Operand, Request, kernel
from netspec_numba.kernels.copying import pick_channels
from netspec_numba.kernels.loops import check_layout, load, parallel, splits, store
from netspec_numba.kernels.pooling import gather_positions
from netspec_numba.kernels.windows import Gather

Maps = Sequence[AxisMap | None]


@kernel("part")
@kernel("select")
@kernel("channel_shuffle")
@kernel("upsample")
@kernel("crop")
@kernel("moved.dx")
def move(request: Request) -> Launch:
    """x -> y, each number of y from where the op's maps say; 0 where nothing comes in."""
    return _move(request, 0.0)


@kernel("pad")
def pad(request: Request) -> Launch:
    """x -> y with the value in the cells that come from nowhere."""
    return _move(request, float(request.attrs.value))


def _move(request: Request, value: float) -> Launch:
    (x,), (y,) = request.inputs, request.outputs
    check_layout(x.type, y.type)
    *spatial, channels = request.attrs.axis_maps(x.type)
    cells = position_table(spatial, x.type)
    gaps = any(not row for made in (*spatial, channels) if made is not None for row in made.rows)
    if channels is None:
        moved, zeroed = _gather_rows(x, y, cells, request.batch), True
    elif not any(spatial) and all(len(row) <= 1 for row in channels.rows):
        places = [row[0][0] if row else -1 for row in channels.rows]
        moved, zeroed = pick_channels(x, places, y, request.batch), False
    else:
        moved, zeroed = _gather_numbers(x, y, cells, table([channels]), request.batch), True
    if not gaps or (zeroed and value == 0):
        return moved
    filled = _fill_gaps(y, cells, channels, value, request.batch)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield moved, (n,)
        yield filled, (n,)

    return launch


def position_table(spatial: Maps, x: TensorType) -> Gather:
    """The positions of ``x`` that make each output position; an axis that stays is its own map."""
    own = (AxisMap(n, tuple(((place, 1.0),) for place in range(n))) for n in x.spatial)
    return table([made or stays for made, stays in zip(spatial, own, strict=True)])


def table(maps: Sequence[AxisMap]) -> Gather:
    """The product of the matrices of some axes, row-major over them."""
    row, source, weight = np.zeros(1, np.int64), np.zeros(1, np.int64), np.ones(1)
    rows = 1
    for made in maps:
        entries = [(output, place, share) for output, each in enumerate(made.rows) for place, share in each]
        here, there, shares = (np.array([entry[at] for entry in entries]) for at in range(3))
        row = (row[:, None] * made.output + here.astype(np.int64)).reshape(-1)
        source = (source[:, None] * made.input + there.astype(np.int64)).reshape(-1)
        weight = (weight[:, None] * shares).reshape(-1)
        rows *= made.output
    order = np.argsort(row, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=rows))])
    return Gather(
        start.astype(np.int32),
        source[order].astype(np.int32),
        np.zeros(order.size, np.int32),
        weight[order].astype(np.float32),
    )


def _gather_rows(x: Operand, y: Operand, cells: Gather, batch: int) -> Launch:
    pieces = splits(batch, y.type.blocks, cells.rows)
    sizes = y.type.lanes, x.type.positions, y.type.positions, pieces

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield gather_positions, (n * y.type.blocks, *sizes, cells.start, cells.source, cells.weight, x.array, y.array)

    return launch


def _gather_numbers(x: Operand, y: Operand, cells: Gather, channels: Gather, batch: int) -> Launch:
    pieces = splits(batch, y.type.blocks, cells.rows)
    sizes = y.type.channels, y.type.lanes, x.type.lanes, y.type.positions, x.type.positions
    stored = y.type.stored, x.type.stored
    tables = cells.start, cells.source, cells.weight, channels.start, channels.source, channels.weight

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield gather_numbers, (n, y.type.blocks, pieces, *sizes, *stored, *tables, x.array, y.array)

    return launch


def _fill_gaps(y: Operand, cells: Gather, channels: AxisMap | None, value: float, batch: int) -> Launch:
    bare_cells = np.diff(cells.start) == 0
    bare_channels = np.zeros(y.type.blocks * y.type.lanes, np.bool_)
    if channels is not None:
        bare_channels[: channels.output] = [not row for row in channels.rows]
    pieces = splits(batch, y.type.blocks, cells.rows)
    sizes = y.type.blocks, pieces, y.type.lanes, y.type.positions

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield fill_gaps, (n, *sizes, bare_cells, bare_channels, np.float32(value), y.array)

    return launch


@parallel
def gather_numbers(
    n: int,
    blocks: int,
    pieces: int,
    channels: int,
    y_lanes: int,
    x_lanes: int,
    y_positions: int,
    x_positions: int,
    y_stored: int,
    x_stored: int,
    cell_start: Array,
    cell_source: Array,
    cell_weight: Array,
    channel_start: Array,
    channel_source: Array,
    channel_weight: Array,
    x: Array,
    y: Array,
) -> None:
    """y[position, channel]: the sum over the entries of both tables; positions and channels apart, in float64."""
    for task in prange(n * blocks * pieces):
        plane, piece = task // pieces, task % pieces
        sample, block = plane // blocks, plane % blocks
        for position in range(piece * y_positions // pieces, (piece + 1) * y_positions // pieces):
            row = sample * y_stored + (block * y_positions + position) * y_lanes
            for lane in range(min(y_lanes, channels - block * y_lanes)):
                channel = block * y_lanes + lane
                total = 0.0
                for entry in range(load(cell_start, position), load(cell_start, position + 1)):
                    cell = load(cell_source, entry)
                    for other in range(load(channel_start, channel), load(channel_start, channel + 1)):
                        source = load(channel_source, other)
                        at = ((source // x_lanes) * x_positions + cell) * x_lanes + source % x_lanes
                        weight = np.float64(load(cell_weight, entry)) * load(channel_weight, other)
                        total += weight * load(x, sample * x_stored + at)
                store(y, row + lane, total)


@parallel
def fill_gaps(
    n: int,
    blocks: int,
    pieces: int,
    lanes: int,
    positions: int,
    bare_cells: Array,
    bare_channels: Array,
    value: float,
    y: Array,
) -> None:
    """The value at every position and in every channel that are bare."""
    for task in prange(n * blocks * pieces):
        plane, piece = task // pieces, task % pieces
        first = plane % blocks * lanes
        for position in range(piece * positions // pieces, (piece + 1) * positions // pieces):
            row = (plane * positions + position) * lanes
            for lane in range(lanes):
                if bare_cells[position] or bare_channels[first + lane]:
                    store(y, row + lane, value)
