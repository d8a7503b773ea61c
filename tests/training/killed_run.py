"""A small run that is killed at given moments and taken up again: the program behind test_killed.py.

``python killed_run.py FOLDER MOMENTS SEED`` trains once undisturbed, noting every event: a step, a flush, a
replacement, a removal, and whether it is part of a checkpoint's writing. Then, for each of so many random moments, a
run is killed with SIGKILL, resumed, killed again some events later, and resumed to its end, each time with another
number of threads and workers. Every fifth run is killed by the clock instead, wherever it is. Prints what came out as
JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from netspec.backend import find_backend
from netspec.data import workers
from netspec.data.dataset import Dataset, Part, labelled
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.training import runs
from netspec.training.facts import run_facts
from netspec.training.progress import Silence
from netspec.training.resume import resume_run
from netspec.training.runtime import Runtime
from netspec.training.train import train_into

SPEC = """\
netspec: 1
name: tiny
input: [6, 6, 1]
layers: [{conv: {filters: 4, kernel: 3}}, batch_norm, relu, flatten, {dropout: 0.3}, {dense: 3}, softmax]
train:
  {optimizer: adam, lr: {cosine: 0.02}, epochs: 3, batch: 8, seed: 7, augment: [{random_crop: 1}, random_flip]}
"""
EPOCH = 5
"""Steps of an epoch: 36 samples in batches of 8, of which the last is smaller."""
USES = [(threads, count) for threads in (1, 2, 4) for count in (0, 1, 3)]
"""Threads and workers."""
MOMENTS = (("step",), ("checkpoint",), ("flush", "replace", "remove"), ("checkpoint",), ("clock",))
"""Kinds of events before which runs are killed in turn; the third are of tables, manifest and tidying up."""
KEPT_WRITING = "checkpoint "
"""How the kind of an event begins that is part of a checkpoint's writing."""


def dataset() -> Dataset:
    """Noise, in three classes of brightness."""
    generator = np.random.default_rng(1)

    def part(samples: int) -> Part:
        images = generator.integers(0, 256, (samples, 6, 6, 1), np.uint8)
        return labelled(images, (images.mean(axis=(1, 2, 3)) // 10 % 3).astype(np.int32))

    return Dataset("noise", ("a", "b", "c"), part(36), part(10), part(10))


class Killer(Silence):
    """Counts events and ends the process before event ``moment`` (from 0)."""

    def __init__(self, moment: int | None) -> None:
        self.events: list[str] = []
        self._moment = moment
        self._writing = ""
        os.fsync = self._counted("flush", os.fsync)
        os.replace = self._counted("replace", os.replace)
        Path.unlink = self._counted("remove", Path.unlink)
        write = runs.write_checkpoint

        def write_checkpoint(*arguments: Any) -> None:
            self._writing = KEPT_WRITING
            write(*arguments)
            self._writing = ""

        runs.write_checkpoint = write_checkpoint

    def step(self, loss: float) -> None:
        """A step of training is done."""
        self._event("step", None)

    def _counted(self, kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self._event(kind, arguments[0])
            return call(*arguments, **options)

        return counted

    def _event(self, kind: str, subject: Any) -> None:
        if len(self.events) == self._moment:
            if kind == "flush" and stat.S_ISREG(os.fstat(subject).st_mode):
                os.ftruncate(subject, os.fstat(subject).st_size // 2)  # what was not flushed may be lost
            os.kill(os.getpid(), signal.SIGKILL)
        self.events.append(self._writing + kind)


def wait_for_workers(noted: Path) -> None:
    """Let no batch be made before all workers can, so that they make them; and note which processes they are."""
    begin = workers.Workers.__init__

    def begun(self: workers.Workers, *arguments: Any) -> None:
        begin(self, *arguments)
        with noted.open("a") as file:
            file.writelines(f"{worker.process.pid}\n" for worker in self._workers)
        while not all(worker.ready for worker in self._workers):
            self._listen(None)

    workers.Workers.__init__ = begun


def train(folder: Path, moment: int | None, use: tuple[int, int]) -> list[str]:
    """Begin or go on with the run in ``folder``; the events that there were."""
    now, (threads, count) = datetime(2026, 1, 31, tzinfo=UTC), use
    spec, data = load_spec(Source("tiny.yaml", SPEC)), dataset()
    recipe = replace(spec.recipe, workers=count)
    runtime = Runtime(spec.graph, recipe, find_backend("numba"), recipe.batch, threads)
    facts = run_facts(spec, folder.parent, data, runtime, ["netspec", "train"], now)
    killer = Killer(moment)
    wait_for_workers(folder.parent / "workers")
    resumed = resume_run(folder, spec.text, facts, runtime, EPOCH, allow_changes=False)
    train_into(resumed.run, runtime, data, killer, lambda: now, resumed.begin, checkpoint_every=2)
    return killer.events


def forked(folder: Path, moment: int | None, use: tuple[int, int], seconds: float | None = None) -> int:
    """Train in a child, which saves the start of another Python; its number of the signal that ended it, or 0.

    ``seconds`` is after how long it is killed, if it is to be.
    """
    child = os.fork()
    if not child:
        status = 1
        try:
            (folder.parent / f"{folder.name}.events").write_text(json.dumps(train(folder, moment, use)))
            status = 0
        finally:
            os._exit(status)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"the run in {folder} failed")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def outcome(folder: Path) -> dict[str, Any]:
    manifest = json.loads((folder / "manifest.json").read_text())
    left = sorted(path.name for path in folder.rglob("*.tmp"))
    return {
        "weights": manifest["weights_sha256"],
        "metrics": (folder / "metrics.csv").read_text(),
        "status": manifest["status"],
        "left": left,
    }


def orphans(noted: Path) -> list[int]:
    """Workers that run though the process that they worked for has ended; they get some seconds to notice."""
    processes = [int(line) for line in noted.read_text().split()]
    deadline = time.monotonic() + 20
    while (alive := [each for each in processes if Path(f"/proc/{each}").exists()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


def main(parent: Path, moments: int, seed: int) -> None:
    spec = load_spec(Source("tiny.yaml", SPEC))
    Runtime(spec.graph, spec.recipe, find_backend("numba"), spec.recipe.batch, 1)  # imports what all children need
    forked(parent / "first", None, (1, 0))  # compiles the kernels, and what that writes is no event of a run
    begun = time.monotonic()
    forked(parent / "whole", None, (1, 0))
    seconds = time.monotonic() - begun
    events: list[str] = json.loads((parent / "whole.events").read_text())
    generator = random.Random(seed)
    killed = []
    for number in range(moments):
        folder = parent / f"killed-{number}"
        first, second, third = (generator.choice(USES) for _ in range(3))
        wanted = MOMENTS[number % len(MOMENTS)]
        if wanted == ("clock",):
            moment, kind = -1, "clock"
            ended = forked(folder, None, first, generator.uniform(0, 2 * seconds))
        else:
            moment = generator.choice([place for place, kind in enumerate(events) if kind.partition(" ")[0] in wanted])
            kind, ended = events[moment], forked(folder, moment, first)
        signals = [ended, forked(folder, generator.randrange(30), second), forked(folder, None, third)]
        killed.append({"moment": moment, "kind": kind, "signals": signals, "uses": [first, second, third]})
        killed[-1] |= outcome(folder)
    found = {"events": events, "whole": outcome(parent / "whole"), "killed": killed}
    print(json.dumps(found | {"orphans": orphans(parent / "workers")}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
