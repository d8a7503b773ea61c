"""Run directories and their checkpoints: complete, refused where in the way, whole after a crash."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.data.dataset import Dataset, Part
from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import read_weights
from netspec.syntax.spec import Spec
from netspec.training.checkpoints import Course, read_checkpoint, write_checkpoint
from netspec.training.facts import processor, run_facts
from netspec.training.position import Position
from netspec.training.progress import EpochResult, Silence
from netspec.training.runs import Run, find_checkpoint, new_folder, read_manifest, with_settings
from netspec.training.runtime import Runtime
from netspec.training.scores import Scores
from netspec.training.state import read_state, weights_sha256
from netspec.training.train import train_into

NOW = datetime(2026, 1, 31, 14, 25, tzinfo=UTC)
MakeRuntime = Callable[..., Runtime]
MakePart = Callable[[int], Part]


@pytest.fixture
def dataset(make_part: MakePart) -> Dataset:
    return Dataset("numbers", ("zero", "one", "two"), make_part(10), make_part(3), make_part(6))


@pytest.fixture
def start(spec: Spec, dataset: Dataset, tmp_path: Path) -> Callable[[Runtime], Run]:
    def make(runtime: Runtime) -> Run:
        facts = run_facts(spec, tmp_path, dataset, runtime, ["netspec", "train"], NOW)
        return Run.create(tmp_path / "run", spec.text, facts)

    return make


def result(epoch: int, validation_loss: float | None) -> EpochResult:
    validation = None if validation_loss is None else Scores(validation_loss, {"accuracy": 0.5})
    return EpochResult(epoch, epoch * 3, 0.1, Scores(1.0 / 3, {"accuracy": 0.25}), validation, 10, 2.0)


def arrays(value: float) -> dict[str, np.ndarray]:
    return {"dense.weight": np.full((4, 3), value, np.float32)}


def names(run: Run) -> set[str]:
    return {path.name.partition(".")[0] for path in (run.folder / "checkpoints").iterdir()}


def test_a_whole_run(
    start: Callable[[Runtime], Run], make_runtime: MakeRuntime, dataset: Dataset, spec: Spec, tmp_path: Path
) -> None:
    runtime = make_runtime()
    outcome = train_into(start(runtime), runtime, dataset, Silence(), lambda: NOW)
    manifest = read_manifest(tmp_path / "run")
    assert set(manifest) == {
        "version", "name", "command", "started", "ended", "status", "seed", "epochs", "batch", "threads", "backend",
        "spec", "data", "plan_sha256", "versions", "machine", "best", "last", "metrics", "weights_sha256",
        "given", "recipe", "resumed", "waited_share", "skipped_steps", "network_sha256",
    }  # fmt: skip
    assert manifest["status"] == "finished"
    assert manifest["started"] == manifest["ended"] == "2026-01-31T14:25:00+00:00"
    assert manifest["data"]["samples"] == {"train": 10, "validation": 3, "test": 6}
    assert set(manifest["versions"]) == {"netspec", "python", "numpy", "numba", "llvmlite"}
    assert all(len(manifest[key]["sha256"]) == 64 for key in ("spec", "data"))
    assert manifest["metrics"] == outcome.metrics()
    assert set(outcome.metrics()) == {"train", "validation", "test"}
    assert (tmp_path / "run" / "spec.resolved.yaml").read_text() == spec.text
    document = outcome.document()
    promised = {"version", "run_dir", "epochs", "steps", "seconds", "compile_seconds", "metrics", "weights_sha256"}
    assert set(document) == promised | {"waited_share", "skipped_steps"}
    assert (document["epochs"], document["steps"]) == (2, 6)

    last = find_checkpoint(tmp_path / "run", "last")
    assert (last.epoch, last.step, last.seed) == (2, 6, 7)
    shapes = {slot.name: slot.param.shape for slot in runtime.weights}
    assert weights_sha256(read_weights(last.weights, shapes)) == manifest["weights_sha256"]
    moments = read_weights(last.moments, {slot.name: slot.param.shape for slot in runtime.moments})
    for name, array in read_state(runtime.state, runtime.moments).items():
        assert np.array_equal(moments[name], array)


def test_metrics_are_the_same_for_equal_runs_and_times_stand_elsewhere(
    start: Callable[[Runtime], Run], make_runtime: MakeRuntime, dataset: Dataset, tmp_path: Path
) -> None:
    tables = []
    for name in ("first", "second"):
        runtime = make_runtime()
        train_into(start(runtime), runtime, dataset, Silence(), lambda: NOW)
        (tmp_path / "run").rename(tmp_path / name)
        tables.append((tmp_path / name / "metrics.csv").read_text())
    assert tables[0] == tables[1]
    rows = list(csv.DictReader(tables[0].splitlines()))
    assert list(rows[0]) == [
        "epoch", "step", "lr", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"
    ]  # fmt: skip
    assert [(row["epoch"], row["step"], row["lr"]) for row in rows] == [("1", "3", "0.5"), ("2", "6", "0.25")]
    timings = list(csv.DictReader((tmp_path / "first" / "timings.csv").read_text().splitlines()))
    assert list(timings[0]) == ["epoch", "seconds", "samples_per_second", "waited_seconds"]


def test_best_has_the_lowest_validation_loss_and_what_is_neither_nor_was_it_just_before_is_removed(
    start: Callable[[Runtime], Run], make_runtime: MakeRuntime
) -> None:
    run = start(make_runtime())
    found = []
    for epoch, loss in enumerate((0.9, 0.5, 0.7, 0.5, float("nan")), start=1):
        run.record(result(epoch, loss), arrays(epoch), {})
        manifest = read_manifest(run.folder)
        found.append((manifest["best"], manifest["last"]))
        assert names(run) == {name for pair in found[-2:] for name in pair}
    best = ["epoch-0001", *["epoch-0002"] * 4]
    assert found == [(name, f"epoch-{epoch:04d}") for epoch, name in enumerate(best, start=1)]
    weights = read_weights(find_checkpoint(run.folder, "best").weights, {"dense.weight": (4, 3)})
    assert np.array_equal(weights["dense.weight"], arrays(2)["dense.weight"])


def test_without_validation_the_best_is_the_last(start: Callable[[Runtime], Run], make_runtime: MakeRuntime) -> None:
    run = start(make_runtime())
    for epoch in (1, 2, 3):
        run.record(result(epoch, None), arrays(epoch), {})
    assert read_manifest(run.folder)["best"] == "epoch-0003"
    assert names(run) == {"epoch-0002", "epoch-0003"}


@pytest.mark.parametrize("allowed", range(5))
def test_a_crash_while_recording_leaves_a_usable_run(
    allowed: int, start: Callable[[Runtime], Run], make_runtime: MakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files of weights, a description, two tables, a manifest: the crash comes before one of the replacements."""
    run = start(make_runtime())
    run.record(result(1, 0.5), arrays(1), arrays(10))
    done = 0
    replace_file = os.replace

    def crash(source: str, target: str) -> None:
        nonlocal done
        if done == allowed:
            raise KeyboardInterrupt
        done += 1
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        run.record(result(2, 0.4), arrays(2), arrays(20))
    for kept in ("best", "last"):
        checkpoint = find_checkpoint(run.folder, kept)
        assert checkpoint.epoch == 1
        weights = read_weights(checkpoint.weights, {"dense.weight": (4, 3)})
        assert np.array_equal(weights["dense.weight"], arrays(1)["dense.weight"])


