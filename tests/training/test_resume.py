"""Going on with a run: to the bit, from a whole checkpoint, and only with what it began with."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.backend import find_backend
from netspec.data.dataset import Dataset, Part
from netspec.declarations.options import EarlyStopping
from netspec.declarations.recipe import Head
from netspec.declarations.schedules import Plateau
from netspec.diagnostics.errors import RunError
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec
from netspec.training import files
from netspec.training.checkpoints import Course, checkpoint_names, write_checkpoint
from netspec.training.facts import run_facts
from netspec.training.lock import LOCK, lock
from netspec.training.position import START, Position
from netspec.training.progress import Silence
from netspec.training.resume import Resumed, resume_run
from netspec.training.runs import find_checkpoint, read_manifest
from netspec.training.runtime import Runtime
from netspec.training.stopping import StopRequest
from netspec.training.train import Outcome, train_into

NOW = datetime(2026, 1, 31, 14, 25, tzinfo=UTC)
SPEC = """\
netspec: 1
name: tiny
input: [2, 2, 1]
layers: [flatten, {dense: 6}, batch_norm, relu, {dropout: 0.3}, {dense: 3}, softmax]
train: {optimizer: adam, lr: {cosine: 0.02}, epochs: 3, batch: 4, seed: 7, augment: [random_flip]}
"""


class Stopper(Silence):
    """Does something after so many steps."""

    def __init__(self, steps: int, act: Callable[[], None]) -> None:
        self._left, self._act = steps, act

    def step(self, loss: float) -> None:
        self._left -= 1
        if self._left == 0:
            self._act()


class Bench:
    """One way to train, with what a test changes."""

    def __init__(self, backend: Any, spec: Spec, dataset: Dataset, folder: Path) -> None:
        self.backend, self.spec, self.dataset, self.folder = backend, spec, dataset, folder
        self.threads = 1

    def open(self, name: str = "run", allow_changes: bool = False, **recipe: Any) -> tuple[Resumed, Runtime]:
        spec = replace(self.spec, recipe=replace(self.spec.recipe, **recipe))
        runtime = Runtime(spec.graph, spec.recipe, self.backend, spec.recipe.batch, self.threads)
        facts = run_facts(spec, self.folder, self.dataset, runtime, ["netspec", "train"], NOW)
        steps = -(-len(self.dataset.train) // runtime.batch)
        return resume_run(self.folder / name, spec.text, facts, runtime, steps, allow_changes), runtime

    def go_on(
        self, opened: tuple[Resumed, Runtime], stop_after: int | None = None, every: int | None = None
    ) -> Outcome:
        resumed, runtime = opened
        stop = StopRequest(lambda text: None)
        progress = Silence() if stop_after is None else Stopper(stop_after, lambda: setattr(stop, "requested", True))
        return train_into(resumed.run, runtime, self.dataset, progress, lambda: NOW, resumed.begin, every, stop)

    def interrupt(self, steps: int, name: str = "run", every: int | None = None) -> None:
        with pytest.raises(KeyboardInterrupt):
            self.go_on(self.open(name), steps, every)

    def metrics(self, name: str = "run") -> str:
        return (self.folder / name / "metrics.csv").read_text()

    def checkpoints(self) -> set[str]:
        return {path.name.partition(".")[0] for path in (self.folder / "run" / "checkpoints").iterdir()}


@pytest.fixture(autouse=True)
def nothing_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake backend compiles nothing, and these tests count what it is asked to do."""
    monkeypatch.setattr("netspec.training.train.compile_training", lambda runtime, dtype: None)


@pytest.fixture
def bench(spec: Spec, backend: Any, make_part: Callable[[int], Part], tmp_path: Path) -> Bench:
    """Three steps an epoch on the fake backend."""
    dataset = Dataset("numbers", ("zero", "one", "two"), make_part(10), make_part(3), make_part(6))
    return Bench(backend, spec, dataset, tmp_path)


@pytest.mark.parametrize("more", ["", ", accumulate: 2, average: 0.9"])
@pytest.mark.parametrize(("threads", "workers"), [(1, 0), (2, 0), (2, 3)])
def test_stopped_anywhere_and_resumed_is_to_the_bit_the_undisturbed_run(
    threads: int, workers: int, more: str, bench: Bench
) -> None:
    text = SPEC.replace("seed: 7", f"seed: 7{more}")
    bench.backend, bench.spec = find_backend("numba"), load_spec(Source("tiny.yaml", text))
    whole = bench.go_on(bench.open("whole"))
    bench.threads = threads
    bench.spec = replace(bench.spec, recipe=replace(bench.spec.recipe, workers=workers))
    for steps in (1, 3, 4, 8, 9):
        name = f"stopped-{steps}"
        bench.interrupt(steps, name)
        assert read_manifest(bench.folder / name)["status"] == "interrupted"
        resumed = bench.open(name)
        assert resumed[0].begin.step == steps
        outcome = bench.go_on(resumed)
        assert (outcome.weights_sha256, outcome.metrics()) == (whole.weights_sha256, whole.metrics())
        assert bench.metrics(name) == bench.metrics("whole")


