"""What TensorBoard reads of a run: its own reader is asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from netspec.cli import train

SPEC = """\
netspec: 1
name: small
input: [8, 8, 1]
layers: [flatten, {dense: 10}, softmax]
train: {data: digits, validation: 0.1, epochs: 2, batch: 500, average: 0.5}
"""


@pytest.fixture
def spec_file(tmp_path: Path, backend: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("netspec.backend.find_backend", lambda name: backend)
    backend.classes = 10
    (tmp_path / "small.yaml").write_text(SPEC)
    return tmp_path / "small.yaml"


def trained(*more: str) -> Result:
    return CliRunner().invoke(train.command, ["small.yaml", "--run-dir", "run", "--tensorboard", "--quiet", *more])


def read(folder: str = "run/tensorboard") -> EventAccumulator:
    found = EventAccumulator(folder, {"scalars": 0, "histograms": 0})  # all of them
    found.Reload()
    return found


def test_scores_rates_and_weights_of_every_epoch(spec_file: Path) -> None:
    assert trained().exit_code == 0
    found = read()
    scores = {f"{part}/{name}" for part in ("train", "validation", "averaged") for name in ("loss", "accuracy")}
    assert set(found.Tags()["scalars"]) == {*scores, "learning rate", "samples per second", "step/loss"}
    assert [(event.step, event.value) for event in found.Scalars("train/loss")] == [(3, 1.0), (6, 1.0)]
    assert [event.step for event in found.Scalars("step/loss")] == [1, 2, 3, 4, 5, 6]
    (first, second) = found.Histograms("weights/dense.bias")
    value = first.histogram_value
    assert (first.step, second.step, value.num, sum(value.bucket)) == (3, 6, 10, 10)
    assert (value.min, value.max, value.sum) == (3, 3, 30)  # the fake backend adds one in each step
    assert set(found.Tags()["histograms"]) == {"weights/dense.bias", "weights/dense.weight"}


def test_a_resumed_run_takes_the_place_of_what_was_written_of_later_steps(spec_file: Path) -> None:
    trained("--epochs", "1")
    assert trained("--resume", "--epochs", "2").exit_code == 0
    assert [event.step for event in read().Scalars("train/loss")] == [3, 6]


def test_where_the_package_is_missing_its_extra_is_named(spec_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    error = str(trained().exception)
    assert "NS923] --tensorboard needs the package 'tensorboard'" in error
    assert "pip install 'netspec[tensorboard]'" in error
    assert not Path("run").exists()


def test_neither_tensorflow_nor_pytorch_is_loaded() -> None:
    code = (
        "import sys\nimport netspec.training.tensorboard_log as log\n"
        "from netspec.training.progress import Silence\nfrom pathlib import Path\nimport tempfile\n"
        "log.TensorBoard(Silence(), Path(tempfile.mkdtemp()), 0, dict).close()\n"
        "assert not {'tensorflow', 'torch'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
