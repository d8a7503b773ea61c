"""Samples that are decoded from files when they are needed, since all of them together are too large to be held.

A set that fits into the cache is decoded before training, into plain arrays. Of a larger one so many samples are held
as fit, and always the same ones: in an epoch every sample is needed once, so that none is worth more than another, and
nothing has to be thrown out. The samples held lie in memory that worker processes see.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any, Protocol, TypeVar, cast

import numpy as np

from netspec.data.contents import Content
from netspec.data.dataset import Array
from netspec.data.shared import Block, Place, end_of, laid_out

_DECODERS = 8
"""Samples that are decoded at a time: Pillow decodes outside of Python's lock."""
_QUEUED = 1024
"""Samples that wait for a thread at most."""
_THERE = 1 << 32
"""The bit of a checksum's word that says that there is one."""

Key = TypeVar("Key")


class Decoder(Protocol):
    """Knows the files of a field and what is in them; what it says is wrong is a RunError that names the file.

    It travels to other processes.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...)."""

    @property
    def dtype(self) -> str:
        """The element type."""

    def files(self, row: int) -> Sequence[Content]:
        """What a sample is decoded from."""

    def check(self, row: int) -> None:
        """Refuse a sample that can be told to be at fault without decoding it."""

    def decode(self, row: int) -> Array:
        """One sample."""


class OnDemand:
    """A field that stands for an array (N, ...): has its shape and type, and gives single samples as it would.

    Indexed by an array of places it is another such field of these samples.
    """

    def __init__(self, decoder: Decoder, held: Held, rows: Array) -> None:
        self._decoder, self._held, self._rows = decoder, held, rows
        self.shape = (len(rows), *decoder.shape[1:])
        self.dtype = np.dtype(decoder.dtype)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        """The sample at a place, or the field of the samples at some places."""
        if not isinstance(place, int | np.integer):
            return OnDemand(self._decoder, self._held, self._rows[place])
        row = int(self._rows[place])
        found = self._held.find(row)
        if found is None:
            found = self._decoder.decode(row)
            self._held.keep(row, found)
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """All samples, decoded: whoever wants them as an array has to have the memory."""
        found = np.empty(self.shape, self.dtype)
        self.gather(np.arange(len(self)), found)
        return found if dtype is None else found.astype(dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it may come to take: its share of what is held."""
        return self._held.block.size * len(self) // max(self._decoder.shape[0], 1)

    @property
    def block(self) -> Block:
        """The memory that a process which is sent this field has to be given."""
        return self._held.block

    def called(self, place: int) -> str:
        """The files of a sample."""
        return ", ".join(map(str, self._decoder.files(int(self._rows[place]))))

    def gather(self, places: Array, out: Array) -> None:
        """Put the samples at these places into ``out``, several at a time."""

        def fill(target: int) -> None:
            out[target] = self[int(places[target])]

        _at_a_time(fill, len(places))


class Held:
    """The first rows of a field, as far as they have been decoded, in memory that several processes see.

    A row that is written and read at the same time is told by its checksum, and two who write one write the same.
    """

    def __init__(self, shape: tuple[int, ...], dtype: str, rows: int) -> None:
        arrays = {"rows": ((rows, *shape), np.dtype(dtype)), "sums": ((rows,), np.dtype(np.uint64))}
        self._places: Mapping[str, Place] = laid_out(arrays)
        self.block = Block(end_of(self._places))
        self._map()

    def __getstate__(self) -> tuple[Mapping[str, Place], Block]:
        return self._places, self.block

    def __setstate__(self, state: tuple[Mapping[str, Place], Block]) -> None:
        self._places, self.block = state
        self._map()

    def _map(self) -> None:
        self._rows, self._sums = (self.block.array(self._places[name]) for name in ("rows", "sums"))

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, row: int) -> Array | None:
        """A copy of a row, if it is held."""
        if row >= len(self._rows) or not self._sums[row]:
            return None
        found: Array = self._rows[row].copy()
        return found if int(self._sums[row]) == _checksum(found) else None

    def keep(self, row: int, sample: Array) -> None:
        """Hold a row, if it is one of those that are."""
        if row < len(self._rows):
            self._rows[row] = sample
            self._sums[row] = _checksum(self._rows[row])


def fields(decoders: Mapping[Key, Decoder], cache: int) -> dict[Key, Array]:
    """The fields of these decoders: arrays, if all of them take at most ``cache`` bytes, else decoded on demand.

    What is wrong with a file is found now, as a RunError: all of it where all is decoded, else what its header tells.
    """
    sizes = {key: prod(each.shape) * np.dtype(each.dtype).itemsize for key, each in decoders.items()}
    total = sum(sizes.values())
    found: dict[Key, Array] = {}
    for key, decoder in decoders.items():
        if total <= cache:
            found[key] = _whole(decoder)
            continue
        _at_a_time(decoder.check, decoder.shape[0])
        share = cache * sizes[key] // total
        held = Held(decoder.shape[1:], decoder.dtype, share * decoder.shape[0] // max(sizes[key], 1))
        # It stands for an array wherever single samples are taken of one.
        found[key] = cast(Array, OnDemand(decoder, held, np.arange(decoder.shape[0])))
    return found


def _whole(decoder: Decoder) -> Array:
    found = np.empty(decoder.shape, decoder.dtype)

    def fill(row: int) -> None:
        found[row] = decoder.decode(row)

    _at_a_time(fill, len(found))
    return found


def on_demand(field: object) -> OnDemand | None:
    """The field, if it is one that is decoded on demand."""
    return field if isinstance(field, OnDemand) else None


def gathered(field: Array, places: Array, out: Array) -> None:
    """Put the samples at these places of a field into ``out``."""
    later = on_demand(field)
    if later is not None:
        later.gather(places, out)
    else:
        # In the mode "raise", take() would fill a buffer of its own first. The indices are ours and in range.
        np.take(field, places, axis=0, out=out, mode="clip")


def _at_a_time(work: Callable[[int], None], count: int) -> None:
    """Call ``work`` for each number below ``count``, several at once; the first fault in their order is raised."""
    with warnings.catch_warnings(), ThreadPoolExecutor(_DECODERS) as pool:
        warnings.simplefilter("ignore")  # of odd notes beside the image; what keeps it from being decoded is raised
        for start in range(0, count, _QUEUED):
            for _ in pool.map(work, range(start, min(start + _QUEUED, count))):
                pass


def _checksum(sample: Array) -> int:
    return zlib.crc32(np.ascontiguousarray(sample).data) | _THERE
