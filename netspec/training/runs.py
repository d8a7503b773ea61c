"""The run directory: what was run, how it went, and what came out.

``manifest.json`` names the circumstances and the checkpoints ``best`` and ``last``; ``spec.resolved.yaml`` is the spec;
``metrics.csv`` has a row per epoch and is the same for two equal runs, since wall times stand in ``timings.csv``.

Of the checkpoints the last and the best are kept, and those that were the last and the best one checkpoint ago: should
the last be damaged, the run goes on from the one before it. Nothing is removed before what takes its place is on the
disk.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from netspec.data.dataset import Array
from netspec.diagnostics.errors import RunError
from netspec.syntax.source import RESOLVED
from netspec.syntax.spec import Spec
from netspec.training.checkpoints import (
    Checkpoint,
    Course,
    checkpoint_names,
    read_checkpoint,
    remove_all_but,
    write_checkpoint,
)
from netspec.training.files import remove_leftovers, write_atomic, write_json, writing
from netspec.training.lock import LOCK, Lock, lock
from netspec.training.position import Position
from netspec.training.progress import EpochResult
from netspec.training.scores import Scores

MANIFEST = "manifest.json"
SPEC = RESOLVED
_WAITED_OF = ("waited_seconds", "seconds")
Status = Literal["running", "finished", "failed", "interrupted"]
Kept = Literal["best", "last"]


class Run:
    """A run directory that is being written, by this process alone. Every file in it is replaced as a whole, never half
    written. What cannot be written is a RunError, and the checkpoint before it is whole.

    Without a lock that is ``held`` the process follows the one that writes: it knows of the run what that one does.
    """

    def __init__(
        self, folder: Path, facts: Mapping[str, Any], held: Lock | None, begin: Checkpoint | None = None
    ) -> None:
        self.folder = folder
        self.writes = held is not None
        self.course = Course() if begin is None else begin.course
        self._lock = held
        self._kept = set() if begin is None else {begin.name, begin.course.best or begin.name}
        last = None if begin is None else begin.name
        self._manifest: dict[str, Any] = {
            **facts,
            "status": "running",
            "ended": None,
            "best": self.course.best,
            "last": last,
        }

    @classmethod
    def create(cls, folder: Path, spec_text: str, facts: Mapping[str, Any], resume: bool = False) -> Run:
        """A new run in ``folder``; a RunError where that already holds something, an NS993 where it cannot be made.

        With ``resume`` it may hold what a process left that was killed while it made the folder.
        """
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            _refuse_used(folder, resume)
            held = lock(folder)
            try:
                _refuse_used(folder, resume)  # another process may have been faster
                run = cls(folder, facts, held)
                run.begin(spec_text)
            except BaseException:
                held.release()
                raise
        return run

    @classmethod
    def following(cls, folder: Path, facts: Mapping[str, Any], course: Course, last: str | None) -> Run:
        """A run that another process writes, at this point of its course and with this ``last`` checkpoint."""
        run = cls(folder, facts, None)
        run.course = course
        run._manifest |= {"best": course.best, "last": last}
        return run

    def begin(self, spec_text: str) -> None:
        """Write what a run has before its first step, and cut back what goes beyond the checkpoint it begins at."""
        with _explained(f"the run directory '{self.folder}' cannot be written"):
            self._checkpoints.mkdir(exist_ok=True)
            remove_leftovers(self.folder)
            remove_leftovers(self._checkpoints)
            write_atomic(self.folder / SPEC, spec_text.encode())
            self._write_tables()
            self._write_manifest()

    @property
    def _checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def record(self, result: EpochResult, weights: Mapping[str, Array], moments: Mapping[str, Array]) -> None:
        """Note an epoch and keep its checkpoint as the last one, and as the best where it is.

        The best has the lowest validation loss; without validation it is the last.
        """
        name = f"epoch-{result.epoch:04d}"
        best, lowest = self.course.best, self.course.lowest
        validated = None if result.validation is None else result.validation.loss
        if validated is None or best is None or lowest is None or validated < lowest:
            best, lowest = name, None if validated is None or math.isnan(validated) else validated
        timing = {
            "epoch": result.epoch,
            "seconds": result.seconds,
            "samples_per_second": result.samples / result.seconds,
            "waited_seconds": result.waited,
        }
        self.course = Course(best, lowest, (*self.course.metrics, metrics_row(result)), (*self.course.timings, timing))
        position = Position(result.epoch, result.step, skipped_in_a_row=result.skipped_in_a_row)
        self._keep(name, position, weights, moments)

    def keep(self, position: Position, weights: Mapping[str, Array], moments: Mapping[str, Array]) -> None:
        """Keep a checkpoint within an epoch as the last one."""
        self._keep(f"step-{position.step:08d}", position, weights, moments)

    def close(self, status: Status, ended: datetime, outcome: Mapping[str, Any]) -> None:
        """Note how the run ended and its outcome, final metrics or what went wrong, and give the folder free."""
        self._manifest |= {"status": status, "ended": ended.isoformat(timespec="seconds"), **outcome}
        if self._lock is None:
            return
        try:
            with _explained(f"the end of the run '{self.folder}' cannot be noted"):
                self._write_manifest()
        finally:
            self._lock.release()

    def validation_losses(self) -> list[float]:
        """The loss on the validation part after each epoch that had one."""
        return validation_losses(self.course.metrics)

    def waited_share(self) -> float:
        """The share of the epochs' training time that went by until data came; 0 before there is an epoch."""
        waited, seconds = (sum(row.get(name, 0.0) for row in self.course.timings) for name in _WAITED_OF)
        return waited / seconds if seconds else 0.0

    def skipped_steps(self) -> int:
        """Steps of the epochs that are done which were left out, since their numbers were not finite."""
        return sum(int(row.get("skipped_steps", 0)) for row in self.course.metrics)

    @property
    def last(self) -> str | None:
        """Name of the last checkpoint; None before the first."""
        name: str | None = self._manifest["last"]
        return name

    def last_scores(self) -> tuple[Scores, Scores | None]:
        """Scores of the last epoch on the training part and, where there is one, on the validation part."""
        train, validation = (_scores(self.course.metrics[-1], part) for part in ("train", "validation"))
        return train or Scores(math.nan, {}), validation

    def _keep(self, name: str, position: Position, weights: Mapping[str, Array], moments: Mapping[str, Array]) -> None:
        if not self.writes:
            self._manifest |= {"last": name, "best": self.course.best}
            return
        before = self._manifest["last"]
        whole = f"the checkpoint '{before}' before it is whole" if before else "there is no checkpoint yet"
        advice = "make room or mend what is wrong, then go on with --resume"
        with _explained(f"the checkpoint '{name}' of the run '{self.folder}' cannot be written", f"{whole}; {advice}"):
            try:
                seed = int(self._manifest["seed"])
                write_checkpoint(self._checkpoints, name, weights, moments, position, seed, self.course)
                self._write_tables()
                self._manifest |= {"last": name, "best": self.course.best}
                self._write_manifest()
            except OSError:
                self._make_room()
                raise
            kept = {name, self.course.best or name}
            remove_all_but(self._checkpoints, kept | self._kept)
            self._kept = kept

    def _make_room(self) -> None:
        """Remove what was written of a checkpoint that did not come about."""
        with suppress(OSError):  # what failed before is what is reported
            remove_all_but(self._checkpoints, set(checkpoint_names(self._checkpoints)))

    def _write_tables(self) -> None:
        for name, rows in (("metrics.csv", self.course.metrics), ("timings.csv", self.course.timings)):
            if rows:
                write_atomic(self.folder / name, _table(rows))
            else:
                (self.folder / name).unlink(missing_ok=True)

    def _write_manifest(self) -> None:
        write_json(self.folder / MANIFEST, self._manifest)


