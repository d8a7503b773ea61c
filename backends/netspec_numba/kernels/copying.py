"""Copies between layouts and between parts of tensors: a change of layout, flattening and joining are all this.

A copy is a list of segments. A segment moves, at every row of every sample, ``width`` neighbouring numbers; where
it begins in the source and in the target, and what lies between its rows, is arithmetic on the two types.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Operand
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import load_lanes, store_first
from netspec_numba.kernels.loops import check_layout, parallel, splits

LONGEST = 16384
"""Numbers in one segment at most, so that long runs are shared among threads."""


def copy_channels(
    source: Operand, from_channel: int, target: Operand, to_channel: int, count: int, batch: int
) -> Launch:
    """Copy ``count`` channels at every position, whatever the two layouts and however the channels are aligned."""
    check_layout(source.type, target.type)
    segments = list(runs(source.type, from_channel, target.type, to_channel, count))
    return copy_rows(source, target, target.type.positions, segments, batch)


def pick_channels(source: Operand, places: Sequence[int], target: Operand, batch: int) -> Launch:
    """Copy channel ``places[k]`` to channel k at every position; where that is -1, channel k is left as it is."""
    check_layout(source.type, target.type)
    segments: list[tuple[int, int, int]] = []
    first = 0
    for end in range(1, len(places) + 1):
        if end == len(places) or places[end] != places[end - 1] + 1 or places[end - 1] < 0:
            if places[first] >= 0:
                segments += runs(source.type, places[first], target.type, first, end - first)
            first = end
    return copy_rows(source, target, target.type.positions, segments, batch)


def copy_along_axis(
    source: Operand, from_place: int, target: Operand, to_place: int, count: int, axis: int, batch: int
) -> Launch:
    """Copy ``count`` places along a spatial axis, in whole; both types have the same layout and other axes."""
    check_layout(source.type, target.type)
    segments = []
    planes, inner = source.type.blocks, math.prod(source.type.spatial[axis + 1 :]) * source.type.lanes
    outer = math.prod(source.type.spatial[:axis])
    for run in range(planes * outer):
        begin = (run * source.type.shape[axis] + from_place) * inner
        to = (run * target.type.shape[axis] + to_place) * inner
        for done in range(0, count * inner, LONGEST):
            segments.append((begin + done, to + done, min(LONGEST, count * inner - done)))
    return copy_rows(source, target, 1, segments, batch)


def runs(
    source: TensorType, from_channel: int, target: TensorType, to_channel: int, count: int
) -> Iterator[tuple[int, int, int]]:
    """The segments of ``count`` neighbouring channels, cut where a block of either tensor ends."""
    done = 0
    while done < count:
        begin, room = _channel_place(source, from_channel + done)
        to, space = _channel_place(target, to_channel + done)
        width = min(count - done, room, space, LONGEST)
        yield begin, to, width
        done += width


def _channel_place(tensor: TensorType, channel: int) -> tuple[int, int]:
    """Where a channel begins in a sample, and how many channels follow in the same row, itself included."""
    block, lane = divmod(channel, tensor.lanes)
    return block * tensor.positions * tensor.lanes + lane, tensor.lanes - lane


def copy_rows(
    source: Operand, target: Operand, rows: int, segments: Sequence[tuple[int, int, int]] | Array, batch: int
) -> Launch:
    """Copy segments (first number in a sample of the source, in one of the target, width) in each of so many rows."""
    table = np.array(segments, np.int64).reshape(-1)
    pieces = splits(batch, len(segments), rows)
    sizes = (
        len(segments),
        rows,
        pieces,
        source.type.sample_stride,
        target.type.sample_stride,
        source.type.lanes,
        target.type.lanes,
    )

    x, y = (_bytes_for_bools(each.array) for each in (source, target))

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield copy_segments, (n, *sizes, table, x, y)

    return launch


def _bytes_for_bools(array: Array) -> Array:
    return array.view(np.uint8) if array.dtype == np.bool_ else array


@parallel
def copy_segments(
    n: int,
    count: int,
    rows: int,
    pieces: int,
    x_sample: int,
    y_sample: int,
    x_row: int,
    y_row: int,
    segments: Array,
    x: Array,
    y: Array,
) -> None:
    """segments (count, 3): first number in a sample of x, in one of y, width; then rows x_row and y_row apart."""
    for task in prange(n * count * pieces):
        piece, plane = task % pieces, task // pieces
        sample, entry = plane // count, plane % count * 3
        begin = sample * x_sample + segments[entry]
        to = sample * y_sample + segments[entry + 1]
        width = segments[entry + 2]
        for row in range(piece * rows // pieces, (piece + 1) * rows // pieces):
            here, there = begin + row * x_row, to + row * y_row
            for first in range(0, width, LANES):
                store_first(y, there + first, load_lanes(x, here + first), width - first)
