"""A small run that is killed at given events and taken up again: the program behind test_killed.py.

``python killed_run.py FOLDER MOMENTS SEED`` trains once undisturbed, noting every event: a step, a flush, a
replacement, a removal. Then, for each of so many random moments, a run is killed with SIGKILL before that event,
resumed, killed again some events later, and resumed to its end. Prints what came out as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from netspec.backend import find_backend
from netspec.data.dataset import Dataset, Part, labelled
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source
from netspec.training.facts import run_facts
from netspec.training.progress import Silence
from netspec.training.resume import resume_run
from netspec.training.runtime import Runtime
from netspec.training.train import train_into

SPEC = """\
netspec: 1
name: tiny
input: [4, 4, 1]
layers: [flatten, {dense: 12}, batch_norm, relu, {dropout: 0.3}, {dense: 3}, softmax]
train: {optimizer: adam, lr: {cosine: 0.02}, epochs: 3, batch: 8, seed: 7}
"""


def dataset() -> Dataset:
    """36 samples to learn from, so that the last batch of an epoch is smaller."""
    generator = np.random.default_rng(1)

    def part(samples: int) -> Part:
        images = generator.integers(0, 256, (samples, 4, 4, 1), np.uint8)
        return labelled(images, (images.mean(axis=(1, 2, 3)) // 20 % 3).astype(np.int32))

    return Dataset("noise", ("a", "b", "c"), part(36), part(10), part(10))


class Killer(Silence):
    """Counts events and ends the process before event ``moment`` (from 0)."""

    def __init__(self, moment: int | None) -> None:
        self.events: list[str] = []
        self._moment = moment
        os.fsync = self._counted("flush", os.fsync)
        os.replace = self._counted("replace", os.replace)
        Path.unlink = self._counted("remove", Path.unlink)

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
        self.events.append(kind)


def train(folder: Path, moment: int | None, threads: int) -> list[str]:
    """Begin or go on with the run in ``folder``; the events that there were."""
    now = datetime(2026, 1, 31, tzinfo=UTC)
    spec, data, killer = load_spec(Source("tiny.yaml", SPEC)), dataset(), Killer(moment)
    runtime = Runtime(spec.graph, spec.recipe, find_backend("numba"), spec.recipe.batch, threads)
    facts = run_facts(spec, folder.parent, data, runtime, ["netspec", "train"], now)
    resumed = resume_run(folder, spec.text, facts, runtime, 5, allow_changes=False)
    train_into(resumed.run, runtime, data, killer, lambda: now, resumed.begin, checkpoint_every=2)
    return killer.events


def forked(folder: Path, moment: int | None, threads: int) -> int:
    """Train in a child, which saves the start of another Python; its number of the signal that ended it, or 0."""
    child = os.fork()
    if not child:
        status = 1
        try:
            (folder.parent / f"{folder.name}.events").write_text(json.dumps(train(folder, moment, threads)))
            status = 0
        finally:
            os._exit(status)
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


def main(parent: Path, moments: int, seed: int) -> None:
    forked(parent / "first", None, 1)  # compiles the kernels, and what that writes is no event of a run
    forked(parent / "whole", None, 1)
    events: list[str] = json.loads((parent / "whole.events").read_text())
    generator = random.Random(seed)
    killed = []
    for number in range(moments):
        # Steps are few among the events: every third moment is one of theirs, the others are amidst the writing.
        among = [moment for moment, kind in enumerate(events) if (kind == "step") == (number % 3 == 0)]
        moment, folder = generator.choice(among), parent / f"killed-{number}"
        signals = [forked(folder, moment, 1), forked(folder, generator.randrange(30), 2), forked(folder, None, 1)]
        killed.append({"moment": moment, "kind": events[moment], "signals": signals, **outcome(folder)})
    print(json.dumps({"events": events, "whole": outcome(parent / "whole"), "killed": killed}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
