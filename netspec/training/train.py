"""From a spec and its data to a finished run directory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from netspec.data.dataset import Dataset
from netspec.diagnostics.errors import RunError
from netspec.training.evaluate import evaluate
from netspec.training.loop import run_epochs
from netspec.training.progress import EpochResult, Progress
from netspec.training.runs import Run
from netspec.training.runtime import Runtime, image_type
from netspec.training.scores import Scores
from netspec.training.state import first_not_finite, read_state, weights_sha256


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. ``test`` is ``None`` where the data has no test part."""

    run_dir: Path
    epochs: int
    steps: int
    seconds: float
    train: Scores
    validation: Scores | None
    test: Scores | None
    weights_sha256: str

    def metrics(self) -> dict[str, dict[str, float]]:
        """Scores by part, of the parts there are."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: scores.document() for name, scores in parts.items() if scores is not None}

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "version": 1,
            "run_dir": str(self.run_dir),
            "epochs": self.epochs,
            "steps": self.steps,
            "seconds": round(self.seconds, 3),
            "metrics": self.metrics(),
            "weights_sha256": self.weights_sha256,
        }


def train_into(
    run: Run, runtime: Runtime, dataset: Dataset, progress: Progress, now: Callable[[], datetime]
) -> Outcome:
    """Train as the runtime's recipe says, with a checkpoint after each epoch; the test part is scored once, at the end.

    Whatever happens, the manifest says how the run ended. A RunError where a loss or a weight is not finite.
    """
    try:
        outcome = _train(run, runtime, dataset, progress)
    except KeyboardInterrupt:
        run.close("interrupted", now(), {})
        raise
    except Exception as error:
        run.close("failed", now(), {"error": str(error)})
        raise
    finally:
        progress.close()
    run.close("finished", now(), {"metrics": outcome.metrics(), "weights_sha256": outcome.weights_sha256})
    return outcome


def _train(run: Run, runtime: Runtime, dataset: Dataset, progress: Progress) -> Outcome:
    begun = time.perf_counter()
    progress.preparing("compiling kernels")
    runtime.load("train", image_type(dataset.train.images))
    last: EpochResult | None = None
    for last in run_epochs(runtime, dataset.train, dataset.validation, progress, runtime.recipe.epochs):
        weights = read_state(runtime.state, runtime.weights)
        _check_finite(weights, last)
        run.record(last, weights, read_state(runtime.state, runtime.moments))
    if last is None:
        raise RunError("nothing to train: epochs is 0")
    test = evaluate(runtime, dataset.test).scores if len(dataset.test) else None
    digest = weights_sha256(read_state(runtime.state, runtime.weights))
    seconds = time.perf_counter() - begun
    return Outcome(run.folder, last.epoch, last.step, seconds, last.train, last.validation, test, digest)


def _check_finite(weights: dict[str, Any], result: EpochResult) -> None:
    """The last update of an epoch has no loss behind it that would show what it did."""
    name = first_not_finite(weights)
    if name is not None:
        where = f"{result.step} (end of epoch {result.epoch}, learning rate {result.rate:g})"
        raise RunError.of("NS903", quantity=f"a number of '{name}'", value="infinite or NaN", step=where)
