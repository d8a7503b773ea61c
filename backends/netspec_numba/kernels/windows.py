"""Index tables of sliding windows: which input positions each output position sees, in any number of axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netspec.core.window import WindowGeometry
from netspec_numba.contract import Array

TAPS_AT_ONCE = 3
"""Taps a maximum takes in each pass over the lanes, one more in the first: that suits windows of 2x2, 3x3 and 5x5."""


def window_table(geometry: WindowGeometry) -> Array:
    """Input position seen by each (output position, tap), row-major both, and -1 in the padding; int64."""
    table = np.zeros((1, 1), np.int64)
    for axis, length in enumerate(geometry.input):
        here = (
            np.arange(geometry.output[axis])[:, None] * geometry.stride[axis]
            - geometry.before[axis]
            + np.arange(geometry.size[axis]) * geometry.dilation[axis]
        )
        here[(here < 0) | (here >= length)] = -1
        combined = table[:, None, :, None] * length + here[None, :, None, :]
        combined[(table < 0)[:, None, :, None] | (here < 0)[None, :, None, :]] = -1
        table = combined.reshape(table.shape[0] * here.shape[0], table.shape[1] * here.shape[1])
    return table


def cells_within(geometry: WindowGeometry, after: Sequence[int]) -> Array:
    """Cells of each output position's window that lie in the input or in its padding of ``before`` and ``after``."""
    cells = np.ones(1, np.int64)
    for axis, length in enumerate(geometry.input):
        here = (
            np.arange(geometry.output[axis])[:, None] * geometry.stride[axis]
            - geometry.before[axis]
            + np.arange(geometry.size[axis]) * geometry.dilation[axis]
        )
        inside = ((here >= -geometry.before[axis]) & (here < length + after[axis])).sum(axis=1)
        cells = (cells[:, None] * inside).reshape(-1)
    return cells


def maximum_table(geometry: WindowGeometry) -> tuple[int, Array, Array]:
    """(width, source, tap) for the maximum: per output position ``width`` candidates, in the order of the taps.

    Those in the padding are left out and the last one repeated in their stead: it ties with itself and never
    wins again. A window wholly in the padding has source -1. Both tables are int32 and flat.
    """
    table = window_table(geometry)
    seen = table >= 0
    groups = max(1, -(-(int(seen.sum(axis=1).max(initial=1)) - 1) // TAPS_AT_ONCE))
    width = 1 + TAPS_AT_ONCE * groups
    order = np.argsort(~seen, axis=1, kind="stable")
    column = np.minimum(np.arange(width), np.maximum(seen.sum(axis=1, keepdims=True) - 1, 0))
    tap = np.take_along_axis(order, column, axis=1)
    source = np.take_along_axis(table, tap, axis=1)
    return width, source.astype(np.int32).reshape(-1), tap.astype(np.int32).reshape(-1)


@dataclass(frozen=True, slots=True)
class Gather:
    """A sparse matrix over positions: row r sums ``weight * input[source]`` over entries start[r] to start[r + 1]."""

    start: Array
    source: Array
    tap: Array
    weight: Array

    @property
    def rows(self) -> int:
        """Positions of the result."""
        return self.start.size - 1


def forward_gather(geometry: WindowGeometry, divisor: Array) -> Gather:
    """Each output position from the inputs its window sees, divided by its divisor."""
    table = window_table(geometry)
    output, tap = np.nonzero(table >= 0)
    return _gather(output, table[output, tap], tap, 1.0 / divisor[output], table.shape[0])


def backward_gather(geometry: WindowGeometry, divisor: Array) -> Gather:
    """Each input position from the output positions whose windows see it: the transpose of the forward matrix."""
    table = window_table(geometry)
    output, tap = np.nonzero(table >= 0)
    return _gather(table[output, tap], output, tap, 1.0 / divisor[output], math.prod(geometry.input))


def _gather(row: Array, source: Array, tap: Array, weight: Array, rows: int) -> Gather:
    order = np.argsort(row, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=rows))])
    return Gather(
        start.astype(np.int32),
        source[order].astype(np.int32),
        tap[order].astype(np.int32),
        weight[order].astype(np.float32),
    )
