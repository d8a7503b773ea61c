"""Workers make the batches of the parts that are scored too: real files, too many for the cache, and the whole way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from netspec.cli import evaluate, train
from netspec.data.images import ImageFiles
from netspec.data.workers import Workers
from netspec.diagnostics.errors import RunError
from netspec.training.runtime import Runtime

SPEC = """\
netspec: 1
name: pets
input: [6, 4, 3]
layers: [flatten, {dense: 2}]
train: {data: {folder: pets}, validation: val, cache: 0, loss: cross_entropy, metrics: [accuracy], epochs: 2, batch: 4}
"""
SAMPLES = {"train": 12, "val": 20, "test": 20}
BATCHES = 5
"""Of each part that is scored."""


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of images in two classes; it is the current one."""
    random = np.random.default_rng(2)
    for part, count in SAMPLES.items():
        for number in range(count):
            file = tmp_path / "pets" / part / ("cat", "dog")[number % 2] / f"{number:02}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (6, 4, 3), np.uint8)).save(file)
    (tmp_path / "pets.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pets"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The processes of all workers, which are waited for before they have anything to do; all have to have ended."""
    begin, processes = Workers.__init__, []

    def begun(self: Workers, *arguments: Any) -> None:
        begin(self, *arguments)
        processes.extend(worker.process for worker in self._workers)
        while not all(worker.ready for worker in self._workers):
            self._listen(None)

    monkeypatch.setattr(Workers, "__init__", begun)
    yield processes
    assert all(process.returncode is not None for process in processes)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows that this process decodes."""
    rows: list[int] = []
    decode = ImageFiles.decode
    monkeypatch.setattr(ImageFiles, "decode", lambda self, row: rows.append(row) or decode(self, row))
    return rows


def trained(run: str, workers: int) -> Result:
    return CliRunner().invoke(
        train.command, ["pets.yaml", "--run-dir", run, "--workers", str(workers), "--format", "json", "--quiet"]
    )


def evaluated(run: str, workers: int, part: str = "test") -> Result:
    arguments = [run, "--workers", str(workers), "--part", part, "--format", "json"]
    return CliRunner().invoke(evaluate.command, arguments)


def test_a_run_has_the_same_bits_whoever_makes_what_is_scored(
    pets: Path, started: list[Any], decoded: list[int]
) -> None:
    found, made = {}, {}
    for count in (0, 1, 3):
        decoded.clear()
        outcome = json.loads(trained(f"run{count}", count).stdout)
        kept = (outcome["weights_sha256"], outcome["metrics"], Path(f"run{count}/metrics.csv").read_bytes())
        made[count] = len(decoded)
        decoded.clear()
        found[count] = (*kept, evaluated(f"run{count}", count).stdout)
        made[count, "eval"] = len(decoded)
    assert found[0] == found[1] == found[3]
    assert len(started) == 2 * (1 + 3)
    # Workers make all but the first batch of each pass, for which there is no time ahead; and one sample of each part
    # tells what it is like, once where memory is counted and once where they start.
    by_workers = 2 * (12 - 4 + 20 - 4) + 20 - 4
    assert made[0] - made[1] == made[0] - made[3] == by_workers - 2 * 3
    assert (made[0, "eval"], made[3, "eval"]) == (20, 1 + 4)


def test_a_damaged_image_of_a_part_that_is_scored_is_told_with_its_file(pets: Path, started: list[Any]) -> None:
    assert trained("whole", 0).exit_code == 0
    file = pets / "val" / "dog" / "19.png"
    file.write_bytes(file.read_bytes()[:60])  # its header is whole
    wanted = r"(?s)NS912.*worker 1 cannot make sample 19 of the 20 of the validation part \(.*dog/19\.png\).*NS905"
    for failed in (trained("run", 1), evaluated("whole", 1, "validation")):
        assert isinstance(failed.exception, RunError)
        with pytest.raises(RunError, match=wanted) as raised:
            raise failed.exception
        assert "--workers 0" in str(raised.value)
    alone = trained("alone", 0).exception
    assert isinstance(alone, RunError)
    assert "dog/19.png" in str(alone)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_workers_end_where_scoring_is_interrupted(
    part: str, pets: Path, started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, calls = Runtime.prepared, []
    steps = 3 + (2 if part == "validation" else 3 + BATCHES * 2 + 2)

    def interrupted(self: Runtime, batch: Any) -> Any:
        calls.append(len(batch))
        if len(calls) > steps:
            raise KeyboardInterrupt
        return prepared(self, batch)

    monkeypatch.setattr(Runtime, "prepared", interrupted)
    assert trained("run", 2).exit_code != 0
    assert len(calls) == steps + 1
    assert len(started) == 2
    assert json.loads(Path("run/manifest.json").read_text())["status"] == "interrupted"
