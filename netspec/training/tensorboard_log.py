"""What TensorBoard shows of a run, written by the event writer of the package ``tensorboard`` alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netspec.data.dataset import Array
from netspec.diagnostics.errors import RunError
from netspec.training.progress import EpochResult, Progress

FOLDER = "tensorboard"
"""The folder in a run directory that ``tensorboard --logdir`` is given, or any above it."""
_POINTS = 50
"""Losses of single steps that are written of an epoch, about."""
_BARS = 40
"""Bars of a histogram of weights."""


def require_tensorboard() -> None:
    """NS923 where the package is not installed."""
    try:
        import tensorboard  # noqa: F401  # whether it can be imported is the question
    except ImportError:
        raise RunError.of("NS923", what="--tensorboard", package="tensorboard", extra="tensorboard") from None


class TensorBoard:
    """A progress that writes what it is told into ``folder``, and passes it on to another.

    Of each epoch it writes the scores, the learning rate, the speed, and a histogram of each of the ``weights``.
    A run that goes on at step ``begin`` takes the place of what an earlier process wrote of later steps.
    """

    def __init__(
        self,
        shown: Progress,
        folder: Path,
        begin: int,
        weights: Callable[[], Mapping[str, Array]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._shown, self._weights, self._clock = shown, weights, clock
        self._event, self._summary = event_pb2.Event, summary_pb2
        self._writer = EventFileWriter(str(folder))
        self._step, self._every = begin, 1
        if begin:  # TensorBoard forgets what it has of this event's step, and of later ones
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._writer.add_event(self._event(wall_time=clock(), step=begin + 1, session_log=start))

    def preparing(self, what: str) -> None:
        """Pass it on."""
        self._shown.preparing(what)

    def begin(self, epoch: int, epochs: int, steps: int, done: int = 0) -> None:
        """Choose of which steps the loss is written."""
        self._every = max(steps // _POINTS, 1)
        self._shown.begin(epoch, epochs, steps, done)

    def step(self, loss: float) -> None:
        """Write the loss of some steps."""
        self._step += 1
        if self._step % self._every == 0:
            self._scalars({"step/loss": loss})
        self._shown.step(loss)

    def end(self, result: EpochResult) -> None:
        """Write what an epoch came to."""
        parts = {"train": result.train, "validation": result.validation, "averaged": result.averaged}
        found = {
            f"{part}/{name}": value
            for part, scores in parts.items()
            if scores is not None
            for name, value in scores.document().items()
        }
        speed = result.samples / max(result.seconds, 1e-9)
        self._scalars({**found, "learning rate": result.rate, "samples per second": speed})
        values = [self._histogram(name, array) for name, array in self._weights().items()]
        self._add(summary=self._summary.Summary(value=values))
        self._writer.flush()
        self._shown.end(result)

    def close(self) -> None:
        """Write what is left to be written."""
        self._writer.close()
        self._shown.close()

    def _scalars(self, values: Mapping[str, float]) -> None:
        written: Iterable[Any] = (self._summary.Summary.Value(tag=t, simple_value=v) for t, v in values.items())
        self._add(summary=self._summary.Summary(value=list(written)))

    def _add(self, **what: Any) -> None:
        self._writer.add_event(self._event(wall_time=self._clock(), step=self._step, **what))

    def _histogram(self, name: str, array: Array) -> Any:
        numbers = array.astype(np.float64).reshape(-1)
        counts, edges = np.histogram(numbers, bins=_BARS)
        made = self._summary.HistogramProto(
            min=float(numbers.min()),
            max=float(numbers.max()),
            num=float(numbers.size),
            sum=float(numbers.sum()),
            sum_squares=float(numbers @ numbers),
            bucket_limit=edges[1:].tolist(),
            bucket=counts.tolist(),
        )
        return self._summary.Summary.Value(tag=f"weights/{name}", histo=made)
