"""Memory that vectors are read from, and the state of a network in it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from netspec.core.graph import Slot
from netspec_numba.contract import Array

LINE = 64
SLACK = 64


def aligned(bytes: int) -> Array:
    """Zeroed bytes that begin at a cache line and have readable slack behind them."""
    raw = np.zeros(bytes + SLACK + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + bytes]


class NumbaState:
    """State by name, each piece a flat aligned array in the plain layout, which is the logical one."""

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self.version = 0
        """Grows whenever a piece of state may have changed."""

    def hold(self, slot: Slot) -> Array:
        """The storage of ``slot``, made on first use."""
        if slot.name not in self._arrays:
            self._arrays[slot.name] = aligned(slot.value.type.bytes(1)).view("float32")
            self._shapes[slot.name] = slot.value.type.shape
        return self._arrays[slot.name]

    def names(self) -> Iterator[str]:
        """All names, in the order of the network."""
        return iter(self._arrays)

    def read(self, name: str) -> Array:
        """A copy of a piece of state, in its shape."""
        return self._arrays[name].reshape(self._shapes[name]).copy()

    def write(self, name: str, value: Array) -> None:
        """Replace a piece of state; a shape that differs is a ValueError, an unknown name a KeyError."""
        if value.shape != self._shapes[name]:
            raise ValueError(f"{name} is {self._shapes[name]}, not {value.shape}")
        self._arrays[name][:] = value.reshape(-1)
        self.version += 1
