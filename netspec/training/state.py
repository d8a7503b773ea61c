"""What a network has learnt: how it starts, how it is read, and its fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from netspec.backend import State
from netspec.core.declare import REGISTRIES
from netspec.core.graph import Slot
from netspec.data.keyed import keyed_generator

Array = np.ndarray[Any, np.dtype[Any]]


def initialize(state: State, slots: Iterable[Slot], seed: int) -> None:
    """Draw every piece of state from its initialiser, by ``seed`` and its name alone, whatever the order."""
    for slot in slots:
        state.write(slot.name, _drawn(slot, seed))


def starts_alike(slots: Iterable[Slot]) -> bool:
    """Whether the state is the same whatever it is drawn by: no chance is in any initialiser."""
    return all(np.array_equal(_drawn(slot, 0), _drawn(slot, 1)) for slot in slots)


def _drawn(slot: Slot, seed: int) -> Array:
    initializer = slot.param.initializer
    if isinstance(initializer, str):
        initializer = REGISTRIES["initializer"][initializer].make()
    found: Array = initializer.draw(keyed_generator(seed, "initialize", slot.name), slot.param).astype(np.float32)
    return found


def read_state(state: State, slots: Iterable[Slot]) -> dict[str, Array]:
    """Copies of these pieces of state, by name."""
    return {slot.name: state.read(slot.name) for slot in slots}


def weights_sha256(weights: Mapping[str, Array]) -> str:
    """Hash over names and numbers (little-endian float32) of all weights and statistics, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + b"\0")
        digest.update(np.ascontiguousarray(weights[name], "<f4").tobytes())
    return digest.hexdigest()


def first_not_finite(arrays: Mapping[str, Array]) -> str | None:
    """Name of the first array that holds an infinity or a NaN."""
    return next((name for name, array in arrays.items() if not np.isfinite(array).all()), None)
