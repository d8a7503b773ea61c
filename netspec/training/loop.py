"""The training loop: epochs of steps, each forward, backward and, when its loss is a number, update."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager

import numpy as np

from netspec.core.declare import declaration_of
from netspec.data.batches import Batches, Supply, epoch_order
from netspec.data.dataset import Array, Part
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.errors import RunError
from netspec.distributed.split import Piece
from netspec.training.accumulate import Turn, Turns
from netspec.training.average import average_in_place
from netspec.training.blame import Replayed, what_is_odd
from netspec.training.evaluate import evaluate
from netspec.training.position import NOTHING, START, Position, Underway
from netspec.training.progress import EpochResult, Progress
from netspec.training.pruning import prune_weights
from netspec.training.runtime import Fed, Loaded, Runtime
from netspec.training.scores import Meter, Scores, over_ranks

MOST_SKIPPED_IN_A_ROW = 10
"""Steps that ``on_nan: skip`` leaves out one after the other before the run stops; less where an epoch is shorter."""


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
    supply: Supply | None = None,
) -> Generator[EpochResult]:
    """Trains for ``epochs`` epochs and yields after each, when the state is that of the epoch's end.

    The order of the samples follows from ``recipe.seed`` and the epoch's number alone. Epochs and steps count on from
    ``origin``, where the learning rate's schedule begins. ``begin`` is where an interrupted course goes on: the state
    has to be that of this position, and ``losses`` those of its epochs on the validation part, by which a schedule may
    go. ``after_step`` is told the position after each step. ``supply`` makes the batches of both parts; without it they
    have workers until the iterator is closed. Ranks that share the batches train their own pieces and come to the same.
    A RunError if a loss is not finite, the state then is that of the step before; or if there is no validation part and
    the schedule needs it.
    """
    stopping = runtime.recipe.early_stopping
    if not len(validation):
        _refuse_without_validation(runtime.recipe)
    place = begin or origin
    if stopping is not None and stopping.ends(losses):
        return  # a run that had ended, and is resumed
    course = _Course(runtime, train, progress, epochs, origin, clock, after_step, losses)
    with _supplied(runtime, (train, validation), epochs - (place.epoch - origin.epoch), supply) as made:
        course.batches, held = made.batches("train", runtime.split.own), made.batches("validation", runtime.batch)
        if len(validation):
            runtime.load("evaluate", runtime.input_type(validation.inputs))
        for epoch in range(place.epoch, origin.epoch + epochs):
            reached, rate, meter = course.train_epoch(place)
            validated = evaluate(runtime, validation, runtime.world, held).scores if len(validation) else None
            averaged = _averaged_scores(runtime, validation, held)
            if validated is not None:
                course.losses.append(validated.loss)
            done, row = reached.underway or NOTHING, reached.skipped_in_a_row
            place = Position(epoch + 1, reached.step, skipped_in_a_row=row)
            result = EpochResult(
                epoch=epoch + 1,
                step=reached.step,
                rate=rate,
                train=meter.scores(),
                validation=validated,
                samples=len(train),
                seconds=done.seconds,
                waited=done.waited,
                skipped=done.skipped,
                skipped_in_a_row=row,
                averaged=averaged,
            )
            progress.end(result)
            yield result
            if stopping is not None and stopping.ends(course.losses):
                break


def _refuse_without_validation(recipe: Recipe) -> None:
    """A RunError where a schedule (NS505) or an early end (NS520) goes by the loss on a validation part."""
    if hasattr(recipe.lr, "after"):
        raise RunError.of("NS505", schedule=declaration_of(recipe.lr).name)
    if recipe.early_stopping is not None:
        raise RunError.of("NS520", option=declaration_of(recipe.early_stopping).name)


@contextmanager
def _supplied(runtime: Runtime, parts: Sequence[Part], epochs: int, supply: Supply | None) -> Iterator[Supply]:
    """What makes the batches: what is given, or else workers that end with this."""
    if supply is not None:
        yield supply
        return
    with closing(runtime.supply(runtime.augmenters(*parts), epochs)) as made:
        yield made


def _averaged_scores(runtime: Runtime, validation: Part, batches: Batches) -> Scores | None:
    """The scores of the averaged weights, where an average is made and there is a validation part."""
    if runtime.recipe.average is None or not len(validation):
        return None
    with average_in_place(runtime):
        return evaluate(runtime, validation, runtime.world, batches).scores


class NotFiniteError(RunError):
    """A loss or a gradient is infinite or NaN. The state is that of the step before."""


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
        self._train = train
        self.batches = Batches(train, runtime.split.own)
        """What is trained on, until somebody else makes it."""
        self._steps = -(-len(train) // runtime.split.batch)
        self._turns = Turns(len(train), runtime.split.batch, runtime.recipe.accumulate)
        self.losses = list(losses)
        """On the validation part, one for each epoch of the course that is done."""

    def train_epoch(self, place: Position) -> tuple[Position, float, Meter]:
        """Train the rest of the epoch at ``place``: where that leads, the last learning rate, and the scores."""
        underway = place.underway or NOTHING
        meter = Meter(self._runtime.metrics(self._runtime.network.heads), underway.sums or None)
        self._progress.begin(place.epoch - self._origin.epoch + 1, self._epochs, self._steps, done=underway.batches)
        begun = self._clock() - underway.seconds
        order = epoch_order(len(self._train), self._runtime.recipe.seed, place.epoch)
        split = self._runtime.split
        for fed, waited in self._fed(split.of_order(order[underway.batches * split.batch :]), place.epoch):
            place = self._step(place, fed, waited, begun, meter)
            if self._after_step is not None:
                self._after_step(place)
        return place, self._rate(place.epoch, self._steps - 1), meter

    def _fed(self, order: Array, epoch: int) -> Iterator[tuple[Fed, float]]:
        """The batches as the network takes them, each with the seconds that went by until it was there."""
        batches = self.batches.in_order(order, epoch)
        while True:
            begun = self._clock()
            batch = next(batches, None)
            if batch is None:
                return
            fed = self._runtime.prepared(batch)
            yield fed, self._clock() - begun

    def _step(self, at: Position, fed: Fed, waited: float, begun: float, meter: Meter) -> Position:
        """Learn one batch, or leave it out if its numbers are not finite and the recipe wants that."""
        underway, step, row = at.underway or NOTHING, at.step + 1, 0
        rate, turn = self._rate(at.epoch, underway.batches), self._turns.at(at.epoch, underway.batches)
        runtime, batch = self._runtime, self._runtime.split.batch
        piece = runtime.split.piece(min(batch, len(self._train) - underway.batches * batch))
        try:
            loss = train_step(runtime, self._loaded, fed, rate, Position(at.epoch, step), turn, piece)
            sums = meter.measured(_outputs(runtime, self._loaded), fed.targets)
            meter.add(loss, piece.of, over_ranks(runtime.world, sums, bool(piece.samples)))
            runtime.world.ready()
        except NotFiniteError as error:
            if self._runtime.recipe.on_nan != "skip":
                raise
            loss, row = math.nan, at.skipped_in_a_row + 1
            # A sum of gradients that one batch has spoilt stays so until the update that it is for is over.
            if row >= min(MOST_SKIPPED_IN_A_ROW * self._runtime.recipe.accumulate, self._steps):
                raise RunError.of("NS914", count=row, problem=str(error.args[0]).splitlines()[0]) from error
        self._progress.step(loss)
        done, skipped = underway.batches + 1, underway.skipped + bool(row)
        now = Underway(done, self._clock() - begun, meter.sums(), underway.waited + waited, skipped)
        return Position(at.epoch, step, now, row)

    def _rate(self, epoch: int, batch: int) -> float:
        """Learning rate of a batch (from 0). It follows from epoch and batch, not from the number of steps, so that it
        stays in its place where a run goes on with batches of another size.
        """
        steps, schedule = self._steps, self._runtime.recipe.lr
        if hasattr(schedule, "after"):
            schedule = schedule.after(self.losses)
        rate: float = schedule.at((epoch - self._origin.epoch) * steps + batch, steps, self._epochs)
        return rate


def train_step(
    runtime: Runtime,
    loaded: Loaded,
    batch: Fed,
    rate: float,
    position: Position,
    turn: Turn | None = None,
    piece: Piece | None = None,
) -> float:
    """Loss of one batch that was prepared, before its update. ``position.step`` (from 1) is the step's number.

    A loss or a gradient that is not finite is a NotFiniteError, and the update does not run.
    With a ``turn`` the update waits for the last batch of those that share it, and a gradient is their sum so far.
    Where ranks share the batch, ``batch`` is this one's ``piece``; all have the same loss, and the same error.
    """
    executable, samples, whole = loaded.executable, batch.samples, turn is None or turn.last
    if turn is None or turn.first:
        prune_weights(runtime, (position.step if turn is None else turn.update) - 1)
    piece = piece or runtime.split.piece(samples)
    fed = loaded.feed(batch.inputs, batch.targets)
    loaded.exchange.run(fed, runtime.scalars(rate, position.step, turn, piece), samples, whole)
    own = float(executable.output("loss"))
    odd = loaded.checks_gradients and not executable.output("gradients_finite")
    loss, troubles = map(float, runtime.world.sums(np.array([own, odd or not math.isfinite(own)], np.float64)))
    if troubles or not math.isfinite(loss):
        replayed = Replayed(runtime, loaded, batch, rate, position.step, turn, piece)
        where = f"{position.step} (epoch {position.epoch + 1}, learning rate {rate:g})"
        raise NotFiniteError.of("NS903", **what_is_odd(replayed, own, loss), step=where)
    # Inputs and scalars lie in the arena already; writing them again could hit what has taken their place since.
    if whole:
        executable.run({}, {}, samples, ("update",))
    return loss


def _outputs(runtime: Runtime, loaded: Loaded) -> dict[str, Array]:
    """The heads of the batch that has just run, where a metric looks at them."""
    measured = (name for name, metrics in runtime.metrics(runtime.network.heads).items() if metrics)
    return {name: loaded.executable.output(name) for name in measured}
