"""The program itself, with workers, interrupted as a terminal or a scheduler does it, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SPEC = """\
netspec: 1
name: small
input: [8, 8, 1]
layers: [{conv: {filters: 4, kernel: 3}}, batch_norm, relu, flatten, {dense: 10}, softmax]
train:
  {data: digits, validation: 0.1, augment: [{random_crop: 1}], epochs: 6, batch: 100, lr: {cosine: 0.02}, workers: 2}
"""


def start(folder: Path, run: str, *more: str) -> subprocess.Popen[str]:
    """``netspec train`` in a process group of its own, as a shell starts it."""
    arguments = ["train", "small.yaml", "--run-dir", run, "--format", "json", *more]
    return subprocess.Popen(
        [sys.executable, "-m", "netspec", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """The hash of the weights that a process ends with."""
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    return str(json.loads(stdout)["weights_sha256"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a run that nothing disturbed, without workers, and the hash of its weights."""
    folder = tmp_path_factory.mktemp("interrupted")
    (folder / "small.yaml").write_text(SPEC)
    return folder, finish(start(folder, "whole", "--workers", "0"))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_program_ends_cleanly_and_goes_on_to_the_same_bits(
    number: signal.Signals, status: int, whole: tuple[Path, str]
) -> None:
    folder, weights = whole
    process = start(folder, number.name)
    assert process.stderr is not None
    said = []
    while not any(line.startswith("epoch 2") for line in said):
        said.append(process.stderr.readline())
    os.killpg(process.pid, number)  # a terminal signals all of its foreground group
    stdout, rest = process.communicate()
    assert (process.returncode, stdout) == (status, "")
    assert "stopping after this step" in rest
    assert rest.endswith("--resume\n")  # nothing more is said behind the way to go on
    assert "Traceback" not in "".join(said) + rest
    assert finish(start(folder, number.name, "--resume", "--workers", "3", "--threads", "1")) == weights
    assert (folder / number.name / "metrics.csv").read_bytes() == (folder / "whole" / "metrics.csv").read_bytes()
