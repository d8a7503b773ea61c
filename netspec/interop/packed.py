"""Weights in fewer bits, as they are stored: whole numbers with a scale per channel, or indices into a codebook.

A tensor ``NAME`` of either form is several in the file:

- ``NAME`` as int8 and ``NAME:scale``, float32 (channels,): the weight is their product, channel by channel.
- ``NAME:indices``, bytes, ``NAME:codebook``, float32 (2**bits,), and ``NAME:shape``: the weight is what the indices
  choose, in the logical order. Index i takes the bits ``i·bits`` to ``(i + 1)·bits``, the lowest of a byte first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netspec.core.types import LARGEST_WEIGHT

Array = np.ndarray[Any, np.dtype[Any]]

SCALE, INDICES, CODEBOOK, SHAPE = ":scale", ":indices", ":codebook", ":shape"


def pack_bytes(name: str, weight: Array) -> dict[str, Array]:
    """A weight (..., channels) as int8, the largest of each channel as 127."""
    largest = np.abs(weight.astype(np.float64)).reshape(-1, weight.shape[-1]).max(axis=0, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0) / LARGEST_WEIGHT
    return {name: np.rint(weight / scale).astype(np.int8), name + SCALE: scale.astype(np.float32)}


def pack_indices(name: str, shape: tuple[int, ...], indices: Array, codebook: Array) -> dict[str, Array]:
    """A weight by its indices, whole numbers below the length of the codebook, a power of two."""
    bits = int(codebook.size - 1).bit_length()
    places = (indices.reshape(-1, 1).astype(np.int64) >> np.arange(bits)) & 1
    packed = np.packbits(places.astype(np.uint8).reshape(-1), bitorder="little")
    lengths = np.array(shape, np.int64)
    return {name + INDICES: packed, name + CODEBOOK: codebook.astype(np.float32), name + SHAPE: lengths}


def unpacked(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays with every packed tensor as float32; a ValueError where a part of one is missing or does not fit."""
    found: dict[str, Array] = {}
    for key, array in arrays.items():
        name, mark, part = key.rpartition(":")
        if not mark or f":{part}" not in (SCALE, INDICES, CODEBOOK, SHAPE):
            found[key] = array * _part(arrays, key, SCALE) if key + SCALE in arrays else array
        elif mark + part == INDICES:
            found[name] = _chosen(array, _part(arrays, name, CODEBOOK), _part(arrays, name, SHAPE))
    return found


def _part(arrays: Mapping[str, Array], name: str, ending: str) -> Array:
    if name + ending not in arrays:
        raise ValueError(f"{name}{ending} is missing")
    return arrays[name + ending]


def _chosen(packed: Array, codebook: Array, shape: Array) -> Array:
    bits, count = int(codebook.size - 1).bit_length(), int(np.prod(shape, dtype=np.int64))
    if packed.dtype != np.uint8 or packed.size != -(-count * bits // 8):
        raise ValueError(f"{packed.size} bytes do not hold {count} indices of {bits} bits")
    places = np.unpackbits(packed, bitorder="little")[: count * bits].reshape(count, bits)
    indices = (places.astype(np.int64) << np.arange(bits)).sum(axis=1)
    if count and indices.max() >= codebook.size:
        raise ValueError(f"an index is {indices.max()}, but the codebook has {codebook.size} numbers")
    return np.asarray(codebook[indices].reshape(tuple(map(int, shape))), np.float32)
