"""The training loop: epochs of steps, each forward, backward and, when its loss is a number, update."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from netspec.data.batches import Batches, epoch_order
from netspec.data.dataset import Array, Part
from netspec.diagnostics.errors import RunError
from netspec.training.evaluate import evaluate
from netspec.training.progress import EpochResult, Progress
from netspec.training.runtime import Loaded, Runtime, image_type
from netspec.training.scores import Meter


@dataclass(frozen=True, slots=True)
class Position:
    """How far a network has come: epochs and steps that are done."""

    epoch: int = 0
    step: int = 0


START = Position()


def run_epochs(
    runtime: Runtime,
    train: Part,
    validation: Part,
    progress: Progress,
    epochs: int,
    origin: Position = START,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[EpochResult]:
    """Trains for ``epochs`` epochs and yields after each, when the state is that of the epoch's end.

    The order of the samples follows from ``recipe.seed`` and the epoch's number alone. Epochs and steps count on from
    ``origin``, where the learning rate's schedule begins. A RunError if a loss is not finite; the state then is that
    of the step before.
    """
    recipe = runtime.recipe
    dtype = image_type(train.images)
    loaded = runtime.load("train", dtype)
    if len(validation):
        runtime.load("evaluate", dtype)
    batches = Batches(train, runtime.batch)
    step = origin.step
    for epoch in range(origin.epoch, origin.epoch + epochs):
        progress.begin(epoch - origin.epoch + 1, epochs, len(batches))
        begun = clock()
        meter = Meter(recipe.metrics, list(runtime.network.heads))
        rate = 0.0
        for images, labels in batches.in_order(epoch_order(len(train), recipe.seed, epoch)):
            rate = recipe.lr.at(step - origin.step, len(batches), epochs)
            step += 1
            loss = train_step(runtime, loaded, images, labels, rate, Position(epoch, step))
            meter.add(loss, _outputs(runtime, loaded), labels)
            progress.step(loss)
        seconds = clock() - begun
        validated = evaluate(runtime, validation).scores if len(validation) else None
        result = EpochResult(epoch + 1, step, rate, meter.scores(), validated, len(train), seconds)
        progress.end(result)
        yield result


def train_step(
    runtime: Runtime, loaded: Loaded, images: Array, labels: Array, rate: float, position: Position
) -> float:
    """Loss of one batch, before its update. ``position.step`` (from 1) is the step's number.

    A loss that is not finite is a RunError, and the update does not run.
    """
    executable, samples = loaded.executable, len(labels)
    executable.run(
        loaded.inputs(images, labels), runtime.scalars(rate, position.step), samples, ("forward", "backward")
    )
    loss = float(executable.output("loss"))
    if not math.isfinite(loss):
        where = f"{position.step} (epoch {position.epoch + 1}, learning rate {rate:g})"
        raise RunError.of("NS903", quantity="the loss", value=loss, step=where)
    # Inputs and scalars lie in the arena already; writing them again could hit what has taken their place since.
    executable.run({}, {}, samples, ("update",))
    return loss


def _outputs(runtime: Runtime, loaded: Loaded) -> dict[str, Array]:
    """The heads of the batch that has just run, where a metric looks at them."""
    return {name: loaded.executable.output(name) for name in runtime.network.heads} if runtime.recipe.metrics else {}