def test_a_folder_in_use_is_refused(start: Callable[[Runtime], Run], make_runtime: MakeRuntime, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("precious")
    with pytest.raises(RunError, match=r"run' is not empty: give another --run-dir"):
        start(make_runtime())
    assert os.listdir(tmp_path / "run") == ["thesis.txt"]
    (tmp_path / "run" / "thesis.txt").unlink()
    start(make_runtime())


def test_a_folder_that_cannot_be_made_is_named(
    start: Callable[[Runtime], Run], make_runtime: MakeRuntime, tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(RunError, match=r"NS993.*run' cannot be written"):
        start(make_runtime())


def test_a_folder_of_its_own_is_found(tmp_path: Path) -> None:
    first = new_folder(tmp_path, "tiny", NOW)
    assert first.name == "tiny-20260131-142500"
    first.mkdir()
    (tmp_path / "tiny-20260131-142500-2").mkdir()
    assert new_folder(tmp_path, "tiny", NOW).name == "tiny-20260131-142500-3"


def test_a_failed_run_says_so(
    start: Callable[[Runtime], Run], make_runtime: MakeRuntime, dataset: Dataset, backend: Any
) -> None:
    backend.losses = [1.0] * 5 + [float("nan")]  # the first loss is of the step that compiles
    runtime = make_runtime()
    run = start(runtime)
    with pytest.raises(RunError, match="NS903"):
        train_into(run, runtime, dataset, Silence(), lambda: NOW)
    manifest = read_manifest(run.folder)
    assert manifest["status"] == "failed"
    assert "NS903" in manifest["error"]
    assert find_checkpoint(run.folder, "last").epoch == 1


def test_an_interrupted_run_says_so(
    start: Callable[[Runtime], Run], make_runtime: MakeRuntime, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Impatient(Silence):
        def step(self, loss: float) -> None:
            raise KeyboardInterrupt

    runtime = make_runtime()
    run = start(runtime)
    with pytest.raises(KeyboardInterrupt):
        train_into(run, runtime, dataset, Impatient(), lambda: NOW)
    assert read_manifest(run.folder)["status"] == "interrupted"
    with pytest.raises(RunError, match="ended before its first epoch"):
        find_checkpoint(run.folder, "last")


def test_weights_that_are_not_finite_are_not_kept(
    start: Callable[[Runtime], Run], make_runtime: MakeRuntime, dataset: Dataset
) -> None:
    runtime = make_runtime()
    bias = runtime.state.read("dense.bias")
    runtime.state.write("dense.bias", bias + np.float32(np.inf))
    run = start(runtime)
    with pytest.raises(RunError, match=r"a number of 'dense\.bias' became infinite or NaN at step 3"):
        train_into(run, runtime, dataset, Silence(), lambda: NOW)
    assert names(run) == set()


def test_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run directory"):
        read_manifest(tmp_path)
    for text in ("{", "[]"):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(RunError, match=r"manifest\.json' is damaged"):
            read_manifest(tmp_path)


@pytest.mark.parametrize("ending", [".safetensors", ".moments.safetensors", ".json"])
def test_a_damaged_checkpoint_is_told(tmp_path: Path, ending: str) -> None:
    write_checkpoint(tmp_path, "c", arrays(1), arrays(2), Position(1, 2), 3, Course())
    assert read_checkpoint(tmp_path, "c").step == 2
    path = tmp_path / f"c{ending}"
    data = path.read_bytes()
    path.write_bytes(data[:-3])
    with pytest.raises(RunError, match="NS904"):
        read_checkpoint(tmp_path, "c")
    path.unlink()
    with pytest.raises(RunError, match=rf"NS904.*c{ending}' is damaged: (the file is missing|it cannot be read)"):
        read_checkpoint(tmp_path, "c")


def test_the_settings_of_a_run_come_back(spec: Spec) -> None:
    changed = with_settings(spec, {"epochs": 9, "batch": 3, "seed": 5})
    assert changed.recipe == replace(spec.recipe, epochs=9, batch=3, seed=5)


def test_the_processor_is_named(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\n")
    assert processor(file) == "Some CPU @ 3 GHz"
    assert processor(tmp_path / "none") != ""


def test_a_manifest_is_plain_json(start: Callable[[Runtime], Run], make_runtime: MakeRuntime) -> None:
    run = start(make_runtime())
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["status"] == "running"
    assert manifest["ended"] is None
