"""Weights in fewer bits come back as the numbers that they stand for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.diagnostics.errors import RunError
from netspec.interop.packed import pack_bytes, pack_indices, unpacked
from netspec.interop.safetensors import encode_packed, read_weights


@pytest.mark.parametrize("bits", range(2, 9))
def test_indices_of_any_width(bits: int) -> None:
    generator = np.random.default_rng(bits)
    indices = generator.integers(0, 2**bits, 37).astype(np.uint8)
    codebook = generator.standard_normal(2**bits).astype(np.float32)
    parts = pack_indices("w", (37, 1), indices, codebook)
    assert parts["w:indices"].nbytes == -(-37 * bits // 8)
    assert np.array_equal(unpacked(parts)["w"], codebook[indices].reshape(37, 1))


def test_bytes_are_packed_the_same_again() -> None:
    weight = np.random.default_rng(0).standard_normal((3, 3, 5, 7)).astype(np.float32)
    weight[..., 2] = 0
    first = pack_bytes("w", weight)
    assert first["w"].dtype == np.int8
    assert np.abs(first["w"]).max() == 127
    again = unpacked(first)["w"]
    assert np.abs(again - weight).max() <= np.abs(weight).max() / 254 * 1.0001
    assert np.array_equal(pack_bytes("w", again)["w"], first["w"])


def test_a_file_holds_both_forms_and_plain_arrays(tmp_path: Path) -> None:
    weight = np.array([[1.0, -2.0], [0.5, 4.0]], np.float32)
    codebook, indices = np.array([0.0, 1.0, 2.0, 3.0], np.float32), np.array([3, 0, 1], np.uint8)
    arrays = {**pack_bytes("a", weight), **pack_indices("b", (3,), indices, codebook), "c": np.ones(2, np.float32)}
    file = tmp_path / "w.safetensors"
    file.write_bytes(encode_packed(arrays))
    found = read_weights(file, {"a": (2, 2), "b": (3,), "c": (2,)})
    assert found["b"].tolist() == [3.0, 0.0, 1.0]
    assert np.abs(found["a"] - weight).max() < 0.02


@pytest.mark.parametrize(
    ("part", "replacement", "said"),
    [
        ("w:codebook", None, "w:codebook is missing"),
        ("w:shape", np.array([99]), "do not hold 99 indices"),
        ("w:codebook", np.zeros(3, np.float32), "an index is 3"),
    ],
)
def test_a_damaged_file_is_told(part: str, replacement: np.ndarray | None, said: str, tmp_path: Path) -> None:
    parts = pack_indices("w", (5,), np.array([0, 1, 2, 3, 3]), np.arange(4, dtype=np.float32))
    parts = {name: array for name, array in parts.items() if name != part or replacement is not None}
    parts |= {} if replacement is None else {part: replacement}
    file = tmp_path / "w.safetensors"
    file.write_bytes(encode_packed(parts))
    with pytest.raises(RunError, match=said) as told:
        read_weights(file, {"w": (5,)})
    assert "NS904" in str(told.value)
