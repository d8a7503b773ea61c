"""From a spec and its data to a finished run directory."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from netspec.data.dataset import Array, Dataset, Part
from netspec.diagnostics.errors import RunError
from netspec.training.average import keep_average
from netspec.training.evaluate import evaluate
from netspec.training.loop import NotFiniteError, run_epochs
from netspec.training.position import START, Position
from netspec.training.progress import Progress
from netspec.training.pruning import refuse_late_pruning
from netspec.training.quantization_aware import refuse_late_rounding
from netspec.training.ranks import whole_moments
from netspec.training.runs import Run, Status
from netspec.training.runtime import Runtime
from netspec.training.scores import Scores
from netspec.training.state import first_not_finite, read_state, weights_sha256
from netspec.training.stopping import StopRequest
from netspec.training.warm_up import compile_training


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. ``test`` is ``None`` where the data has no test part."""

    run_dir: Path
    epochs: int
    steps: int
    seconds: float
    """Of training and of what was scored with it, checkpoints included; not of compiling."""
    compile_seconds: float
    """What went by until kernels were there, by the end of the run: compiled, or read from the cache."""
    train: Scores
    validation: Scores | None
    test: Scores | None
    weights_sha256: str
    waited_share: float = 0.0
    """Of the time that training took, what went by until data came."""
    skipped_steps: int = 0
    """Steps that changed nothing, since their loss or a gradient was not finite."""

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
            "compile_seconds": round(self.compile_seconds, 3),
            "metrics": self.metrics(),
            "weights_sha256": self.weights_sha256,
            **self.remarks(),
        }

    def remarks(self) -> dict[str, Any]:
        """How the training went, beside its scores, as plain data."""
        return {"waited_share": round(self.waited_share, 4), "skipped_steps": self.skipped_steps}


def train_into(
    run: Run,
    runtime: Runtime,
    dataset: Dataset,
    progress: Progress,
    now: Callable[[], datetime],
    begin: Position = START,
    checkpoint_every: int | None = None,
    stop: StopRequest | None = None,
) -> Outcome:
    """Train as the runtime's recipe says, with a checkpoint after each epoch; the test part is scored once, at the end.

    The run goes on at ``begin``, which is where the state is. Further checkpoints come after every
    ``checkpoint_every`` steps, and when ``stop`` asks to end, which is a KeyboardInterrupt.
    Whatever happens, the manifest says how the run ended. A RunError where a loss or a weight is not finite, or a
    file cannot be written.
    """
    wish = stop or StopRequest(lambda text: None)
    try:
        outcome = _train(run, runtime, dataset, progress, begin, checkpoint_every, wish)
    except KeyboardInterrupt:
        _close_failed(run, "interrupted", now(), {})
        raise
    except NotFiniteError as error:
        kept = f"'{run.last}'" if run.last else "none yet, so that the run begins anew"
        told = RunError(f"{error}\n  last good checkpoint: {kept}")
        _close_failed(run, "failed", now(), {"error": str(told)})
        raise told from error
    except Exception as error:
        _close_failed(run, "failed", now(), {"error": str(error)})
        raise
    finally:
        wish.armed = False
        progress.close()
    digest = {"weights_sha256": outcome.weights_sha256}
    run.close("finished", now(), {"metrics": outcome.metrics(), **digest, **outcome.remarks()})
    return outcome


def _close_failed(run: Run, status: Status, ended: datetime, outcome: dict[str, Any]) -> None:
    """Note a failure if that can be: a full disk is to be reported by what it stopped, not by this."""
    with suppress(RunError):
        run.close(status, ended, outcome)


def refuse_what_comes_too_late(runtime: Runtime, train: Part) -> None:
    """A RunError where the run would end before all weights are pruned (NS850), or before any are rounded (NS869)."""
    refuse_late_pruning(runtime, train)
    refuse_late_rounding(runtime.recipe, len(train), runtime.split.batch)


def _train(
    run: Run,
    runtime: Runtime,
    dataset: Dataset,
    progress: Progress,
    begin: Position,
    checkpoint_every: int | None,
    stop: StopRequest,
) -> Outcome:
    refuse_what_comes_too_late(runtime, dataset.train)
    begun, compiled, world = time.perf_counter(), runtime.compile_seconds, runtime.world
    epochs, place = runtime.recipe.epochs, begin
    if epochs > begin.epoch:
        progress.preparing("compiling kernels")
        compile_training(runtime, runtime.train_type(dataset.train))

    def stopping() -> bool:
        """Whether somebody wants any of the ranks to end: all of them end after the same step."""
        return bool(world.sums(np.array([stop.requested], np.float64))[0])

    def after_step(position: Position) -> None:
        ending = stopping()
        if ending or (checkpoint_every and position.step % checkpoint_every == 0):
            run.keep(position, *_checked_state(runtime, f"{position.step} (epoch {position.epoch + 1})"))
        if ending:
            raise KeyboardInterrupt

    stop.armed = True
    parts, losses = (dataset.train, dataset.validation), run.validation_losses()
    with closing(runtime.supply(runtime.augmenters(*parts, dataset.test), epochs - begin.epoch)) as supply:
        more: dict[str, Any] = {"after_step": after_step, "losses": losses, "supply": supply}
        with closing(run_epochs(runtime, *parts, progress, epochs, begin=begin, **more)) as course:
            for result in course:
                place = Position(result.epoch, result.step)
                where = f"{result.step} (end of epoch {result.epoch}, learning rate {result.rate:g})"
                run.record(result, *_checked_state(runtime, where))
                if stopping():
                    raise KeyboardInterrupt
        stop.armed = False
        if not place.epoch:
            raise RunError("nothing to train: epochs is 0")
        if run.writes:
            keep_average(run.folder, runtime)
        batches = supply.batches("test", runtime.batch)
        test = evaluate(runtime, dataset.test, world, batches).scores if len(dataset.test) else None
    train, validation = run.last_scores()
    digest = weights_sha256(read_state(runtime.state, runtime.weights))
    seconds = time.perf_counter() - begun - (runtime.compile_seconds - compiled)
    remarks = run.waited_share(), run.skipped_steps()
    return Outcome(
        run.folder, place.epoch, place.step, seconds, runtime.compile_seconds, train, validation, test, digest, *remarks
    )


def _checked_state(runtime: Runtime, where: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """Weights and moments for a checkpoint. The last update has no loss behind it that would show what it did."""
    weights = read_state(runtime.state, runtime.weights)
    name = first_not_finite(weights)
    if name is not None:
        raise RunError.of("NS903", quantity=f"a number of '{name}'", value="infinite or NaN", step=where)
    return weights, whole_moments(runtime)
