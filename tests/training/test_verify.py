"""Runs that are executed again: the same bits, and what is said where they are not."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from netspec.cli import train, verify_run
from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import decode
from netspec.training.checkpoints import _sha256, read_checkpoint, write_checkpoint
from netspec.training.progress import Silence
from netspec.training.runtime import Runtime
from netspec.training.verify import verify_run as verify

NOW = datetime(2026, 1, 31, tzinfo=UTC)
SPEC = """\
netspec: 1
name: small
input: [8, 8, 1]
layers:
  - conv: {filters: 4, kernel: 3}
  - batch_norm
  - relu
  - flatten
  - dropout: 0.2
  - dense: 10
  - softmax
train:
  {data: digits, validation: 0.1, augment: [{random_crop: 1}], epochs: 3, batch: 300, seed: 3, optimizer: adam}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 15 steps with the checkpoints epoch-0002 and epoch-0003, trained by two threads."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "small.yaml").write_text(SPEC)
    result = call(train.command, folder / "small.yaml", "--run-dir", folder / "run", "--threads", "2", "--quiet")
    assert result.exit_code == 0, result.output
    return folder / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    for path in finished.rglob("*"):
        if path.is_file():
            place = tmp_path / "run" / path.relative_to(finished)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    return tmp_path / "run"


def call(command: Any, *arguments: Any) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def change_weight(run: Path, name: str, array: str) -> None:
    """Write a checkpoint anew with another number in one array."""
    checkpoint = read_checkpoint(run / "checkpoints", name)
    weights, moments = (dict(decode(path.read_bytes(), str(path))) for path in (checkpoint.weights, checkpoint.moments))
    weights[array] = weights[array].copy()
    weights[array].reshape(-1)[0] = np.nextafter(weights[array].reshape(-1)[0], np.float32(9))
    folder = run / "checkpoints"
    write_checkpoint(folder, name, weights, moments, checkpoint.position, checkpoint.seed, checkpoint.course)


@pytest.mark.parametrize("more", [[], ["--threads", 1], ["--workers", 0], ["--workers", 1], ["--from-seed"]])
def test_a_run_comes_out_again_by_any_number_of_threads_and_workers(finished: Path, more: list[Any]) -> None:
    result = call(verify_run.command, finished, *more)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    if more != ["--from-seed"]:
        left = "metrics.csv, epochs 1, 2: not executed again, only compared with what the checkpoint keeps"
        assert lines.pop() == left
    assert lines[-1] == "'epoch-0003' (step 15): weights, moments and metrics are the same to the bit"
    if more == ["--from-seed"]:
        assert lines[0] == "15 steps executed again from the seed"
        assert lines[1].startswith("'epoch-0002' (step 10): weights, moments and metrics are the same")
    else:
        assert lines[:-1] == ["5 steps executed again from the checkpoint 'epoch-0002' (step 10)"]


def test_the_run_directory_is_only_read(finished: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in finished.rglob("*")}
    assert call(verify_run.command, finished).exit_code == 0
    assert before == {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in finished.rglob("*")}


def test_a_number_that_is_another_is_found_with_its_array(run: Path) -> None:
    change_weight(run, "epoch-0003", "dense.weight")
    result = call(verify_run.command, run)
    assert result.exit_code == 1
    assert "'epoch-0003' (step 15) differs:\n  array dense.weight: 1 of 1,440 numbers, by up to" in result.output
    assert "\nthe first difference came about in one of the steps 11 to 15\n" in result.output
    document = json.loads(call(verify_run.command, run, "--format", "json").stdout)
    assert document["version"] == 1
    assert (document["equal"], document["first_difference"], document["steps"]) == (False, [11, 15], 5)
    assert document["from"] == {"checkpoint": "epoch-0002", "step": 10}
    (compared,) = document["compared"]
    assert [(each["kind"], each["name"]) for each in compared["differences"]] == [("array", "dense.weight")]
    assert compared["weights_sha256"]["run"] != compared["weights_sha256"]["now"]


def test_the_first_checkpoint_that_differs_ends_it(run: Path) -> None:
    change_weight(run, "epoch-0002", "conv.bias")
    found = verify(run, None, "numba", 1, NOW, from_seed=True)
    assert [(each.against, bool(each.differences)) for each in found.compared] == [("epoch-0002", True)]
    assert found.first_steps() == (1, 10)
    assert not verify(run, None, "numba", 1, NOW).equal  # what begins at wrong weights ends at others


def test_metrics_that_differ_are_named(run: Path) -> None:
    path = run / "checkpoints" / "epoch-0003.json"
    document = json.loads(path.read_text())
    del document["sha256"]
    document["metrics"][-1]["train_accuracy"] += 1e-16
    path.write_text(json.dumps({**document, "sha256": _sha256(document)}))
    (compared,) = verify(run, None, "numba", 1, NOW).compared
    assert [(each.kind, each.name) for each in compared.differences] == [("metric", "train_accuracy")]


