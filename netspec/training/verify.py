"""Executing steps of a run again, to see whether the same bits come out.

From a checkpoint, or from the seed, a network is trained as the run was, and compared at every later checkpoint that
the run directory still holds. Where none lies within the steps that are asked for, they are executed twice and each
compared with itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from netspec.backend import find_backend
from netspec.core.graph import Slot
from netspec.data.dataset import Array, Dataset
from netspec.data.download import cache_folder
from netspec.data.read import read_dataset
from netspec.diagnostics.errors import RunError
from netspec.distributed.communicator import Communicator
from netspec.distributed.together import together
from netspec.interop.safetensors import read_weights
from netspec.training.checkpoints import Checkpoint, Course, damaged_checkpoints, whole_checkpoints
from netspec.training.evaluate import evaluate
from netspec.training.facts import run_facts
from netspec.training.loop import run_epochs
from netspec.training.open_run import spec_of_run
from netspec.training.position import START, Position
from netspec.training.progress import EpochResult, Silence
from netspec.training.ranks import keep_sums_once, whole_moments
from netspec.training.resume import changes_since, circumstances, restore
from netspec.training.runs import (
    differing_metrics,
    differing_rows,
    metrics_row,
    refuse_quantized,
    validation_losses,
)
from netspec.training.runtime import Runtime
from netspec.training.state import read_state, weights_sha256
from netspec.training.transfer import take_weights
from netspec.training.tuned import kept_tuned


@dataclass(frozen=True, slots=True)
class Difference:
    """An array, or a score, that did not come out as it was; ``said`` is by how much, in words."""

    kind: str
    name: str
    said: str

    def document(self) -> dict[str, str]:
        """Plain data for JSON."""
        return {"kind": self.kind, "name": self.name, "difference": self.said}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a place of the run was compared with: ``before`` is the hash of its weights then, ``now`` the one now."""

    against: str
    step: int
    before: str
    now: str
    differences: Sequence[Difference]

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "checkpoint": self.against,
            "step": self.step,
            "weights_sha256": {"run": self.before, "now": self.now},
            "equal": not self.differences,
            "differences": [each.document() for each in self.differences],
        }


