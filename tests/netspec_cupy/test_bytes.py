"""Quantised networks from the command line to the kernels of bytes, with the processor in the GPU's place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from netspec.cli import evaluate, predict, quantize, train
from netspec_cupy import backend, gpu_device
from netspec_cupy.host_device import HostDevice

SPEC = """\
netspec: 1
input: [6, 6, 1]
layers:
  - conv: {filters: 4, kernel: 3, padding: same, bias: false}
  - batch_norm
  - relu
  - max_pool: 2
  - flatten
  - dense: 2
  - softmax
train: {data: {npz: set.npz}, preprocess: [{divide: 255}], optimizer: adam, lr: 0.03, epochs: 4, batch: 16}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec with images of which one half is bright, and a cupy that takes the processor for a GPU."""
    monkeypatch.setattr(backend, "probe", lambda: None)
    monkeypatch.setattr(gpu_device, "gpu_device", HostDevice)
    monkeypatch.setattr(gpu_device, "gpu_capability", lambda: HostDevice().capability)
    generator = np.random.default_rng(0)
    x = generator.integers(0, 90, (64, 6, 6, 1)).astype(np.uint8)
    y = generator.integers(0, 2, 64).astype(np.int32)
    for image, label in zip(x, y, strict=True):
        image[:, 3 * label : 3 * label + 3] += 100
    np.savez(tmp_path / "set.npz", x=x, y=y, x_test=x[:20], y_test=y[:20])
    np.save(tmp_path / "some.npy", x[:5])
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path


def call(command: Any, *arguments: object) -> Any:
    result = CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) if "json" in arguments else None


def test_a_quantised_network_is_used(folder: Path) -> None:
    run, made = folder / "run", folder / "int8"
    call(train.command, folder / "spec.yaml", "--backend", "cupy", "--run-dir", run, "--quiet", "--no-report")
    wanted = call(quantize.command, run, "-o", made, "--format", "json")
    assert wanted["layers"] == ["conv", "dense"]
    scored = call(evaluate.command, made, "--backend", "cupy", "--format", "json")
    assert scored["metrics"]["accuracy"] == wanted["after"]["metrics"]["accuracy"] > 0.9
    assert scored["loss"] == pytest.approx(wanted["after"]["loss"], abs=2**-22)  # of numbers near 1
    both = [
        call(predict.command, made, folder / "some.npy", "--backend", name, "--format", "json")["predictions"]
        for name in ("numba", "cupy")
    ]
    labels = [[each["label"] for each in found] for found in both]
    assert labels[0] == labels[1]
    assert set(labels[1]) == {"0", "1"}
