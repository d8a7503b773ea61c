"""Weights in files: what was written comes back, and what does not fit is listed at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save

from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import encode, read_weights

WEIGHTS = {
    "stage/0/conv.weight": np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2),
    "stage/0/conv.bias": np.array([-0.0, np.float32(1e-42)], np.float32),
}
SHAPES = {name: array.shape for name, array in WEIGHTS.items()}


def test_the_same_content_is_the_same_bytes(tmp_path: Path) -> None:
    facts = {f"key{number}": f"\u00e9 {number}" for number in range(8)}
    files = {
        encode(WEIGHTS, dict(order)) for order in (list(facts.items()), list(facts.items())[::-1]) for _ in range(8)
    }
    assert len(files) == 1
    (data,) = files
    assert int.from_bytes(data[:8], "little") % 8 == 0
    (tmp_path / "w.safetensors").write_bytes(data)
    with safe_open(tmp_path / "w.safetensors", "np") as opened:
        assert opened.metadata() == facts


def test_bits_come_back(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(encode(WEIGHTS, {"format": "netspec"}))
    for found in (read_weights(path, SHAPES), load_file(path)):
        assert set(found) == set(WEIGHTS)
        for name, array in WEIGHTS.items():
            assert found[name].tobytes() == array.tobytes()
            assert found[name].shape == array.shape


def test_arrays_of_any_layout_are_written_in_the_logical_one(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    turned = np.asfortranarray(WEIGHTS["stage/0/conv.weight"].astype(np.float64))
    path.write_bytes(encode({"w": turned}))
    assert np.array_equal(read_weights(path, {"w": turned.shape})["w"], turned)


def test_everything_that_does_not_fit_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    whole = np.zeros(3, np.int32)
    path.write_bytes(save({"a.weight": np.zeros((2, 3), np.float32), "old.bias": np.zeros(1, np.float32), "n": whole}))
    with pytest.raises(RunError) as caught:
        read_weights(path, {"a.weight": (3, 2), "a.bias": (2,), "n": (3,)})
    assert str(caught.value).splitlines() == [
        f"the weights in '{path}' do not fit the network:",
        "  a.bias [2] is missing",
        "  a.weight is [2, 3], but the network wants [3, 2]",
        "  n holds int32 numbers, but the network wants float32",
        "  old.bias [1] is unknown to the network",
    ]


@pytest.mark.parametrize("data", [b"", b"12345678", encode(WEIGHTS)[:-1], encode(WEIGHTS)[:50], b"\xff" * 100])
def test_a_damaged_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)
    with pytest.raises(RunError, match=r"NS904.*w\.safetensors' is damaged"):
        read_weights(path, SHAPES)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"none' cannot be read: No such file"):
        read_weights(tmp_path / "none", SHAPES)
