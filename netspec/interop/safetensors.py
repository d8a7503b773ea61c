"""Weights as safetensors: named arrays behind a JSON header, nothing that could be executed."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from netspec.diagnostics.errors import RunError
from netspec.interop.packed import unpacked

Array = np.ndarray[Any, np.dtype[Any]]


def encode(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> bytes:
    """The content of a safetensors file with these arrays as float32, in their logical layout."""
    whole = {name: np.asarray(array, np.float32, order="C") for name, array in arrays.items()}
    return _file_of(whole, metadata)


def encode_packed(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> bytes:
    """The content of a safetensors file with these arrays in their own element types."""
    return _file_of({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata)


def _file_of(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None) -> bytes:
    """The same bytes for the same content: safetensors writes its metadata in an order of chance."""
    data = save(dict(arrays), dict(metadata or {}))
    if len(metadata or {}) < 2:
        return data
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the arrays begin at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def decode(data: bytes, name: str) -> dict[str, Array]:
    """The arrays in the content of the file ``name``, those that were packed as float32.

    A RunError where that is not a whole safetensors file.
    """
    try:
        return unpacked(load(data))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:  # the last three: element types NumPy lacks
        raise RunError.of("NS904", path=name, problem=f"not a readable safetensors file ({error})") from error


def read_weights(path: Path, shapes: Mapping[str, tuple[int, ...]], unused: Container[str] = ()) -> dict[str, Array]:
    """The arrays of a file as float32, exactly those of ``shapes``; a RunError lists every name that does not fit.

    Those called ``unused`` may be in it, and are left out.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"the weights in '{path}' cannot be read: {error.strerror or error}") from error
    arrays = {name: array for name, array in decode(data, str(path)).items() if name not in unused}
    found = mismatches(shapes, arrays)
    if found:
        raise RunError(f"the weights in '{path}' do not fit the network:\n" + "\n".join(f"  {line}" for line in found))
    return {name: arrays[name].astype(np.float32, copy=False) for name in shapes}


def mismatches(shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, Array]) -> list[str]:
    """What is wrong, a line each: names that lack, wrong shapes and types, names that nothing asks for."""
    lines = [f"{name} {_shape(shape)} is missing" for name, shape in shapes.items() if name not in arrays]
    for name, array in sorted(arrays.items()):
        if name not in shapes:
            lines.append(f"{name} {_shape(array.shape)} is unknown to the network")
        elif array.shape != shapes[name]:
            lines.append(f"{name} is {_shape(array.shape)}, but the network wants {_shape(shapes[name])}")
        elif array.dtype.kind != "f":
            lines.append(f"{name} holds {array.dtype} numbers, but the network wants float32")
    return lines


def _shape(shape: tuple[int, ...]) -> str:
    return str(list(shape))
