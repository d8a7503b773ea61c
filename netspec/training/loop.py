"""The training loop: epochs of steps, each forward, backward and, when its loss is a number, update."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netspec.core.declare import declaration_of
from netspec.data.batches import Batches, epoch_order
from netspec.data.dataset import Array, Part
from netspec.diagnostics.errors import RunError
from netspec.training.accumulate import Turn, Turns
from netspec.training.average import average_in_place
from netspec.training.evaluate import evaluate
from netspec.training.progress import EpochResult, Progress
from netspec.training.runtime import Fed, Loaded, Runtime
from netspec.training.scores import Meter, Scores


@dataclass(frozen=True, slots=True)
class Underway:
    """An epoch that is not done: its batches that are, the seconds they took, and the sums of their scores."""

    batches: int
    seconds: float
    sums: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Position:
    """How far a network has come: epochs and steps that are done, and how far the epoch under way is."""

    epoch: int = 0
    step: int = 0
    underway: Underway | None = None


START = Position()


def run_epochs(
    runtime: Runtime,
    train: Part,
    validation: Part,
    progress: Progress,
    epochs: int,
    origin: Position = START,
    clock: Callable[[], float] = time.perf_counter,
    begin: Position | None = None,
    after_step: Callable[[Position], None] | None = None,
    losses: Sequence[float] = (),
) -> Iterator[EpochResult]:
    """Trains for ``epochs`` epochs and yields after each, when the state is that of the epoch's end.

    The order of the samples follows from ``recipe.seed`` and the epoch's number alone. Epochs and steps count on from
    ``origin``, where the learning rate's schedule begins. ``begin`` is where an interrupted course goes on: the state
    has to be that of this position, and ``losses`` those of its epochs on the validation part, by which a schedule may
    go. ``after_step`` is told the position after each step. A RunError if a loss is not finite, the state then is that
    of the step before; or if the schedule needs a validation part and there is none.
    """
    stopping = runtime.recipe.early_stopping
    if not len(validation) and hasattr(runtime.recipe.lr, "after"):
        raise RunError.of("NS505", schedule=declaration_of(runtime.recipe.lr).name)
    if not len(validation) and stopping is not None:
        raise RunError.of("NS520", option=declaration_of(stopping).name)
    course = _Course(runtime, train, progress, epochs, origin, clock, after_step, losses)
    if len(validation):
        runtime.load("evaluate", runtime.input_type(validation.inputs))
    place = begin or origin
    if stopping is not None and stopping.ends(course.losses):
        return  # a run that had ended, and is resumed
    for epoch in range(place.epoch, origin.epoch + epochs):
        step, rate, meter, seconds = course.train_epoch(place)
        validated = evaluate(runtime, validation).scores if len(validation) else None
        averaged = _averaged_scores(runtime, validation)
        if validated is not None:
            course.losses.append(validated.loss)
        result = EpochResult(epoch + 1, step, rate, meter.scores(), validated, len(train), seconds, averaged)
        place = Position(epoch + 1, step)
        progress.end(result)
        yield result
        if stopping is not None and stopping.ends(course.losses):
            break


def _averaged_scores(runtime: Runtime, validation: Part) -> Scores | None:
    """The scores of the averaged weights, where an average is made and there is a validation part."""
    if runtime.recipe.average is None or not len(validation):
        return None
    with average_in_place(runtime):
        return evaluate(runtime, validation).scores


class _Course:
    """What all epochs of a course share."""

    def __init__(
        self,
        runtime: Runtime,
        train: Part,
        progress: Progress,
        epochs: int,
        origin: Position,
        clock: Callable[[], float],
        after_step: Callable[[Position], None] | None,
        losses: Sequence[float],
    ) -> None:
        self._runtime, self._epochs, self._origin = runtime, epochs, origin
        self._progress, self._clock, self._after_step = progress, clock, after_step
        self._loaded = runtime.load("train", runtime.train_type(train))
        self._samples = len(train)
        self._batches = Batches(train, runtime.batch, runtime.augmenter(train))
        self._turns = Turns(len(train), runtime.batch, runtime.recipe.accumulate)
        self.losses = list(losses)
        """On the validation part, one for each epoch of the course that is done."""

    def train_epoch(self, place: Position) -> tuple[int, float, Meter, float]:
        """Train the rest of the epoch at ``place``: the last step's number and rate, the scores, and the seconds."""
        recipe = self._runtime.recipe
        underway = place.underway or Underway(0, 0.0, {})
        meter = Meter(self._runtime.metrics(self._runtime.network.heads), underway.sums or None)
        self._progress.begin(
            place.epoch - self._origin.epoch + 1, self._epochs, len(self._batches), done=underway.batches
        )
        begun = self._clock() - underway.seconds
        step = place.step
        order = epoch_order(self._samples, recipe.seed, place.epoch)[underway.batches * self._runtime.batch :]
        for done, batch in enumerate(self._batches.in_order(order, place.epoch), start=underway.batches):
            step += 1
            fed = self._runtime.prepared(batch)
            rate, turn = self._rate(place.epoch, done), self._turns.at(place.epoch, done)
            loss = train_step(self._runtime, self._loaded, fed, rate, Position(place.epoch, step), turn)
            meter.add(loss, len(batch), _outputs(self._runtime, self._loaded), fed.targets)
            self._progress.step(loss)
            if self._after_step is not None:
                now = Underway(done + 1, self._clock() - begun, meter.sums())
                self._after_step(Position(place.epoch, step, now))
        return step, self._rate(place.epoch, len(self._batches) - 1), meter, self._clock() - begun

    def _rate(self, epoch: int, batch: int) -> float:
        """Learning rate of a batch (from 0). It follows from epoch and batch, not from the number of steps, so that it
        stays in its place where a run goes on with batches of another size.
        """
        steps, schedule = len(self._batches), self._runtime.recipe.lr
        if hasattr(schedule, "after"):
            schedule = schedule.after(self.losses)
        rate: float = schedule.at((epoch - self._origin.epoch) * steps + batch, steps, self._epochs)
        return rate


def train_step(
    runtime: Runtime, loaded: Loaded, batch: Fed, rate: float, position: Position, turn: Turn | None = None
) -> float:
    """Loss of one batch that was prepared, before its update. ``position.step`` (from 1) is the step's number.

    With a ``turn`` the update waits for the last batch of those that share it.
    A loss or a gradient that is not finite is a RunError, and the update does not run.
    """
    executable, samples = loaded.executable, batch.samples
    fed = loaded.feed(batch.inputs, batch.targets)
    executable.run(fed, runtime.scalars(rate, position.step, turn), samples, ("forward", "backward"))
    loss = float(executable.output("loss"))
    where = f"{position.step} (epoch {position.epoch + 1}, learning rate {rate:g})"
    if not math.isfinite(loss):
        raise RunError.of("NS903", quantity="the loss", value=loss, step=where)
    if loaded.checks_gradients and not executable.output("gradients_finite"):
        raise RunError.of("NS903", quantity="a gradient", value="infinite or NaN", step=where)
    # Inputs and scalars lie in the arena already; writing them again could hit what has taken their place since.
    if turn is None or turn.last:
        executable.run({}, {}, samples, ("update",))
    return loss


def _outputs(runtime: Runtime, loaded: Loaded) -> dict[str, Array]:
    """The heads of the batch that has just run, where a metric looks at them."""
    measured = (name for name, metrics in runtime.metrics(runtime.network.heads).items() if metrics)
    return {name: loaded.executable.output(name) for name in measured}
