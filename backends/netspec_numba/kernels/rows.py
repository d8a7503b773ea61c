"""The channels of one position as a row: how kernels that reduce over channels find their numbers in either layout."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from netspec.core.types import TensorType
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import lane_numbers, spread
from netspec_numba.kernels.loops import check_layout, device

NUMBERS_PER_PART = 4096
"""Channels times positions in one part: some ten microseconds of work."""


class Rows(NamedTuple):
    """The channels of one position: ``blocks`` runs of ``lanes`` channels (the last one shorter), a plane apart."""

    channels: int
    lanes: int
    blocks: int
    positions: int
    rows_per_part: int


def rows_of(tensor: TensorType) -> Rows:
    """The rows of a tensor that is plain or blocked by LANES."""
    check_layout(tensor)
    per_part = max(1, NUMBERS_PER_PART // max(1, tensor.channels))
    return Rows(tensor.channels, tensor.lanes, tensor.blocks, tensor.positions, per_part)


def row_parts(rows: Rows, n: int) -> int:
    """Parts in which the rows of ``n`` samples are passed over."""
    return -(-n * rows.positions // rows.rows_per_part)


@device
def row_start(rows: Rows, row: int) -> int:
    """Where a position begins; its next block of channels lies ``positions * lanes`` further on."""
    sample, position = row // rows.positions, row % rows.positions
    return (sample * rows.blocks * rows.positions + position) * rows.lanes


@device
def lanes_in_use(rows: Rows, channel: int, lane: int) -> Any:
    """Mask of the lanes that hold channels, of a vector that begins at a lane of the block at ``channel``."""
    width = min(rows.lanes, rows.channels - channel) - lane
    return lane_numbers() < spread(np.int32(min(width, LANES)))
