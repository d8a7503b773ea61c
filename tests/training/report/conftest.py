"""Runs to report on: small networks of every kind of head, trained for a moment on data made here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from netspec.cli import train
from netspec.training.report.collect import report_of_folder
from netspec.training.report.content import Picture, Report

HOSTILE = "</script><script>alert(1)</script>\u202e\"'&<img src=x onerror=alert(2)>"
"""What a person may call a thing who means no good."""

DIGITS = """\
netspec: 1
name: digits
input: [8, 8, 1]
layers:
  - conv: {filters: 6, kernel: 3}
  - batch_norm
  - relu
  - max_pool: 2
  - conv: {filters: 8, kernel: 3}
  - flatten
  - dense: 10
train: {data: digits, validation: 0.1, preprocess: [{divide: 16}], epochs: 3, batch: 100, seed: 1, lr: 0.05}
"""

KINDS = """\
netspec: 1
name: kinds
inputs: {left: [8, 8, 3], right: [8, 8, 1]}
layers:
  - conv: {filters: 4, kernel: 3, padding: same}
    from: left
    name: a
  - conv: {filters: 4, kernel: 3, padding: same}
    from: right
    name: b
  - add:
    from: [a, b]
  - relu: {}
    name: trunk
heads:
  kind: {from: trunk, layers: [flatten, {dense: 3}]}
  mask: {from: trunk, layers: [{conv: {filters: 3, kernel: 1}}], weight: 0.5, metrics: [iou]}
  repaired: {from: trunk, layers: [{conv: {filters: 3, kernel: 1}}], loss: mean_squared_error, metrics: [psnr]}
  angle: {from: trunk, layers: [global_avg_pool, {dense: 2}], loss: huber}
  same: {from: trunk, layers: [flatten, {dense: 1}, sigmoid], loss: binary_cross_entropy}
  aux: {from: a, target: kind, layers: [flatten, {dense: 3}], only: train}
train:
  data: {npz: {path: kinds.npz}}
  validation: val
  preprocess: [{divide: 255}]
  optimizer: adam
  lr: 0.01
  epochs: 2
  batch: 8
  seed: 1
"""


def write_kinds(folder: Path) -> Path:
    """The spec with a head of every kind, beside its data; the file of the spec."""
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part, count in (("train", 24), ("val", 12)):
        left = random.integers(0, 256, (count, 8, 8, 3), np.uint8)
        arrays |= {
            f"left_{part}": left,
            f"right_{part}": left.mean(axis=-1, keepdims=True).astype(np.uint8),
            f"kind_{part}": (np.arange(count) % 3).astype(np.int32),
            f"mask_{part}": (left[..., 0] // 86).astype(np.int32),
            f"repaired_{part}": left,
            f"angle_{part}": random.normal(size=(count, 2)).astype(np.float32),
            f"same_{part}": (np.arange(count) % 2).astype(np.int32),
        }
    np.savez(folder / "kinds.npz", **arrays)
    file = folder / "kinds.yaml"
    file.write_text(KINDS)
    return file


def trained(file: Path, run: Path, *more: str) -> Path:
    """The run directory of a spec that was trained, by the command as a person calls it."""
    arguments: Sequence[str] = [str(file), "--run-dir", str(run), "--threads", "1", "--quiet", *more]
    result = CliRunner().invoke(train.command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return run


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of ten classes, with a validation and a test part."""
    folder = tmp_path_factory.mktemp("digits")
    (folder / "digits.yaml").write_text(DIGITS)
    return trained(folder / "digits.yaml", folder / "run")


@pytest.fixture(scope="session")
def kinds_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two inputs and a head of every kind, without a test part."""
    folder = tmp_path_factory.mktemp("kinds")
    return trained(write_kinds(folder), folder / "run")


@pytest.fixture(scope="session")
def digits_report(digits_run: Path) -> Report:
    """What the page of that run shows."""
    return report_of_folder(digits_run, None, "numba", 1)


@pytest.fixture(scope="session")
def kinds_report(kinds_run: Path) -> Report:
    """What the page of that run shows."""
    return report_of_folder(kinds_run, None, "numba", 1)


@pytest.fixture(scope="session")
def hostile_report(kinds_report: Report) -> Report:
    """A report in which everything that a person can name is called :data:`HOSTILE`."""
    found: Report = renamed(kinds_report)
    return replace(found, missing={"times": HOSTILE}, events=(HOSTILE,), times=None)


def renamed(value: Any) -> Any:
    """Plain data and dataclasses with every text but addresses and drawings replaced, those of keys too."""
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, Picture):
        return replace(value, text=HOSTILE)
    if isinstance(value, dict):
        return {key: renamed(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(renamed, value))
    if is_dataclass(value) and not isinstance(value, type):
        kept = {"kind", "drawing", "what", "color", "weight", "best_epoch"}
        return replace(value, **{f.name: renamed(getattr(value, f.name)) for f in fields(value) if f.name not in kept})
    return value
