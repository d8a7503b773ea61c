"""Weights, statistics and moments in a device's memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from netspec.core.graph import Slot
from netspec_cupy.contract import Array, Device, Memory


@dataclass(frozen=True, slots=True)
class _Held:
    memory: Memory
    shape: tuple[int, ...]


class CupyState:
    """State by name, each piece in the logical layout, which is the plain one."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._pieces: dict[str, _Held] = {}
        self.version = 0
        """Grows whenever a piece of state may have changed."""

    def hold(self, slot: Slot) -> int:
        """The address of ``slot``, whose memory is made on first use."""
        if slot.name not in self._pieces:
            memory = self._device.allocate(slot.value.type.bytes(1))
            self._pieces[slot.name] = _Held(memory, slot.value.type.shape)
        return self._pieces[slot.name].memory.address

    def names(self) -> Iterator[str]:
        """All names, in the order of the network."""
        return iter(self._pieces)

    def read(self, name: str) -> Array:
        """A copy of a piece of state, in its shape."""
        held = self._pieces[name]
        found = np.empty(held.shape, np.float32)
        self._device.fetch(held.memory.address, found)
        return found

    def write(self, name: str, value: Array) -> None:
        """Replace a piece of state; a shape that differs is a ValueError, an unknown name a KeyError."""
        held = self._pieces[name]
        if value.shape != held.shape:
            raise ValueError(f"{name} is {held.shape}, not {value.shape}")
        self._device.send([(held.memory.address, np.ascontiguousarray(value, np.float32))])
        self.version += 1
