"""Index tables: which input position every output position meets through every tap of a window.

This is the idea of the indirect convolution algorithm (Dukhan 2019, https://arxiv.org/abs/1907.02129): stride,
dilation, padding and the number of axes are resolved into tables of offsets when a kernel is built, so that
the same inner loop serves all of them, the data gradient included. Offsets count floats within one channel
block; -1 stands for padding. A table covers a few samples at once where one sample alone would leave the last
tile of positions mostly empty; a dense layer is the extreme case of one position per sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from netspec.core.window import WindowGeometry
from netspec_numba.kernels.views import View

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Positions = npt.NDArray[np.int64]

LARGEST_OFFSET = 2**31 - 1

Table = TypeVar("Table")

LARGEST_TABLE = 2**20
"""Taps times positions of a result from which on a table is made for planes of it, and not for all."""

SMALLEST_PLANE = 256
"""Positions of a plane that is worth a table: of smaller ones too many tiles would be the last, which is not full."""

PLANE_SOURCE, PLANE_RESULT, PLANE_BEGIN, PLANE_END = range(4)
"""Columns of a table of planes: where one begins in what is read and in the result, its first and its end entry."""


@dataclass(frozen=True, slots=True)
class TileTable:
    """Positions cut into tiles of ``rows`` rows, with what each row reads and where it is stored.

    ``sources`` [entries, rows] and ``taps`` [entries] belong together; the entries of tile ``i`` are
    ``starts[i]`` to ``starts[i + 1]``. A tap through which a whole tile sees only padding has no entry.
    ``destinations`` [tiles, rows] is -1 in rows that fill up a tile. Both hold offsets.
    """

    rows: int
    samples: int
    starts: Int32s
    taps: Int32s
    sources: Int32s
    destinations: Int32s

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self.destinations)


@dataclass(frozen=True, slots=True)
class PairTable:
    """For each chunk of positions and each tap, the pairs of an input position and the output that reads it.

    ``pairs`` [total, 2] holds (input offset, output offset); those of a chunk and tap begin at
    ``starts[chunk, tap]`` and are ordered by sample, ``per_sample[chunk, tap]`` for each, so that the first
    ``n`` samples own a leading part. Several chunks occur only where a table covers one sample.
    """

    samples: int
    starts: Int32s
    per_sample: Int32s
    pairs: Int32s

    @property
    def chunks(self) -> int:
        """Number of chunks of positions."""
        return len(self.starts)


@dataclass(frozen=True, slots=True)
class Planes(Generic[Table]):
    """Tables of the planes of a result, which are its positions along all axes but the first.

    Planes that read the same distances ahead share what ``table`` has of one. Where it is small, or has one axis, all
    of a sample is one plane.
    """

    table: Table
    planes: Int64s


def is_large(geometry: WindowGeometry, result: tuple[int, ...]) -> bool:
    """Whether a table of a result with these sides is made for planes of it."""
    return math.prod(result[1:]) >= SMALLEST_PLANE and geometry.taps * math.prod(result) > LARGEST_TABLE


def _cut(geometry: WindowGeometry) -> tuple[WindowGeometry, WindowGeometry]:
    """The first axis, and all others."""
    sides = (geometry.input, geometry.output, geometry.size, geometry.stride, geometry.dilation, geometry.before)
    return WindowGeometry(*(side[:1] for side in sides)), WindowGeometry(*(side[1:] for side in sides))


def _planes(
    along: Positions,
    across: Positions,
    steps: tuple[int, int],
    make: Callable[[Positions], Table],
    entries: Callable[[Table], int],
) -> tuple[list[Table], Int64s]:
    """A table for each kind of plane, and all planes.

    ``along`` [taps, planes] and ``across`` [taps, places] are tables of the first axis and of the others. ``steps`` are
    the distances between planes of the source in positions, and of the result in floats; what ``make`` is given counts
    from the first plane of the source that is read.
    """
    known: dict[tuple[int, ...], tuple[int, int]] = {}
    tables: list[Table] = []
    planes = []
    behind = 0
    for number, read in enumerate(along.T):
        base = int(min(read[read >= 0], default=0))
        kind = np.where(read >= 0, read - base, -1)
        if tuple(kind) not in known:
            distance, here = kind[:, None, None], across[None]
            joined = np.where((distance < 0) | (here < 0), -1, distance * steps[0] + here)
            tables.append(make(joined.reshape(-1, across.shape[1])))
            known[tuple(kind)] = behind, behind + entries(tables[-1])
            behind += entries(tables[-1])
        planes.append((base * steps[0], number * steps[1], *known[tuple(kind)]))
    return tables, np.array(planes, np.int64)


def positions_read(geometry: WindowGeometry) -> Positions:
    """[taps, output positions]: the input position that an output position reads through a tap, or -1."""
    axes = []
    for size, out, step, dilation, before, limit in zip(
        geometry.size, geometry.output, geometry.stride, geometry.dilation, geometry.before, geometry.input, strict=True
    ):
        read = np.arange(size)[:, None] * dilation + np.arange(out)[None, :] * step - before
        axes.append(np.where((read >= 0) & (read < limit), read, -1))
    return _combine(axes, geometry.input)


def positions_reading(geometry: WindowGeometry) -> Positions:
    """[taps, input positions]: the output position that reads an input position through a tap, or -1."""
    axes = []
    for size, out, step, dilation, before, length in zip(
        geometry.size, geometry.output, geometry.stride, geometry.dilation, geometry.before, geometry.input, strict=True
    ):
        distance = np.arange(length)[None, :] + before - np.arange(size)[:, None] * dilation
        reader, remainder = np.divmod(distance, step)
        axes.append(np.where((remainder == 0) & (reader >= 0) & (reader < out), reader, -1))
    return _combine(axes, geometry.output)


def _combine(axes: list[Positions], lengths: tuple[int, ...]) -> Positions:
    """Join the tables [size, positions] of single axes into one over all taps and positions, row-major."""
    joined = np.zeros((1, 1), np.int64)
    for axis, length in zip(axes, lengths, strict=True):
        left, right = joined[:, None, :, None], axis[None, :, None, :]
        both = np.where((left < 0) | (right < 0), -1, left * length + right)
        joined = both.reshape(joined.shape[0] * axis.shape[0], joined.shape[1] * axis.shape[1])
    return joined


def stride_phases(geometry: WindowGeometry) -> Positions:
    """[input positions]: the distance to the grid of window origins modulo the stride, as one number.

    Away from the borders it decides which taps reach a position.
    """
    phases = np.zeros(1, np.int64)
    for length, step, before in zip(geometry.input, geometry.stride, geometry.before, strict=True):
        axis = (np.arange(length) + before) % step
        phases = (phases[:, None] * step + axis[None, :]).ravel()
    return phases


def forward_tiles(
    geometry: WindowGeometry, x: View, y: View, rows: int, samples: int, every_tap: bool = False
) -> TileTable:
    """Tiles of output positions, reading input positions: the table of a forward convolution.

    With ``every_tap`` all taps have an entry in all tiles: padding may not be zeros, or tiles be found by number.
    """
    phases = np.zeros(math.prod(geometry.output), np.int64)
    return _tile(positions_read(geometry), phases, x, y, rows, samples, every_tap)


def window_tiles(
    geometry: WindowGeometry, seen: Positions, places: Positions, x: View, y: View, rows: int, samples: int
) -> TileTable:
    """Tiles of the output positions that windows see, one window after the other: those of a pooled convolution.

    ``seen`` are positions of the convolution, ``places`` the windows that see them, where they are stored to.
    """
    return _tile(positions_read(geometry)[:, seen], np.zeros(len(seen), np.int64), x, y, rows, samples, places=places)


def data_gradient_tiles(geometry: WindowGeometry, dy: View, dx: View, rows: int, samples: int) -> TileTable:
    """Tiles of input positions, reading the output positions that read them: the table of a data gradient.

    Positions are grouped by their phase in the stride, so that a tile shares its taps and a strided gradient
    multiplies no zeros between the taps.
    """
    return _tile(positions_reading(geometry), stride_phases(geometry), dy, dx, rows, samples)


def forward_planes(geometry: WindowGeometry, x: View, y: View, rows: int, batch: int) -> Planes[TileTable]:
    """The tiles of :func:`forward_tiles`, those of one plane after the other where the map is large."""
    if not is_large(geometry, geometry.output):
        samples = samples_filling_tiles(math.prod(geometry.output), rows, batch)
        return _one_plane(forward_tiles(geometry, x, y, rows, samples))
    first, others = _cut(geometry)
    phases = np.zeros(math.prod(others.output), np.int64)
    size = math.prod(others.input)
    return _tile_planes(positions_read(first), positions_read(others), phases, size, x, y, rows)


def data_gradient_planes(geometry: WindowGeometry, dy: View, dx: View, rows: int, batch: int) -> Planes[TileTable]:
    """The tiles of :func:`data_gradient_tiles`, those of one plane after the other where the map is large."""
    if not is_large(geometry, geometry.input):
        samples = samples_filling_tiles(math.prod(geometry.input), rows, batch)
        return _one_plane(data_gradient_tiles(geometry, dy, dx, rows, samples))
    first, others = _cut(geometry)
    size = math.prod(others.output)
    return _tile_planes(positions_reading(first), positions_reading(others), stride_phases(others), size, dy, dx, rows)


def _one_plane(table: TileTable) -> Planes[TileTable]:
    return Planes(table, np.array([[0, 0, 0, table.tiles]], np.int64))


def _tile_planes(
    along: Positions, across: Positions, phases: Positions, size: int, source: View, result: View, rows: int
) -> Planes[TileTable]:
    """Tiles of planes; those of the source have ``size`` positions."""

    def make(table: Positions) -> TileTable:
        return _tile(table, phases, source, result, rows, 1)

    steps = size, across.shape[1] * result.position
    tables, planes = _planes(along, across, steps, make, lambda table: table.tiles)
    planes[:, PLANE_SOURCE] *= source.position
    starts = np.cumsum([0, *(len(table.taps) for table in tables)])
    joined = TileTable(
        rows=rows,
        samples=1,
        starts=as_offsets(
            np.concatenate([[0], *(a + table.starts[1:] for a, table in zip(starts, tables, strict=False))])
        ),
        taps=np.concatenate([table.taps for table in tables]),
        sources=np.concatenate([table.sources for table in tables]),
        destinations=np.concatenate([table.destinations for table in tables]),
    )
    return Planes(joined, planes)


def _tile(
    table: Positions,
    phases: Positions,
    source: View,
    destination: View,
    rows: int,
    samples: int,
    every_tap: bool = False,
    places: Positions | None = None,
) -> TileTable:
    """Cut the columns of ``table`` [taps, positions], repeated for each sample, into tiles of equal phase.

    A column is stored to the position of its number, or to that which ``places`` has for it.
    """
    positions = table.shape[1]
    places = np.arange(positions) if places is None else places
    slots = []
    for phase in np.unique(phases):
        members = np.flatnonzero(phases == phase)
        members = (np.arange(samples)[:, None] * positions + members[None, :]).ravel()
        slots.append(np.pad(members, (0, -len(members) % rows), constant_values=-1))
    slot = np.concatenate(slots).reshape(-1, rows)
    sample, position = np.divmod(np.maximum(slot, 0), positions)
    read = np.where(slot >= 0, table[:, position], -1).transpose(1, 0, 2)
    useful = (read >= 0).any(axis=2) | every_tap
    tile, tap = np.nonzero(useful)
    kept = read[tile, tap]
    return TileTable(
        rows=rows,
        samples=samples,
        starts=as_offsets(np.concatenate([[0], np.cumsum(useful.sum(axis=1))])),
        taps=as_offsets(tap),
        sources=as_offsets(np.where(kept >= 0, sample[tile] * source.sample + kept * source.position, -1)),
        destinations=as_offsets(
            np.where(slot >= 0, sample * destination.sample + places[position] * destination.position, -1)
        ),
    )


def weight_gradient_pairs(geometry: WindowGeometry, x: View, dy: View, chunk: int, samples: int) -> Planes[PairTable]:
    """Pairs of positions that meet through each tap, in chunks of ``chunk`` output positions (of one sample).

    Padding meets nothing and has no pair. With several samples there is one chunk. Chunks are those of one plane after
    the other where the map is large.
    """
    if samples > 1 or not is_large(geometry, geometry.output):
        table = _pairs(positions_read(geometry), x, dy, chunk, samples)
        return Planes(table, np.array([[0, 0, 0, table.chunks]], np.int64))
    first, others = _cut(geometry)
    across = positions_read(others)
    steps = math.prod(others.input), across.shape[1] * dy.position
    tables, planes = _planes(
        positions_read(first), across, steps, lambda read: _pairs(read, x, dy, chunk, 1), lambda table: table.chunks
    )
    planes[:, PLANE_SOURCE] *= x.position
    starts = np.cumsum([0, *(len(table.pairs) for table in tables)])
    joined = PairTable(
        samples=1,
        starts=as_offsets(np.concatenate([a + table.starts for a, table in zip(starts, tables, strict=False)])),
        per_sample=np.concatenate([table.per_sample for table in tables]),
        pairs=np.concatenate([table.pairs for table in tables]),
    )
    return Planes(joined, planes)


def _pairs(read: Positions, x: View, dy: View, chunk: int, samples: int) -> PairTable:
    """The pairs of a table [taps, output positions]."""
    positions = read.shape[1]
    chunks = 1 if samples > 1 else -(-positions // chunk)
    chunk = positions if samples > 1 else chunk
    padded = np.pad(read, ((0, 0), (0, chunks * chunk - positions)), constant_values=-1)
    by_chunk = padded.reshape(len(read), chunks, chunk).transpose(1, 0, 2)
    number, tap, offset = np.nonzero(by_chunk >= 0)
    pair = np.stack([by_chunk[number, tap, offset] * x.position, (number * chunk + offset) * dy.position], axis=1)
    per_sample = (by_chunk >= 0).sum(axis=2)
    if samples > 1:
        step = np.array([x.sample, dy.sample])
        parts = np.split(pair, np.cumsum(per_sample[0])[:-1])
        repeated = [(np.arange(samples)[:, None, None] * step + part[None]).reshape(-1, 2) for part in parts]
        pair = np.concatenate(repeated)
    ends = np.cumsum(per_sample.ravel() * samples)
    return PairTable(
        samples=samples,
        starts=as_offsets(np.concatenate([[0], ends[:-1]]).reshape(per_sample.shape)),
        per_sample=as_offsets(per_sample),
        pairs=as_offsets(pair),
    )


def samples_filling_tiles(positions: int, rows: int, batch: int) -> int:
    """How many samples a tile table should cover so that few rows of its tiles stay empty.

    The smallest number up to 16 that wastes at most 3 % of the rows, or the one that wastes least.
    """
    waste = [-(samples * positions) % rows / (samples * positions) for samples in range(1, min(batch, 16) + 1)]
    few = [samples for samples, share in enumerate(waste, 1) if share <= 0.03]
    return few[0] if few else waste.index(min(waste)) + 1


def as_offsets(offsets: npt.NDArray[np.int64]) -> Int32s:
    """Offsets as the kernels read them. Raises ValueError where a tensor is too large for 32 bits."""
    if offsets.size and offsets.max() > LARGEST_OFFSET:
        raise ValueError("a channel block of one sample has more than 2**31 numbers, too many for 32-bit offsets")
    return np.ascontiguousarray(offsets, dtype=np.int32)
