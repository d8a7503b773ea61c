"""Files that a command is asked to write: one refusal and one exit status, and never half of a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.training.files import write_output

Netspec = Callable[..., Any]
Write = Callable[..., Path]

WRITING = {
    "draw": ("draw", "spec.yaml", "-o", "no/such/file.svg"),
    "compile": ("compile", "spec.yaml", "--threads=1", "-o", "no/such/file.netspec"),
    "measured algorithms": ("compile", "spec.yaml", "--threads=1", "--tune", "no/such/file.json"),
    "new": ("new", "no/such/file"),
    "zoo copy": ("zoo", "copy", "lenet5", "no/such/file.yaml"),
    "export, through a file": ("export", "spec.yaml", "--to=torch", "--threads=1", "-o", "spec.yaml/file.py"),
    "train, through a file": ("train", "spec.yaml", "--threads=1", "--run-dir", "spec.yaml/run", "--no-report"),
}
TRAINED = """\
netspec: 1
input: [8, 8, 1]
layers: [{conv: {filters: 8, kernel: 3, stride: 2}}, relu, {conv: {filters: 8, kernel: 3}}, flatten, {dense: 10}]
train: {data: digits, preprocess: [divide: 16], epochs: 1, batch: 256, lr: 0.1}
"""


@pytest.mark.parametrize("arguments", WRITING.values(), ids=WRITING)
def test_a_place_that_cannot_be_written_to_is_a_mistake_of_the_call(
    netspec: Netspec, write: Write, arguments: tuple[str, ...]
) -> None:
    write(TRAINED)
    status, out, err = netspec(*arguments)
    assert (status, out) == (2, "")
    assert "cannot be written: " in err
    assert os.listdir() == ["spec.yaml"]


def test_so_are_those_of_commands_that_read_a_run(netspec: Netspec, write: Write) -> None:
    write(TRAINED)
    assert netspec("train", "spec.yaml", "--run-dir=run", "--threads=1", "--no-report", "--quiet").status == 0
    Path("file").touch()
    np.save("array.npy", np.zeros((1, 8, 8, 1), np.float32))
    for command in (
        ("report", "run", "-o", "no/such/page.html"),
        ("report", "run", "-o", "."),
        ("predict", "run", "array.npy", "-o", "no/such/file.npz"),
        ("quantize", "run", "-o", "file/folder"),
        ("quantize", "run", "--kmeans=4", "-o", "no/such/file.safetensors"),
        ("prune", "run", "--weights=0.5", "-o", "no/such/file.yaml"),
        ("prune", "run", "--sensitivity", "--part=test", "-o", "no/such/file.json"),
        ("export", "run", "--to=onnx", "-o", "file/model.onnx"),
    ):
        status, out, err = netspec(*command, "--threads=1")
        assert (status, out) == (2, ""), command
        assert "[NS993] '" in err, command
        assert "cannot be written: " in err


def test_a_full_disk_is_no_mistake_of_the_call(netspec: Netspec, write: Write) -> None:
    """Linux has a device that is always full; it is written to, not replaced by a file."""
    status, out, err = netspec("draw", write(), "--format=svg", "-o", "/dev/full")
    assert (status, out) == (3, "")
    assert err.startswith("error: [NS994] '/dev/full' cannot be written: No space left on device\n")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_picture_takes_the_place_of_the_old_one_as_a_whole_and_behind_a_link(
    netspec: Netspec, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("pictures").mkdir()
    Path("pictures/old.svg").write_text("old")
    Path("net.svg").symlink_to("pictures/old.svg")

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        assert netspec("draw", write(), "-o", "net.svg").status == 3
    assert Path("pictures/old.svg").read_text() == "old"
    assert netspec("draw", write(), "-o", "net.svg").status == 0
    assert Path("net.svg").is_symlink()
    assert Path("pictures/old.svg").read_text().startswith("<svg ")
    assert os.listdir("pictures") == ["old.svg"]


@pytest.mark.parametrize("name", ["lenet5", "resnet34"])
def test_copies_of_the_zoo_leave_the_old_file_where_they_fail(
    netspec: Netspec, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    Path(f"{name}.yaml").write_text("mine")

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        assert netspec("zoo", "copy", name, "--force").status == 3
    assert Path(f"{name}.yaml").read_text() == "mine"


def test_a_pipe_that_nobody_reads_is_no_place_to_complain_of() -> None:
    end, begin = os.pipe()
    os.close(end)
    with pytest.raises(BrokenPipeError):
        write_output(Path(f"/dev/fd/{begin}"), b"numbers")
    os.close(begin)
