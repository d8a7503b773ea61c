"""Lost writes and full disks: nothing that was whole is lost, and a run that goes on ends as the undisturbed one."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from netspec.backend import find_backend
from netspec.data.dataset import Dataset, Part, labelled
from netspec.diagnostics.errors import RunError
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.training import files
from netspec.training.facts import run_facts
from netspec.training.progress import Silence
from netspec.training.resume import resume_run
from netspec.training.runs import find_checkpoint, read_manifest
from netspec.training.runtime import Runtime
from netspec.training.train import Outcome, train_into
from tests.training.crash_states import Recorder, materialise

NOW = datetime(2026, 1, 31, tzinfo=UTC)
SPEC = """\
netspec: 1
name: tiny
input: [2, 2, 1]
layers: [flatten, {dense: 6}, batch_norm, relu, {dense: 3}, softmax]
train: {optimizer: adam, lr: {cosine: 0.02}, epochs: 2, batch: 4, seed: 7}
"""


def dataset() -> Dataset:
    def part(samples: int) -> Part:
        images = np.random.default_rng(samples).integers(0, 256, (samples, 2, 2, 1), np.uint8)
        return labelled(images, (images[:, 0, 0, 0] % 3).astype(np.int32))

    return Dataset("noise", ("a", "b", "c"), part(10), part(5), part(4))


def go_on(folder: Path, epoch: Callable[[], None] = lambda: None) -> Outcome:
    """Begin the run in ``folder``, or go on with it; ``epoch`` is called when one is scored, before it is kept."""
    spec, data = load_spec(Source("tiny.yaml", SPEC)), dataset()
    runtime = Runtime(spec.graph, spec.recipe, find_backend("numba"), spec.recipe.batch, 1)
    facts = run_facts(spec, folder.parent, data, runtime, ["netspec", "train"], NOW)
    resumed = resume_run(folder, spec.text, facts, runtime, 3, allow_changes=False)
    progress = Silence()
    progress.end = lambda result: epoch()  # type: ignore[method-assign]
    return train_into(resumed.run, runtime, data, progress, lambda: NOW, resumed.begin, checkpoint_every=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The undisturbed run."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    go_on(folder)
    return folder


def assert_same(folder: Path, whole: Path) -> None:
    assert (folder / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    ours, theirs = (read_manifest(each) for each in (folder, whole))
    assert ours["weights_sha256"] == theirs["weights_sha256"]
    assert ours["status"] == "finished"
    assert not list(folder.rglob("*.tmp"))


def crash_states(folder: Path) -> Recorder:
    """What crashes could leave of a run that is made in ``folder``."""
    with pytest.MonkeyPatch.context() as patch:
        recorder = Recorder(folder)
        recorder.install(patch)
        go_on(folder)
    return recorder


@pytest.mark.slow
def test_every_state_that_a_crash_may_leave_ends_as_the_undisturbed_run(whole: Path, tmp_path: Path) -> None:
    recorder = crash_states(tmp_path / "recorded")
    assert len(recorder.states) > 80
    begun_anew = 0
    for number, (state, event) in enumerate(recorder.states.items()):
        folder = tmp_path / f"crashed-{number}"
        folder.mkdir()
        materialise(state, folder)
        begun_anew += not (folder / "manifest.json").exists()
        try:
            go_on(folder)
            assert_same(folder, whole)
        except (RunError, AssertionError) as error:
            raise AssertionError(f"a crash before {event} left {sorted(path for path, _ in state)}") from error
        shutil.rmtree(folder)
    assert 0 < begun_anew < len(recorder.states) / 4


def test_a_program_that_flushed_less_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the flush of a file its name may come to the disk before its content."""
    write_atomic = files.write_atomic

    def careless(path: Path, data: bytes) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda descriptor: None)
            write_atomic(path, data)

    for module in ("checkpoints", "runs", "files"):
        monkeypatch.setattr(f"netspec.training.{module}.write_atomic", careless)
    recorder = crash_states(tmp_path / "careless")
    damaged = [state for state in recorder.states if dict(state).get("manifest.json") == b""]
    assert damaged
    materialise(damaged[0], tmp_path / "crashed")
    with pytest.raises(RunError, match="damaged"):
        go_on(tmp_path / "crashed")


@pytest.fixture
def file_limit() -> Iterator[Callable[[int], None]]:
    """Lets no file grow beyond so many bytes, as a quota would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_may_not_grow_ends_the_run_and_leaves_the_checkpoint_before(
    whole: Path, tmp_path: Path, file_limit: Callable[[int], None]
) -> None:
    folder = tmp_path / "run"
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN  # Python makes an error of it
    with pytest.raises(
        RunError, match=r"(?s)cannot be written: File too large.*the checkpoint '.*' before it is whole"
    ):
        go_on(folder, epoch=lambda: file_limit(200) if (folder / "metrics.csv").exists() else None)
    file_limit(resource.RLIM_INFINITY)
    kept = find_checkpoint(folder, "last")
    assert (kept.name, kept.step) == ("step-00000006", 6)
    assert not list(folder.rglob("*.tmp"))
    go_on(folder)
    assert_same(folder, whole)


def test_a_full_disk_ends_the_run_and_leaves_the_checkpoint_before(whole: Path, tmp_path: Path) -> None:
    """On a small disk of its own where this machine lets one be mounted, else on one that a file limit makes small."""
    disk = tmp_path / "disk"
    disk.mkdir()
    program = [sys.executable, str(Path(__file__).with_name("full_disk_run.py")), str(disk)]
    mount = ["unshare", "--mount", "--map-root-user"]
    trial = [*mount, "mount", "-t", "tmpfs", "tmpfs", str(disk)]
    can = shutil.which("unshare") and not subprocess.run(trial, check=False, capture_output=True).returncode
    done = subprocess.run([*mount, *program] if can else program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("the checkpoint 'epoch-0002' of the run")
    assert "the checkpoint 'step-00000006' before it is whole" in lines[0]
    assert ("No space left on device" if can else "File too large") in done.stdout
    assert lines[-1] == read_manifest(whole)["weights_sha256"]
