"""Memory that several processes see.

It has no name: what is mapped is an anonymous file, handed on by its descriptor. So it is gone with the last process
that maps it, however that ends, and nothing is left behind in a folder.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from netspec.data.dataset import Array

_LINE = 64
"""Bytes of a cache line, at which each array begins."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an array lies in a block."""

    offset: int
    shape: tuple[int, ...]
    dtype: str


class Block:
    """So many bytes of memory, zeroed; with ``descriptor`` those that another process has made."""

    def __init__(self, size: int, descriptor: int | None = None) -> None:
        self.size = size
        self.descriptor = _anonymous_file(size) if descriptor is None else descriptor
        self._map = mmap.mmap(self.descriptor, size)

    def array(self, place: Place) -> Array:
        """The array at a place, a view."""
        count = prod(place.shape)
        return np.frombuffer(self._map, place.dtype, count, place.offset).reshape(place.shape)

    def __reduce__(self) -> tuple[type[Block], tuple[int, int]]:
        """What is sent to a process that was given the descriptor."""
        return Block, (self.size, self.descriptor)

    def close(self) -> None:
        """Give the descriptor back. The memory stays as long as an array in it does."""
        os.close(self.descriptor)


def _anonymous_file(size: int) -> int:
    """A file of zeros without a name; of memory alone where the system has such."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("netspec")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor


def laid_out(arrays: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]], begin: int = 0) -> dict[str, Place]:
    """Places for arrays of these shapes and types, one behind the other from ``begin`` on."""
    found = {}
    for name, (shape, dtype) in arrays.items():
        found[name] = Place(begin, shape, dtype.str)
        begin += -(-prod(shape) * dtype.itemsize // _LINE) * _LINE
    return found


def end_of(places: Mapping[str, Place]) -> int:
    """The first byte behind all of these places; at least 1, since a block has to have a byte."""
    ends = (place.offset + prod(place.shape) * np.dtype(place.dtype).itemsize for place in places.values())
    return -(-max(ends, default=1) // _LINE) * _LINE or _LINE