@contextmanager
def _explained(what: str, more: str = "") -> Iterator[None]:
    """Turns what the system says of a file into a RunError."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{what}: {error.strerror or error}" + (f"\n  help: {more}" if more else "")) from error


def _refuse_used(folder: Path, resume: bool) -> None:
    """A RunError where the folder holds anything but its lock or, to ``resume``, the beginnings of a run."""
    ours = {LOCK, SPEC, "checkpoints"} if resume else {LOCK}
    if (folder / MANIFEST).exists():
        raise RunError(
            f"the run directory '{folder}' is not empty, it holds a run: --resume goes on with it, "
            "else give another --run-dir, or remove what is in it"
        )
    if any(path.name not in ours and not (resume and path.suffix == ".tmp") for path in folder.iterdir()):
        raise RunError(f"the run directory '{folder}' is not empty: give another --run-dir, or remove what is in it")
    if resume and checkpoint_names(folder / "checkpoints"):
        raise RunError(f"the run directory '{folder}' has checkpoints, but its {MANIFEST} is missing")


def new_folder(parent: Path, name: str, now: datetime) -> Path:
    """A folder below ``parent`` that does not exist yet, such as ``runs/lenet5-20260131-142500``."""
    stem = f"{name}-{now:%Y%m%d-%H%M%S}"
    candidate, count = parent / stem, 1
    while candidate.exists():
        count += 1
        candidate = parent / f"{stem}-{count}"
    return candidate


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run; a RunError where ``folder`` is none."""
    try:
        document = json.loads((folder / MANIFEST).read_bytes())
    except OSError as error:
        reason = f"it has no readable {MANIFEST}" if folder.exists() else "nothing of that name is there"
        raise RunError(f"'{folder}' is not a run directory: {reason}") from error
    except ValueError as error:
        raise RunError(f"'{folder / MANIFEST}' is damaged: {error}") from error
    if not isinstance(document, dict):
        raise RunError(f"'{folder / MANIFEST}' is damaged: it does not hold a mapping")
    return document