def test_a_schedule_that_goes_by_validation_goes_on_where_it_was(bench: Bench) -> None:
    """The fake backend's loss never falls, so that every epoch but the first halves the rate."""
    recipe = replace(bench.spec.recipe, lr=Plateau(start=0.8, factor=0.5, patience=0), epochs=4)
    bench.spec = replace(bench.spec, recipe=recipe)
    bench.go_on(bench.open("whole"))
    rates = [call.scalars["learning_rate"] for call in bench.backend.steps()]
    assert rates == [0.8] * 6 + [0.4] * 3 + [0.2] * 3
    for steps in (2, 3, 6, 8):
        bench.backend.calls.clear()
        bench.interrupt(steps, f"stopped-{steps}")
        bench.go_on(bench.open(f"stopped-{steps}"))
        assert [call.scalars["learning_rate"] for call in bench.backend.steps()] == rates
        assert bench.metrics(f"stopped-{steps}") == bench.metrics("whole")


def test_skipped_steps_are_counted_on_where_a_run_goes_on(bench: Bench) -> None:
    """Steps 2, 3, 5 and 6 are not finite; three in a row, all of an epoch, would end the run."""
    bench.spec = replace(bench.spec, recipe=replace(bench.spec.recipe, on_nan="skip", epochs=3))
    nan = float("nan")
    losses = [0.5, nan, nan, 0.25, nan, nan, 0.5, nan, 0.75]
    # Validation has a loss of its own after every three steps.
    script = [*losses[:3], 1.0, *losses[3:6], 1.0, *losses[6:], 1.0]
    bench.backend.losses = [*script, 1.0, 1.0]
    whole = bench.go_on(bench.open("whole"))
    assert (whole.skipped_steps, whole.document()["skipped_steps"]) == (5, 5)
    rows = bench.metrics("whole").splitlines()
    assert rows[0].split(",")[3] == "skipped_steps"
    assert [row.split(",")[3] for row in rows[1:]] == ["2", "2", "1"]
    for steps in range(1, 9):
        name = f"stopped-{steps}"
        bench.backend.losses = list(script)
        bench.interrupt(steps, name)
        assert (
            find_checkpoint(bench.folder / name, "last").position.skipped_in_a_row
            == (0, 1, 2, 0, 1, 2, 0, 1)[steps - 1]
        )
        outcome = bench.go_on(bench.open(name))
        assert (outcome.weights_sha256, outcome.skipped_steps) == (whole.weights_sha256, 5)
        assert bench.metrics(name) == bench.metrics("whole")


def test_stopped_after_every_step_is_still_the_same_run(bench: Bench) -> None:
    bench.backend.losses = [1 / (3 + number) for number in range(100)]
    whole = bench.go_on(bench.open("whole"))
    bench.backend.losses = []
    bench.backend.loss = iter([1 / (3 + number) for number in range(100)]).__next__
    for _ in range(6):
        bench.interrupt(1)
    outcome = bench.go_on(bench.open())
    assert outcome.weights_sha256 == whole.weights_sha256
    assert bench.metrics() == bench.metrics("whole")
    manifest = read_manifest(bench.folder / "run")
    assert [entry["step"] for entry in manifest["resumed"]] == [1, 2, 3, 4, 5, 6]
    assert manifest["status"] == "finished"


def test_checkpoints_within_an_epoch(bench: Bench) -> None:
    bench.interrupt(5, every=2)
    assert read_manifest(bench.folder / "run")["last"] == "step-00000005"
    assert bench.checkpoints() == {"epoch-0001", "step-00000004", "step-00000005"}
    assert find_checkpoint(bench.folder / "run", "best").epoch == 1


def test_of_two_checkpoints_of_one_step_that_with_the_epoch_done_is_further(tmp_path: Path) -> None:
    for name, position in (("epoch-0001", Position(1, 3)), ("step-00000003", Position(0, 3)), ("epoch-0000", START)):
        write_checkpoint(tmp_path, name, {}, {}, position, 7, Course())
    assert checkpoint_names(tmp_path) == ["epoch-0001", "step-00000003", "epoch-0000"]


def test_a_finished_run_has_nothing_left_to_do(bench: Bench) -> None:
    first = bench.go_on(bench.open())
    calls = len(bench.backend.steps())
    opened = bench.open()
    assert opened[0].notes == ("the run is done with its 2 epochs: nothing is left to train",)
    again = bench.go_on(opened)
    assert (again.weights_sha256, again.metrics()) == (first.weights_sha256, first.metrics())
    assert (again.epochs, again.steps) == (2, 6)
    assert len(bench.backend.steps()) == calls