@dataclass(slots=True)
class Verification:
    """What came of it. ``origin`` is the checkpoint that the steps began at, ``None`` for the seed.

    ``damages`` names each checkpoint that is not whole, and ``tables`` what of metrics.csv and of the manifest's
    metrics is not what the run kept. ``unchecked`` is what was not executed again. Where several ``ranks`` trained the
    run, as many have executed its steps, one after the other.
    ``circumstances`` are what differs between the run and now, and may be why something differs.
    """

    run: Path
    origin: str | None
    begin: int
    circumstances: Sequence[str]
    damages: Sequence[str] = ()
    tables: Sequence[str] = ()
    unchecked: Sequence[str] = ()
    ranks: int = 1
    twice: bool = False
    steps: int = 0
    compared: list[Comparison] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether every checkpoint is whole, and everything that was compared is the same to the bit."""
        return not self.damages and not self.tables and not any(comparison.differences for comparison in self.compared)

    def first_steps(self) -> tuple[int, int] | None:
        """The steps, from and to, of which one is the first that came out otherwise; ``None`` where all are equal."""
        reached = self.begin
        for comparison in self.compared:
            if comparison.differences:
                return comparison.step if self.twice else reached + 1, comparison.step
            reached = comparison.step
        return None

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "version": 1,
            "run_dir": str(self.run),
            "from": {"checkpoint": self.origin, "step": self.begin},
            "steps": self.steps,
            "ranks": self.ranks,
            "executed_twice": self.twice,
            "equal": self.equal,
            "first_difference": self.first_steps(),
            "compared": [comparison.document() for comparison in self.compared],
            "damaged": list(self.damages),
            "tables": list(self.tables),
            "unchecked": list(self.unchecked),
            "circumstances": list(self.circumstances),
        }


@dataclass(frozen=True, slots=True)
class _Bench:
    """A run, opened to be executed again from one place as often as it takes."""

    spec_folder: Path
    dataset: Dataset
    make: Callable[[Communicator], Runtime]
    begin: Checkpoint | None
    tested: Mapping[str, float] | None
    """What the manifest says of the test part, where the run came to its end with the checkpoint ``last``."""
    last: str | None

    @property
    def position(self) -> Position:
        """Where that is."""
        return START if self.begin is None else self.begin.position

    def runtime(self, world: Communicator) -> Runtime:
        """A network in the state of the place to begin at, for a rank of the world."""
        runtime = self.make(world)
        if self.begin is not None:
            restore(runtime, self.begin)
            keep_sums_once(runtime)
        elif runtime.recipe.init:
            take_weights(runtime, runtime.recipe.init, self.spec_folder)
        return runtime

    def execute(self, runtime: Runtime, visit: Callable[[Position, EpochResult | None], bool]) -> None:
        """Train from the place to begin at, until ``visit`` says that it is enough.

        It is told the position after each step, and again after each epoch, with what that came to.
        """
        course = Course() if self.begin is None else self.begin.course

        def after_step(position: Position) -> None:
            if visit(position, None):
                raise _EnoughError

        parts, epochs = (self.dataset.train, self.dataset.validation), runtime.recipe.epochs
        losses = validation_losses(course.metrics)
        results = run_epochs(
            runtime, *parts, Silence(), epochs, begin=self.position, after_step=after_step, losses=losses
        )
        with suppress(_EnoughError), closing(results):
            for result in results:
                if visit(Position(result.epoch, result.step), result):
                    return


class _EnoughError(Exception):
    """There is nothing more to look at."""


def verify_run(
    folder: Path,
    data_dir: Path | None,
    backend: str,
    threads: int,
    now: datetime,
    workers: int | None = None,
    from_seed: bool = False,
    steps: int | None = None,
) -> Verification:
    """Execute a run again from its last checkpoint but one, or from the seed, up to its last, or for so many ``steps``.

    It starts from the seed too where there is one checkpoint only. A RunError where the folder holds no run, or none
    of its checkpoints is whole.
    """
    spec, spec_folder, manifest = spec_of_run(folder)
    refuse_quantized(folder, manifest)
    ranks = int(manifest.get("world", {}).get("size", 1))
    workers = 0 if ranks > 1 and workers is None else workers  # ranks take turns: workers of the others would wait
    if workers is not None:
        spec = replace(spec, recipe=replace(spec.recipe, workers=workers))
    checkpoints = whole_checkpoints(folder / "checkpoints")
    damages = damaged_checkpoints(folder / "checkpoints", manifest.get("last"))
    if not checkpoints:
        listed = "".join(f"\n  {damage}" for damage in damages)
        raise RunError(f"the run '{folder}' has no checkpoint that is whole: there is nothing to compare with{listed}")
    begin = None if from_seed or len(checkpoints) == 1 else checkpoints[-2]
    dataset = read_dataset(spec, data_dir, spec_folder, cache_folder())
    machine, tuned = find_backend(backend), kept_tuned(folder, manifest)

    def make(world: Communicator) -> Runtime:
        return Runtime(spec.graph, spec.recipe, machine, spec.recipe.batch, threads, world=world, tuned=tuned)

    bench = _Bench(spec_folder, dataset, make, begin, manifest.get("metrics", {}).get("test"), manifest.get("last"))
    last = checkpoints[-1].step if steps is None else bench.position.step + steps
    later = checkpoints if begin is None else checkpoints[checkpoints.index(begin) + 1 :]
    targets = [checkpoint for checkpoint in later if checkpoint.step <= last]

    def act(world: Communicator) -> Verification:
        runtime = bench.runtime(world)
        said: list[str] = []
        if world.rank == 0:  # all ranks have the same state, and the same to say
            facts = run_facts(spec, spec_folder, dataset, runtime, [], now)
            said = _changed(manifest, facts, runtime, checkpoints[-1], len(dataset.train))
        found = Verification(folder, begin.name if begin else None, bench.position.step, said, damages, ranks=ranks)
        if targets:
            _against_checkpoints(bench, runtime, targets, found)
        else:
            _against_itself(bench, runtime, last, found)
        return found

    found = together(ranks, act)[0]
    rows = checkpoints[-1].course.metrics
    found.tables = [*differing_rows(folder, rows), *differing_metrics(manifest, rows)]
    found.unchecked = _rows_left_out(rows, found)
    return found


def _changed(
    manifest: Mapping[str, Any], facts: Mapping[str, Any], runtime: Runtime, at: Checkpoint, samples: int
) -> list[str]:
    """What differs between the run and now; there are as many ranks now as there were."""
    now = {**facts, **({"world": manifest["world"]} if runtime.world.size > 1 else {})}
    changes = changes_since(manifest, now, runtime, at, -(-samples // runtime.split.batch))
    return [*(f"changed: {change}" for change in changes), *circumstances(manifest, now)]


def _rows_left_out(rows: Sequence[Mapping[str, float]], found: Verification) -> list[str]:
    """The epochs of metrics.csv that were not executed again from their beginning to their end, in words."""
    done = {each.step for each in found.compared} if not found.twice else set[int]()
    reached = max(done, default=0)
    left = [int(row["epoch"]) for row in rows if not found.begin < row["step"] <= reached]
    if not left:
        return []
    named = f"epoch {left[0]}" if len(left) == 1 else f"epochs {', '.join(map(str, left))}"
    return [f"metrics.csv, {named}: not executed again, only compared with what the checkpoint keeps"]


def _against_checkpoints(bench: _Bench, runtime: Runtime, targets: list[Checkpoint], found: Verification) -> None:
    """Compare at each of these checkpoints, up to the first that differs."""
    left = list(targets)

    def visit(position: Position, result: EpochResult | None) -> bool:
        found.steps = position.step - found.begin
        target = left[0]
        if position.step < target.step or (target.position.underway is None and result is None):
            return False
        weights, moments = read_state(runtime.state, runtime.weights), whole_moments(runtime)
        before = {**_read(target.weights, runtime.weights), **_read(target.moments, runtime.moments)}
        differences = _differing_arrays(before, {**weights, **moments})
        differences += _differing_scores(target, position, result)
        if result is not None and bench.tested is not None and target.name == bench.last:
            tested = evaluate(runtime, bench.dataset.test, runtime.world).scores
            differences += _differing("test_", bench.tested, tested.document())
        hashes = weights_sha256(_read(target.weights, runtime.weights)), weights_sha256(weights)
        found.compared.append(Comparison(target.name, target.step, *hashes, differences))
        left.pop(0)
        return bool(differences) or not left

    bench.execute(runtime, visit)


def _against_itself(bench: _Bench, runtime: Runtime, last: int, found: Verification) -> None:
    """Execute the steps up to ``last`` twice, and compare after each of them, up to the first that differs."""
    found.twice = True
    first: dict[int, dict[str, str]] = {}

    def note(position: Position, result: EpochResult | None) -> bool:
        if result is None:
            first[position.step] = _hashes(runtime)
        return position.step >= last

    bench.execute(runtime, note)
    again = bench.runtime(runtime.world)

    def visit(position: Position, result: EpochResult | None) -> bool:
        if result is not None:
            return False
        found.steps = position.step - found.begin
        before, now = first[position.step], _hashes(again)
        differences = [Difference("array", name, "other numbers") for name in now if now[name] != before[name]]
        if differences or position.step >= max(first):
            found.compared.append(
                Comparison("the first execution", position.step, _all(before), _all(now), differences)
            )
            return True
        return False

    bench.execute(again, visit)


def _hashes(runtime: Runtime) -> dict[str, str]:
    """The hash of every array of the state, by name."""
    state = read_state(runtime.state, (*runtime.weights, *runtime.moments))
    return {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in state.items()}


def _all(hashes: Mapping[str, str]) -> str:
    """One hash over those of all arrays."""
    return hashlib.sha256("".join(hashes.values()).encode()).hexdigest()


def _read(file: Path, slots: Sequence[Slot]) -> dict[str, Array]:
    return dict(read_weights(file, {slot.name: slot.param.shape for slot in slots}))


def _differing_arrays(before: Mapping[str, Array], now: Mapping[str, Array]) -> list[Difference]:
    """The arrays of which a number is another, in the order of the network."""
    found = []
    for name, array in now.items():
        others = array.view(np.uint32) != before[name].view(np.uint32)
        if others.any():
            by = np.abs(array.astype(np.float64) - before[name]).max()
            said = f"{np.count_nonzero(others):,} of {array.size:,} numbers, by up to {by:.3g}"
            found.append(Difference("array", name, said))
    return found


def _differing_scores(target: Checkpoint, position: Position, result: EpochResult | None) -> list[Difference]:
    """What of the scores that a checkpoint keeps is another: of the row of its epoch, or the sums of one under way."""
    if target.position.underway is not None:
        before, now = (each.underway.sums if each.underway else {} for each in (target.position, position))
    else:
        before, now = target.course.metrics[-1], metrics_row(result) if result else {}
    return _differing("", before, now)


def _differing(prefix: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    names = dict.fromkeys((*before, *now))
    return [
        Difference("metric", f"{prefix}{name}", f"{before.get(name)} → {now.get(name)}")
        for name in names
        if json.dumps(before.get(name)) != json.dumps(now.get(name))
    ]