def refuse_quantized(folder: Path, manifest: Mapping[str, Any]) -> None:
    """NS862 where the manifest of the folder is that of a quantised network, not of a run."""
    if "quantized" in manifest:
        raise RunError.of("NS862", path=str(folder))


def find_checkpoint(folder: Path, kept: Kept) -> Checkpoint:
    """The best or the last checkpoint of a run; a RunError where there is none, or it is damaged."""
    manifest = read_manifest(folder)
    refuse_quantized(folder, manifest)
    name = manifest.get(kept)
    if not isinstance(name, str):
        raise RunError(f"the run '{folder}' has no checkpoint: it ended before its first epoch did")
    return read_checkpoint(folder / "checkpoints", Path(name).name)


def validation_losses(rows: Iterable[Mapping[str, float]]) -> list[float]:
    """The loss on the validation part in each row of metrics.csv that has one."""
    return [row["validation_loss"] for row in rows if "validation_loss" in row]


def metrics_row(result: EpochResult) -> dict[str, float]:
    """A row of metrics.csv."""
    row: dict[str, float] = {"epoch": result.epoch, "step": result.step, "lr": result.rate}
    row |= {"skipped_steps": result.skipped} if result.skipped else {}
    parts = (("train", result.train), ("validation", result.validation), ("averaged", result.averaged))
    for part, scores in parts:
        row |= {f"{part}_{name}": value for name, value in (scores.document() if scores else {}).items()}
    return row


def _scores(row: Mapping[str, float], part: str) -> Scores | None:
    """What `metrics_row` wrote for a part; ``None`` where it wrote nothing."""
    found = {name.removeprefix(f"{part}_"): value for name, value in row.items() if name.startswith(f"{part}_")}
    return Scores(found.pop("loss"), found) if found else None


def _table(rows: Sequence[Mapping[str, float]]) -> bytes:
    """Rows as CSV with a header; floats as the shortest text that reads back the same. What a row lacks stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read_table(file: Path) -> tuple[dict[str, float], ...]:
    """The rows of a table of a run, without what a row lacks; none where there is no table yet.

    A RunError where it cannot be read, or is no table of numbers.
    """
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            found = csv.DictReader(stream)
            return tuple({name: float(value) for name, value in row.items() if value != ""} for row in found)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise RunError(f"'{file}' cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError) as error:  # TypeError: a row that is too short or too long
        raise RunError(f"'{file}' is damaged: it is no table of numbers") from error


def differing_rows(folder: Path, kept: Sequence[Mapping[str, float]]) -> list[str]:
    """What of metrics.csv is not what the rows that a checkpoint ``kept`` are, line by line."""
    try:
        lines = (folder / "metrics.csv").read_bytes().decode("utf-8", "replace").splitlines() if kept else []
    except OSError as error:
        return [f"metrics.csv cannot be read: {error.strerror or error}"]
    expected = _table(kept).decode().splitlines() if kept else []
    found = [
        f"metrics.csv, line {number}: it is not what the checkpoint keeps: {new} instead of {old}"
        for number, (old, new) in enumerate(zip(expected, lines, strict=False), 1)
        if old != new
    ]
    missing = [f"metrics.csv, line {number}: it is missing" for number in range(len(lines) + 1, len(expected) + 1)]
    beyond = [
        f"metrics.csv, line {n}: no whole checkpoint tells of it" for n in range(len(expected) + 1, len(lines) + 1)
    ]
    return [*found, *missing, *beyond]


def differing_metrics(manifest: Mapping[str, Any], kept: Sequence[Mapping[str, float]]) -> list[str]:
    """What of the manifest's metrics is not in the last of the rows that a checkpoint ``kept``, which knows no test."""
    if not kept or "metrics" not in manifest:
        return []
    found = []
    for part in ("train", "validation"):
        scores = _scores(kept[-1], part)
        expected, told = scores.document() if scores else {}, manifest["metrics"].get(part, {})
        found += [
            f"{MANIFEST}, metrics of {part}: {name} is {told.get(name)} instead of {expected.get(name)}"
            for name in dict.fromkeys((*expected, *told))
            if json.dumps(told.get(name)) != json.dumps(expected.get(name))
        ]
    return found


def with_settings(spec: Spec, manifest: Mapping[str, Any]) -> Spec:
    """The spec as the run used it: with the epochs, batch and seed that its command line may have set."""
    settings: dict[str, Any] = {key: int(manifest[key]) for key in ("epochs", "batch", "seed")}
    return replace(spec, recipe=replace(spec.recipe, **settings))
