"""``netspec import WEIGHTS --into SPEC``: what is written and reported, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file, save_file

from netspec.cli.import_ import command
from netspec.cli.main import cli

SPEC = """\
netspec: 1
name: mine
input: [4, 4, 2]
layers:
  - conv: {filters: 3, kernel: 3}
  - batch_norm
  - flatten
  - dense: 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spec, and weights for it with names of another program."""
    (tmp_path / "mine.yaml").write_text(SPEC, encoding="utf-8")
    generator = np.random.default_rng(0)
    shapes = {
        "first.weight": (3, 2, 3, 3),
        "first.bias": (3,),
        "norm.weight": (3,),
        "norm.bias": (3,),
        "norm.running_mean": (3,),
        "norm.running_var": (3,),
        "last.weight": (2, 12),
        "last.bias": (2,),
    }
    state = {name: generator.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    save_file(state | {"norm.num_batches_tracked": np.array(7)}, tmp_path / "theirs.safetensors")
    return tmp_path


def imported(folder: Path, *options: str, output: str = "ours.safetensors") -> Result:
    arguments = [str(folder / "theirs.safetensors"), "--into", str(folder / "mine.yaml"), "-o", str(folder / output)]
    return CliRunner().invoke(command, [*arguments, *options])


def test_the_report_tells_of_every_tensor(folder: Path) -> None:
    result = imported(folder)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    words = (
        "first.weight",
        "3x2x3x3",
        "conv.weight",
        "3x3x2x3",
        "transposed:",
        "axes",
        "[2,",
        "3,",
        "1,",
        "0]",
        "shape",
    )
    assert tuple(lines[1].split()) == words
    assert "ignored: norm.num_batches_tracked, a counter that netspec does not keep" in lines
    assert lines[-1] == f"8 of 8 weights in {folder / 'ours.safetensors'}"
    theirs, ours = load_file(folder / "theirs.safetensors"), load_file(folder / "ours.safetensors")
    np.testing.assert_array_equal(ours["conv.weight"], theirs["first.weight"].transpose(2, 3, 1, 0))
    rows = theirs["last.weight"].reshape(2, 3, 2, 2).transpose(2, 3, 1, 0).reshape(12, 2)
    np.testing.assert_array_equal(ours["dense.weight"], rows)


def test_what_is_written_is_read_like_any_other(folder: Path) -> None:
    assert imported(folder).exit_code == 0
    np.savez(folder / "x.npz", input=np.ones((2, 4, 4, 2), np.float32))
    arguments = ["predict", str(folder / "mine.yaml"), str(folder / "x.npz"), "--threads", "1"]
    result = CliRunner().invoke(cli, [*arguments, "--weights", str(folder / "ours.safetensors")])
    assert result.exit_code == 0, result.output


def test_as_json(folder: Path) -> None:
    document = json.loads(imported(folder, "--format", "json").stdout)
    assert (document["version"], document["spec"], len(document["taken"])) == (1, "mine", 8)
    assert document["ignored"] == {"norm.num_batches_tracked": "a counter that netspec does not keep"}
    assert document["missing"] == document["unused"] == []


def test_a_part_may_be_taken(folder: Path) -> None:
    state = load_file(folder / "theirs.safetensors")
    state["last.weight"], state["last.bias"] = np.zeros((7, 12), np.float32), np.zeros(7, np.float32)
    save_file(state, folder / "theirs.safetensors")
    assert imported(folder).exception is not None
    assert not (folder / "ours.safetensors").exists()
    result = imported(folder, "--no-strict")
    assert result.exit_code == 0, result.output
    assert "not in the file: dense.weight" in result.output
    assert "not used: last.weight" in result.output
    assert set(load_file(folder / "ours.safetensors")) == {
        *("conv.weight", "conv.bias", "batch_norm.scale", "batch_norm.shift"),
        *("batch_norm.moving_mean", "batch_norm.moving_variance"),
    }


def test_usage(folder: Path) -> None:
    assert "weights are written as a file such as ours.safetensors" in imported(folder, output="ours.pt").output
    result = CliRunner().invoke(command, ["a.bin", "--into", str(folder / "mine.yaml"), "-o", "b.safetensors"])
    assert ".prototxt, *.safetensors, *.pt" in result.output
    result = CliRunner().invoke(command, ["a.pt", "-o", "b.safetensors"])
    assert "--into SPEC" in result.output
