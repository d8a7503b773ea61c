"""Weights and plain inputs rearranged into the order in which the micro-kernels read them.

A *panel* is the strip of output columns that one tile computes: one or two vectors. With groups, the columns
of a panel may belong to several of them; the panel then spans the input channels of all its groups, and a
weight between a column and a channel of another group is zero.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from netspec_numba.host import LANES
from netspec_numba.kernels.microkernels import PANEL_VECTORS
from netspec_numba.kernels.moves import copy_floats, transpose_square, zero_floats

Floats = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]

FIRST_COLUMN, VECTORS, FIRST_CHANNEL, END_CHANNEL, OFFSET, ROW = range(6)
"""Columns of a panel table: what a panel spans, where its weights begin, and the distance of their rows."""


@dataclass(frozen=True, slots=True)
class WeightOrder:
    """How the logical weight [taps, channels/groups, columns] is indexed by one direction of a convolution.

    The forward direction multiplies input channels with columns that are output channels; the data gradient
    swaps the two. Channels lie in blocks of ``lanes``. The weight of (tap, channel ``c`` and column ``k`` of
    group ``g``, both counted within it) lies at
    ``tap*tap_stride + g*group_stride + c*channel_stride + k*column_stride``.
    """

    taps: int
    lanes: int
    groups: int
    group_channels: int
    group_columns: int
    tap_stride: int
    group_stride: int
    channel_stride: int
    column_stride: int

    @property
    def numbers(self) -> tuple[int, ...]:
        """All fields, in their order, for compiled code."""
        return astuple(self)

    @property
    def columns(self) -> int:
        """Columns of all groups."""
        return self.groups * self.group_columns


def forward_order(taps: int, channels: int, lanes: int, columns: int, groups: int) -> WeightOrder:
    """Order of a forward convolution from ``channels`` input to ``columns`` output channels."""
    ours, theirs = channels // groups, columns // groups
    return WeightOrder(taps, lanes, groups, ours, theirs, ours * columns, theirs, columns, 1)


def transposed_order(taps: int, channels: int, columns: int, lanes: int, groups: int) -> WeightOrder:
    """Order of the data gradient of the same convolution: channels are its outputs, columns its inputs."""
    ours, theirs = channels // groups, columns // groups
    return WeightOrder(taps, lanes, groups, theirs, ours, ours * columns, theirs, 1, columns)


def packed_panels(order: WeightOrder) -> Int64s:
    """Panel table [panels, 6] of packed weights: [panel][channel block][tap][channel][column]."""
    rows = []
    offset = 0
    for first, vectors in column_panels(order.columns, widest_panel(order.groups, order.group_columns)):
        last = min(first + vectors * LANES, order.columns) - 1
        first_channel = first // order.group_columns * order.group_channels
        end_channel = (last // order.group_columns + 1) * order.group_channels
        row = vectors * LANES
        rows.append((first, vectors, first_channel, end_channel, offset, row))
        offset += order.taps * (end_channel - first_channel) * row
    return np.array(rows, np.int64)


def packed_size(order: WeightOrder) -> int:
    """Floats that the packed weights take."""
    panels = packed_panels(order)
    return int(((panels[:, END_CHANNEL] - panels[:, FIRST_CHANNEL]) * panels[:, ROW]).sum()) * order.taps


def unpacked_panels(order: WeightOrder) -> Int64s:
    """Panel table of weights read where they are; for one group, one tap, and columns that are contiguous.

    The last vector of a row then holds the beginning of the next row, which must not be stored.
    """
    rows = [
        (first, vectors, 0, order.group_channels, first, order.channel_stride)
        for first, vectors in column_panels(order.columns)
    ]
    return np.array(rows, np.int64)


def column_panels(columns: int, widest: int = PANEL_VECTORS) -> list[tuple[int, int]]:
    """(first column, vectors) of each panel of at most ``widest`` vectors; the last one is narrower if it can be."""
    vectors = -(-columns // LANES)
    return [(first * LANES, min(widest, vectors - first)) for first in range(0, vectors, widest)]


def widest_panel(groups: int, group_columns: int) -> int:
    """Vectors of a panel: one where groups are as narrow as that, since a wider panel only multiplies more zeros."""
    return 1 if groups > 1 and group_columns <= LANES else PANEL_VECTORS


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def pack_weights(
    weight,
    packed,
    panels,
    taps,
    lanes,
    groups,
    group_channels,
    group_columns,
    tap_stride,
    group_stride,
    channel_stride,
    column_stride,
):
    """weight, logical order -> packed [panel][channel block][tap][channel][column].

    Zero is what lies between groups and past the last column.
    """
    for number in prange(len(panels) * taps):
        task = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        panel, tap = panels[task // taps], task % taps
        row, first_column = panel[ROW], panel[FIRST_COLUMN]
        end_column = min(first_column + row, groups * group_columns)
        first_channel = panel[FIRST_CHANNEL]
        while first_channel < panel[END_CHANNEL]:
            end_channel = min((first_channel // lanes + 1) * lanes, panel[END_CHANNEL])
            start = (first_channel - panel[FIRST_CHANNEL]) * taps + tap * (end_channel - first_channel)
            start = panel[OFFSET] + start * row
            if groups > 1 or end_column < first_column + row:
                zero_floats(packed.ctypes.data + 4 * start, (end_channel - first_channel) * row)
            for group in range(first_channel // group_channels, (end_channel - 1) // group_channels + 1):
                low, high = max(first_channel, group * group_channels), min(end_channel, (group + 1) * group_channels)
                left, right = max(first_column, group * group_columns), min(end_column, (group + 1) * group_columns)
                target = start + (low - first_channel) * row + left - first_column
                source = tap * tap_stride + group * group_stride
                source += (low - group * group_channels) * channel_stride
                source += (left - group * group_columns) * column_stride
                if column_stride == 1:
                    for channel in range(high - low):
                        to = packed.ctypes.data + 4 * (target + channel * row)
                        copy_floats(to, weight.ctypes.data + 4 * (source + channel * channel_stride), right - left)
                else:
                    transpose_floats(packed, target, row, weight, source, column_stride, high - low, right - left)
            first_channel = end_channel


@njit(cache=True)
def transpose_floats(packed, target, target_row, weight, source, source_row, rows, columns):
    """packed[target + i*target_row + j] = weight[source + j*source_row + i], for ``rows`` of i, ``columns`` of j."""
    for first_row in range(0, rows, LANES):
        for first_column in range(0, columns, LANES):
            to = target + first_row * target_row + first_column
            origin = source + first_column * source_row + first_row
            if first_row + LANES <= rows and first_column + LANES <= columns:
                transpose_square(packed.ctypes.data + 4 * to, target_row, weight.ctypes.data + 4 * origin, source_row)
            else:
                for row in range(min(LANES, rows - first_row)):
                    for column in range(min(LANES, columns - first_column)):
                        packed[to + row * target_row + column] = weight[origin + column * source_row + row]


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def pad_rows(x, padded, rows, row, padded_row, before):
    """x [rows, row] -> padded [rows, padded_row], each row moved right by ``before`` with zeros on both sides."""
    copied = min(row, padded_row - before)
    for number in prange(rows):
        start = padded.ctypes.data + 4 * np.int64(number) * padded_row
        zero_floats(start, before)
        copy_floats(start + 4 * before, x.ctypes.data + 4 * np.int64(number) * row, copied)
        zero_floats(start + 4 * (before + copied), padded_row - before - copied)
