"""Where a number that is not finite comes from: the layer, its place in the spec, and what it was computed from."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import netspec
from netspec.cli.train import command
from netspec.training.runs import read_manifest

SPEC = """\
netspec: 1
input: [6, 6, 1]
layers:
  - conv: {filters: 3, kernel: 3}
  - batch_norm
  - relu
  - max_pool: 2
  - flatten
  - dense: 4
    name: last
train: {loss: cross_entropy, optimizer: sgd, lr: 0.1}
"""
X = np.random.default_rng(0).normal(size=(4, 6, 6, 1)).astype(np.float32)
Y = np.arange(4)


def model() -> netspec.Model:
    return netspec.load(SPEC).compile(batch=4, threads=1)


def test_the_first_layer_is_named_with_its_place_and_what_it_read() -> None:
    made = model()
    made.weights["last.weight"] = np.full((12, 4), 3e38, np.float32)
    before = {name: made.weights[name] for name in made.weights}
    with pytest.raises(netspec.RunError) as caught:
        made.step(X, Y)
    place = r"first in the output of 'last' \(.*:9:5\): \d+ of 16 numbers, "
    assert re.search(place + r"computed from .*'last\.weight' from 3e\+38 to 3e\+38", str(caught.value))
    for name, array in before.items():
        np.testing.assert_array_equal(made.weights[name], array)


def test_a_run_names_its_last_good_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    sets = ["--set", "train.lr=1e30", "--epochs", "2", "--threads", "1", "--no-report"]
    result = CliRunner().invoke(command, ["zoo:lenet5", *sets, "--run-dir", str(folder), "--quiet"])
    assert "last good checkpoint: none yet" in str(result.exception)
    assert "last good checkpoint: none yet" in str(read_manifest(folder)["error"])
