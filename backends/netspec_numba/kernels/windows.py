"""Index tables of sliding windows and of bins: which input positions each output position sees, along any axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netspec.core.window import BinGeometry, WindowGeometry
from netspec_numba.contract import Array


def window_table(geometry: WindowGeometry | BinGeometry) -> Array:
    """Input position seen by each (output position, tap), row-major both; int64. It is -1 in the padding, and in the
    box around a bin.
    """
    table = np.zeros((1, 1), np.int64)
    for axis, length in enumerate(geometry.input):
        here = _along(geometry, axis) if isinstance(geometry, WindowGeometry) else _along_bins(geometry, axis)
        here[(here < 0) | (here >= length)] = -1
        combined = table[:, None, :, None] * length + here[None, :, None, :]
        combined[(table < 0)[:, None, :, None] | (here < 0)[None, :, None, :]] = -1
        table = combined.reshape(table.shape[0] * here.shape[0], table.shape[1] * here.shape[1])
    return table


def _along(geometry: WindowGeometry, axis: int) -> Array:
    """Position along an axis for each (output position, tap) of it."""
    first = np.arange(geometry.output[axis]) * geometry.stride[axis] - geometry.before[axis]
    return np.asarray(first[:, None] + np.arange(geometry.size[axis]) * geometry.dilation[axis])


def _along_bins(geometry: BinGeometry, axis: int) -> Array:
    """The same for bins; -1 beyond the end of a bin that is smaller than others."""
    first, end = np.array(geometry.bins(axis)).T[..., None]
    here = first + np.arange(geometry.size[axis])
    return np.where(here < end, here, -1)


def cells_within(geometry: WindowGeometry, after: Sequence[int]) -> Array:
    """Cells of each output position's window that lie in the input or in its padding of ``before`` and ``after``."""
    cells = np.ones(1, np.int64)
    for axis, length in enumerate(geometry.input):
        here = _along(geometry, axis)
        inside = ((here >= -geometry.before[axis]) & (here < length + after[axis])).sum(axis=1)
        cells = (cells[:, None] * inside).reshape(-1)
    return cells


def are_squares(geometry: WindowGeometry) -> bool:
    """Whether all windows are of two neighbours in two rows, lie in the input, and follow each other along the rows."""
    two_rows = math.prod(geometry.size[:-1]) == geometry.size[-1] == geometry.stride[-1] == 2
    return two_rows and lies_inside(geometry)


def lies_inside(geometry: WindowGeometry) -> bool:
    """Whether no window sees padding."""
    axes = zip(geometry.input, geometry.output, geometry.size, geometry.stride, geometry.dilation, strict=True)
    reaches = ((places - 1) * step + (size - 1) * dilation < length for length, places, size, step, dilation in axes)
    return not any(geometry.before) and all(reaches)


@dataclass(frozen=True, slots=True)
class Gather:
    """A sparse matrix over positions: row r has the entries from start[r] up to start[r + 1].

    Each entry is a position of the source, the number of the tap that joins the two, and a weight. The entries of
    an output position come in the order of its taps, those of an input position in that of the outputs.
    """

    start: Array
    source: Array
    tap: Array
    weight: Array

    @property
    def rows(self) -> int:
        """Positions of the result."""
        return self.start.size - 1


def forward_gather(geometry: WindowGeometry | BinGeometry, divisor: Array | None = None) -> Gather:
    """Each output position from the inputs its window sees, divided by the output position's divisor, if any."""
    table = window_table(geometry)
    output, tap = np.nonzero(table >= 0)
    return _gather(output, table[output, tap], tap, _weights(output, divisor), table.shape[0])


def backward_gather(geometry: WindowGeometry | BinGeometry, divisor: Array | None = None) -> Gather:
    """Each input position from the output positions whose windows see it: the transpose of the forward matrix."""
    table = window_table(geometry)
    output, tap = np.nonzero(table >= 0)
    return _gather(table[output, tap], output, tap, _weights(output, divisor), math.prod(geometry.input))


def _weights(output: Array, divisor: Array | None) -> Array:
    return np.ones(output.size) if divisor is None else 1.0 / divisor[output]


def _gather(row: Array, source: Array, tap: Array, weight: Array, rows: int) -> Gather:
    order = np.argsort(row, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=rows))])
    return Gather(
        start.astype(np.int32),
        source[order].astype(np.int32),
        tap[order].astype(np.int32),
        weight[order].astype(np.float32),
    )