def test_steps_without_a_checkpoint_among_them_are_executed_twice(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = call(verify_run.command, finished, "--from-seed", "--steps", "3")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "3 steps executed twice from the seed",
        "step 3: all state is the same to the bit",
        "metrics.csv, epochs 1, 2, 3: not executed again, only compared with what the checkpoint keeps",
    ]
    scalars = Runtime.scalars
    made: list[Runtime] = []

    def wayward(runtime: Runtime, rate: float, step: int, *more: Any) -> Any:
        """In its second execution step 2 has another learning rate."""
        if runtime not in made:
            made.append(runtime)
        return scalars(runtime, rate * 1.5 if len(made) == 2 and step == 2 else rate, step, *more)

    monkeypatch.setattr(Runtime, "scalars", wayward)
    result = call(verify_run.command, finished, "--from-seed", "--steps", "3")
    assert result.exit_code == 1
    assert result.output.splitlines()[1:3] == ["step 2 differs:", "  array conv.weight: other numbers"]
    assert "\nthe first difference came about in step 2\n" in result.output


def test_another_machine_and_other_versions_are_told(run: Path) -> None:
    path = run / "manifest.json"
    document = json.loads(path.read_text())
    document["machine"]["processor"] = "abacus"
    document["versions"]["numpy"] = "0.1"
    path.write_text(json.dumps(document))
    found = verify(run, None, "numba", 1, NOW)
    assert found.equal
    assert [said.split(" ")[0] for said in found.circumstances] == ["processor:", "numpy:"]
    text = (run / "spec.resolved.yaml").read_text()
    (run / "spec.resolved.yaml").write_text(text.replace("0.2", "0.3"))
    found = verify(run, None, "numba", 1, NOW)
    assert not found.equal
    assert "changed: the plan, which follows from the network" in found.circumstances[0]


def test_what_cannot_be_compared_is_told(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run directory"):
        verify(tmp_path, None, "numba", 1, NOW)
    for path in (run / "checkpoints").glob("*.json"):
        path.write_text("{}")
    with pytest.raises(RunError, match="has no checkpoint that is whole"):
        verify(run, None, "numba", 1, NOW)


def test_a_checkpoint_within_an_epoch_is_compared_by_its_sums(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = iter(range(1, 100))
    monkeypatch.setattr(Silence, "step", lambda self, loss: next(steps) == 8 and os.kill(os.getpid(), signal.SIGTERM))
    call(train.command, finished.parent / "small.yaml", "--run-dir", tmp_path / "stopped", "--quiet")
    monkeypatch.undo()
    found = verify(tmp_path / "stopped", None, "numba", 1, NOW)
    assert (found.origin, found.equal) == ("epoch-0001", True)
    assert [(each.against, each.step) for each in found.compared] == [("step-00000008", 8)]
    path = tmp_path / "stopped" / "checkpoints" / "step-00000008.json"
    document = json.loads(path.read_text())
    del document["sha256"]
    document["underway"]["sums"]["loss"] *= 1 + 1e-15
    path.write_text(json.dumps({**document, "sha256": _sha256(document)}))
    (compared,) = verify(tmp_path / "stopped", None, "numba", 1, NOW).compared
    assert [(each.kind, each.name) for each in compared.differences] == [("metric", "loss")]


def test_metrics_of_the_manifest_are_compared(run: Path) -> None:
    path = run / "manifest.json"
    document = json.loads(path.read_text())
    for part in ("train", "test"):
        document["metrics"][part]["accuracy"] += 1e-9
    path.write_text(json.dumps(document))
    found = verify(run, None, "numba", 1, NOW)
    assert not found.equal
    assert [line.partition(" is ")[0] for line in found.tables] == ["manifest.json, metrics of train: accuracy"]
    assert [each.name for each in found.compared[0].differences] == ["test_accuracy"]


def test_a_damaged_checkpoint_and_a_changed_table_are_named(run: Path) -> None:
    table = run / "metrics.csv"
    written = table.read_text()
    lines = written.splitlines()
    table.write_text("\n".join([lines[0], lines[1] + "1", *lines[2:]]) + "\n")
    result = call(verify_run.command, run)
    assert result.exit_code == 1
    assert "metrics.csv, line 2: it is not what the checkpoint keeps" in result.output
    table.write_text(written)
    file = run / "checkpoints" / "epoch-0003.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    result = call(verify_run.command, run)
    assert result.exit_code == 1
    assert f"the checkpoint 'epoch-0003' is damaged: '{file}'" in result.output
    spec = run.parent / "small.yaml"
    spec.write_text(SPEC)
    result = call(train.command, spec, "--run-dir", run, "--resume", "--quiet", "--threads", 1)
    assert result.exit_code == 0, result.output
    assert str(file) in result.stderr
    assert file.with_name(f"{file.name}.damaged").read_bytes() == data
    assert call(verify_run.command, run).exit_code == 0
