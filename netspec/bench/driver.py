"""Starts a process for each variant, compares what they compute, and lets them run in turn, one at a time.

Several runtimes in one process wait for each other's threads; so each has its own, and while one runs the others wait
for a pipe.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from netspec.bench.case import Case
from netspec.bench.variants import CLEARED, Variant
from netspec.diagnostics.errors import RunError
from netspec.interop.tensors import Array, relative_error

PAUSE = 0.05
"""Seconds between two sides: the threads of a runtime spin for a while after their last work."""
ROUNDS = 10
"""Turns that each side gets, if it runs at least as often."""
SECONDS, FEWEST, MOST = 4.0, 10, 200
"""Where the number of runs is not given: as many as the slowest side does in this time, within these bounds."""
COMPARED_STEPS = 3
"""Steps of training whose losses are compared: from the second on they tell of gradients and the optimiser too."""
SAME, SAME_DESCENT = 1e-4, 0.05
"""How far sides may differ, relative to the largest number: in a loss or a prediction, since float32 sums are taken in
another order; and in how losses fall, since normalisation over a small batch enlarges what was rounded. A gradient that
is wrong makes them fall otherwise."""
SAME_BYTES = 0.2
"""How far a quantised network may be on another side: where a number lies between two bytes, either may come out, and
what follows is rounded again in every layer, sums once more in one variant. Another network is further away."""
DESCENT = "descent"
"""What the fall of losses over some steps is called among the results of a side."""

Notice = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Timing:
    """What was measured of a variant; seconds of every run, bytes beyond what its imports take."""

    variant: Variant
    seconds: tuple[float, ...]
    peak_bytes: int

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)


class Worker:
    """The process of one variant. A RunError when it ends before it should."""

    def __init__(self, variant: Variant, folder: Path, threads: int) -> None:
        self.variant = variant
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the process has ended
        kept = {name: value for name, value in os.environ.items() if not name.startswith(CLEARED)}
        own = {"OMP_NUM_THREADS": str(threads), **variant.environment}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "netspec.bench.worker", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**kept, **own},
            text=True,
        )
        self._send(variant.document())

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self._process.kill()
        self._process.communicate()
        self._log.close()

    def run(self, steps: int) -> dict[str, Any]:
        """So many steps: the seconds and the loss of each."""
        return self._ask({"run": steps})

    def outputs(self, file: Path) -> dict[str, Array]:
        """What the last prediction gave, by head."""
        self._ask({"outputs": str(file)})
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def peak(self) -> int:
        """Bytes at most, beyond what its imports take."""
        return int(self._ask({"peak": True})["peak"])

    def wait_ready(self) -> None:
        """Until the network is there."""
        self._answer()

    def _ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        self._send(order)
        return self._answer()

    def _send(self, order: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RunError.of("NS934", variant=self.variant.title, problem=self._last_words())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = [line for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit status {self._process.wait()}"


def compare(variants: Sequence[Variant], folder: Path, case: Case, notice: Notice) -> dict[str, dict[str, float]]:
    """By variant, how far each result is from that of our exact one; a RunError where that is too far.

    Variants in a tuned environment are left out, since they compute the same numbers. Of a quantised network all are
    compared with ours.
    """
    found: dict[str, dict[str, Array]] = {}
    for variant in (each for each in variants if not each.environment and each.options.get("compared", True)):
        notice(f"checking {variant.title}")
        with Worker(variant, folder, case.threads) as worker:
            worker.wait_ready()
            if case.mode == "train":
                losses = np.array(worker.run(COMPARED_STEPS)["losses"])
                found[variant.title] = {"loss": losses[:1], DESCENT: losses[0] - losses[1:]}
            else:
                worker.run(1)
                found[variant.title] = worker.outputs(folder / "outputs.npz")
    exact = (variant.title for variant in variants if variant.options.get("math") == "exact")
    wanted = found[next(exact, variants[0].title)]
    same = SAME if case.ranges is None else SAME_BYTES
    return {title: _errors(title, arrays, wanted, same) for title, arrays in found.items()}


def _errors(
    title: str, found: Mapping[str, Array], wanted: Mapping[str, Array], same: float = SAME
) -> dict[str, float]:
    """How far each result is from the wanted one."""
    errors = {name: relative_error(found[name], array) if name in found else math.inf for name, array in wanted.items()}
    for name, error in errors.items():
        allowed = SAME_DESCENT if name == DESCENT else same
        if not error <= allowed:
            raise RunError.of("NS933", variant=title, what=name, error=f"{error:.1e}", tolerance=f"{allowed:g}")
    return errors


def measure(variants: Sequence[Variant], folder: Path, case: Case, runs: int | None, notice: Notice) -> list[Timing]:
    """Time every variant: all are started, then they take turns, each ``runs`` times in all."""
    seconds: dict[str, list[float]] = {variant.title: [] for variant in variants}
    with ExitStack() as stack:
        workers, slowest = [], 0.0
        for variant in variants:
            notice(f"starting {variant.title}")
            worker = stack.enter_context(Worker(variant, folder, case.threads))
            worker.wait_ready()
            worker.run(2)  # kernels are compiled, memory is taken
            slowest = max(slowest, *worker.run(1)["seconds"])
            workers.append(worker)
        counts = _shares(runs or min(max(round(SECONDS / slowest), FEWEST), MOST))
        for turn, count in enumerate(counts, start=1):
            notice(f"round {turn} of {len(counts)}, {count} runs of each")
            for worker in workers:
                time.sleep(PAUSE)
                worker.run(1)  # the caches are those of the side before
                seconds[worker.variant.title] += worker.run(count)["seconds"]
        return [Timing(w.variant, tuple(seconds[w.variant.title]), w.peak()) for w in workers]


def _shares(runs: int) -> list[int]:
    """So many runs dealt out to the rounds."""
    rounds = min(ROUNDS, runs)
    return [runs // rounds + (turn < runs % rounds) for turn in range(rounds)]