def test_more_epochs_go_on_where_the_rates_do_not_depend_on_them(bench: Bench) -> None:
    whole = bench.go_on(bench.open("whole", epochs=4))
    bench.go_on(bench.open())
    outcome = bench.go_on(bench.open(epochs=4))
    assert outcome.weights_sha256 == whole.weights_sha256
    assert bench.metrics() == bench.metrics("whole")
    with pytest.raises(RunError, match="in epoch 4 already, but 3 epochs are asked for"):
        bench.open(epochs=3)


def test_more_epochs_under_a_cosine_are_a_change(bench: Bench) -> None:
    bench.spec = load_spec(Source("tiny.yaml", SPEC))
    bench.interrupt(4)
    with pytest.raises(RunError, match=r"epochs: 3 → 5, on which the learning rates of the steps done depend"):
        bench.open(epochs=5)


def test_what_changed_is_listed_and_refused_unless_allowed(bench: Bench, make_part: Callable[[int], Part]) -> None:
    bench.interrupt(4)
    bench.dataset = replace(bench.dataset, train=make_part(12))
    rate = type(bench.spec.recipe.lr)(start=0.25, every=1, factor=0.5)
    with pytest.raises(RunError) as raised:
        bench.open(seed=8, lr=rate)
    lines = str(raised.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines] == [
        "the run '" + str(bench.folder / "run") + "' would not go on as it began, since this changed",
        "seed", "train.lr", "the data", "help",
    ]  # fmt: skip
    assert "seed: 7 → 8" in lines[1]
    assert "--allow-changes" in lines[-1]
    resumed, runtime = bench.open(seed=8, lr=rate, allow_changes=True)
    assert (resumed.begin.epoch, resumed.begin.step, resumed.begin.underway) == (1, 4, None)
    assert "changed: seed: 7 → 8" in resumed.notes
    outcome = bench.go_on((resumed, runtime))
    assert (outcome.epochs, outcome.steps) == (2, 7)
    assert len(read_manifest(bench.folder / "run")["resumed"][0]["changes"]) == 3


def test_another_network_is_refused_and_never_fits(bench: Bench) -> None:
    bench.interrupt(4)
    bench.spec = load_spec(Source("tiny.yaml", bench.spec.text.replace("- flatten", "- flatten\n  - dense: 5")))
    with pytest.raises(RunError, match="the plan, which follows from the network"):
        bench.open()
    with pytest.raises(RunError, match="do not fit the network"):
        bench.open(allow_changes=True)
    lock(bench.folder / "run").release()  # a refusal gives the folder free


def test_another_target_of_a_head_is_a_change(bench: Bench) -> None:
    bench.interrupt(4)
    with pytest.raises(RunError, match=r"train.heads: \{\} → \{'main'"):
        bench.open(heads={"main": Head(target="label")})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"on_nan": "skip"}, r"train\.on_nan: 'stop' → 'skip'"),
        ({"early_stopping": EarlyStopping(patience=3)}, r"train\.early_stopping: None → "),
    ],
)
def test_another_end_of_the_course_is_a_change(bench: Bench, changes: dict[str, Any], said: str) -> None:
    bench.interrupt(4)
    with pytest.raises(RunError, match=said):
        bench.open(**changes)
    assert bench.open(allow_changes=True, **changes)[0].notes[0].startswith("changed: train.")


def test_a_comment_in_the_spec_is_no_change(bench: Bench) -> None:
    bench.interrupt(4)
    bench.spec = load_spec(Source("tiny.yaml", "# by day\n" + bench.spec.text))
    assert bench.open()[0].begin.step == 4


@pytest.mark.parametrize("ending", [".safetensors", ".moments.safetensors", ".json"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_checkpoint_is_told_and_the_one_before_it_taken(bench: Bench, ending: str, damage: str) -> None:
    whole = bench.go_on(bench.open("whole"))
    bench.interrupt(5, every=2)
    path = bench.folder / "run" / "checkpoints" / f"step-00000005{ending}"
    data = path.read_bytes()
    middle = len(data) // 2
    changed = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    path.write_bytes(data[:-7] if damage == "cut" else changed)
    if damage == "gone":
        path.unlink()
    with pytest.raises(RunError, match=r"NS904.*\n.*the one before it is whole: step-00000004"):
        find_checkpoint(bench.folder / "run", "last")
    resumed, runtime = bench.open()
    assert resumed.begin.step == 4
    assert "NS904" in resumed.warnings[0]
    assert "the one before it is whole: step-00000004" in resumed.warnings[0]
    assert bench.go_on((resumed, runtime)).weights_sha256 == whole.weights_sha256
    assert bench.metrics() == bench.metrics("whole")


def test_where_all_checkpoints_are_damaged_nothing_is_done(bench: Bench) -> None:
    bench.interrupt(2)
    for path in (bench.folder / "run" / "checkpoints").glob("*.json"):
        path.write_text("{}")
    before = sorted((path, path.stat().st_mtime_ns) for path in (bench.folder / "run").rglob("*") if path.name != LOCK)
    with pytest.raises(RunError, match=r"NS904.*does not describe a checkpoint(.|\n)*afresh in another run directory"):
        bench.open()
    assert before == sorted(
        (path, path.stat().st_mtime_ns) for path in (bench.folder / "run").rglob("*") if path.name != LOCK
    )


def test_metrics_beyond_the_checkpoint_are_cut_back(bench: Bench) -> None:
    bench.interrupt(3)
    path = bench.folder / "run" / "metrics.csv"
    path.write_text("epoch\n1\n2\n3\n")
    resumed, _ = bench.open()
    assert not path.exists()  # the stop came before the first epoch was scored
    resumed.run.close("interrupted", NOW, {})


def test_a_folder_without_a_run_is_begun_and_a_foreign_one_left_alone(bench: Bench) -> None:
    folder = bench.folder / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "spec.resolved.yaml").write_text("")  # killed before the manifest came
    (folder / ".manifest.json.abc.tmp").write_text("{")
    resumed, runtime = bench.open()
    assert "holds no run yet" in resumed.notes[0]
    assert bench.go_on((resumed, runtime)).epochs == 2
    assert not list(folder.glob(".*.tmp"))
    (bench.folder / "thesis").mkdir()
    (bench.folder / "thesis" / "thesis.txt").write_text("precious")
    with pytest.raises(RunError, match="is not empty"):
        bench.open("thesis")
    assert os.listdir(bench.folder / "thesis") == ["thesis.txt"]


def test_a_run_is_locked_against_a_second_one_that_is_told_the_process(bench: Bench) -> None:
    resumed, runtime = bench.open()
    with pytest.raises(RunError, match=rf"is in use by process {os.getpid()}:"):
        bench.open()
    bench.go_on((resumed, runtime))
    program = "import sys; from pathlib import Path; from netspec.training.lock import lock\n"
    program += "held = lock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(bench.folder / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match=rf"is in use by process {other.pid}:"):
            bench.open()
        other.kill()
    bench.open()  # the system took the lock back


@pytest.mark.parametrize("writes", range(6))
def test_a_full_disk_ends_the_run_and_leaves_the_checkpoint_before(
    bench: Bench, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, moments, description, two tables, manifest: there is room for so many of the second checkpoint's."""
    whole = bench.go_on(bench.open("whole"))
    opened = bench.open()
    flush, done = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal done
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        done += name.endswith(".tmp") and bool(list((bench.folder / "run").rglob("epoch-0001.json")))
        if done > writes + 3:  # the tables and the manifest of the first checkpoint come after its description
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(RunError) as raised:
            bench.go_on(opened)
    assert "'epoch-0002'" in str(raised.value)
    assert "No space left on device" in str(raised.value)
    assert "the checkpoint 'epoch-0001' before it is whole" in str(raised.value)
    assert find_checkpoint(bench.folder / "run", "last").epoch == 1
    assert not list((bench.folder / "run").rglob("*.tmp"))
    assert ("epoch-0002" in bench.checkpoints()) == (writes >= 3)
    assert bench.go_on(bench.open()).weights_sha256 == whole.weights_sha256
    assert bench.metrics() == bench.metrics("whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_the_step(bench: Bench, number: signal.Signals) -> None:
    said: list[str] = []
    resumed, runtime = bench.open()
    progress = Stopper(2, lambda: os.kill(os.getpid(), number))
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), StopRequest(said.append).listening() as stop:
        train_into(resumed.run, runtime, bench.dataset, progress, lambda: NOW, stop=stop)
    assert len(said) == 1
    assert signal.getsignal(number) is before
    assert bench.backend.calls[-1].regions == ("update",)
    assert find_checkpoint(bench.folder / "run", "last").step == 2


def test_a_second_signal_does_not_wait_and_one_before_the_first_step_neither() -> None:
    with StopRequest(lambda text: None).listening() as stop:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        stop.armed = True
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_sums_of_scores_survive_json(bench: Bench) -> None:
    generator = np.random.default_rng(0)
    bench.backend.loss = lambda: float(np.float32(generator.random()))
    bench.interrupt(2)
    (description,) = (bench.folder / "run" / "checkpoints").glob("step-*.json")
    underway = json.loads(description.read_text())["underway"]
    again = find_checkpoint(bench.folder / "run", "last").position.underway
    assert again is not None
    assert (again.batches, dict(again.sums)) == (2, underway["sums"])
