"""What a person sees while a network trains, on stderr: a bar on a terminal, a line per epoch elsewhere, or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TextIO

from netspec.training.scores import Scores

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

WAIT_SHOWN = 0.01
"""The share of an epoch's time from which waiting for data is worth a word."""
REDRAW_SECONDS = 0.1
"""Time between two redraws of the bar: a step of a small network takes about a millisecond."""

LINE_SECONDS = 30.0
"""Time after which a log is told how far an epoch is: those who read it want to know whether something happens."""


@dataclass(frozen=True, slots=True)
class EpochResult:
    """What an epoch (counted from 1) came to; ``step`` is that of its last step, ``rate`` its learning rate.

    ``train`` holds running means over the epoch; ``validation`` is ``None`` where no samples are kept aside. Of the
    ``seconds`` that training took, ``waited`` went by until data came. ``skipped`` of the steps were left out, the last
    ``skipped_in_a_row`` one after the other.
    """

    epoch: int
    step: int
    rate: float
    train: Scores
    validation: Scores | None
    samples: int
    seconds: float
    waited: float = 0.0
    skipped: int = 0
    skipped_in_a_row: int = 0
    averaged: Scores | None = None
    """Of the averaged weights, on the validation part; ``None`` where no average is made."""


class Progress(Protocol):
    """Is told what goes on."""

    def preparing(self, what: str) -> None:
        """Something begins that may take seconds."""

    def begin(self, epoch: int, epochs: int, steps: int, done: int = 0) -> None:
        """Epoch ``epoch`` of ``epochs`` begins; it has so many steps, of which some may be done already."""

    def step(self, loss: float) -> None:
        """A step is done."""

    def end(self, result: EpochResult) -> None:
        """The epoch is done."""

    def close(self) -> None:
        """Nothing more will come."""


def make_progress(quiet: bool, stream: TextIO) -> Progress:
    """The fitting one for ``stream``."""
    if quiet:
        return Silence()
    return Bar(stream, time.monotonic) if stream.isatty() else Lines(stream)


class Silence:
    """Shows nothing."""

    def preparing(self, what: str) -> None:
        """Show nothing."""

    def begin(self, epoch: int, epochs: int, steps: int, done: int = 0) -> None:
        """Show nothing."""

    def step(self, loss: float) -> None:
        """Show nothing."""

    def end(self, result: EpochResult) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


class Lines:
    """Writes a line per epoch, for logs, and one now and then while an epoch takes long."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._epoch = self._epochs = self._steps = self._done = 0
        self._written = clock()

    def preparing(self, what: str) -> None:
        """Say it in a line."""
        self._write(f"{what} ...")

    def begin(self, epoch: int, epochs: int, steps: int, done: int = 0) -> None:
        """Remember how many epochs and steps there are."""
        self._epoch, self._epochs, self._steps, self._done = epoch, epochs, steps, done
        self._written = self._clock()

    def step(self, loss: float) -> None:
        """Say how far the epoch is, where nothing was said for long."""
        self._done += 1
        if self._clock() - self._written >= LINE_SECONDS:
            width = len(str(self._epochs))
            self._write(
                f"epoch {self._epoch:>{width}}/{self._epochs}  step {self._done}/{self._steps}  loss {loss:.4f}"
            )
            self._written = self._clock()

    def end(self, result: EpochResult) -> None:
        """Write the epoch's line."""
        self._write(describe(result, self._epochs))

    def close(self) -> None:
        """Nothing is open."""

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


class Bar:
    """Draws a bar for the epoch that runs, and leaves a line for each that is done."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        from rich.console import Console

        self._console: Console = Console(file=stream, highlight=False)
        self._clock = clock
        self._bar: RichProgress | None = None
        self._epochs = 0
        self._steps = 0
        self._drawn = 0.0

    def preparing(self, what: str) -> None:
        """Say it in a line."""
        self._console.print(f"{what} …", style="dim", markup=False)

    def begin(self, epoch: int, epochs: int, steps: int, done: int = 0) -> None:
        """Draw a bar for the steps that are left to do."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.close()
        self._epochs, self._steps, self._drawn = epochs, done, self._clock()
        columns = (
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=self._console, transient=True, auto_refresh=False)
        self._bar.start()
        self._bar.add_task("", total=steps, completed=done, epoch=f"{epoch}/{epochs}", loss=float("nan"))

    def step(self, loss: float) -> None:
        """Let the bar grow, but redraw it only now and then."""
        self._steps += 1
        now = self._clock()
        if self._bar is not None and now - self._drawn >= REDRAW_SECONDS:
            self._drawn = now
            self._bar.update(self._bar.task_ids[0], completed=self._steps, loss=loss, refresh=True)

    def end(self, result: EpochResult) -> None:
        """Put the epoch's line in the bar's place."""
        self.close()
        self._console.print(describe(result, self._epochs), markup=False)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def describe(result: EpochResult, epochs: int) -> str:
    """One line about an epoch, such as ``epoch 2/10  loss 0.1204  accuracy 0.9630  0.41 s  31,500 samples/s``."""
    parts = [f"epoch {result.epoch:>{len(str(epochs))}}/{epochs}", score_text(result.train)]
    if result.validation is not None:
        parts.append(f"validation {score_text(result.validation)}")
    if result.averaged is not None:
        parts.append(f"averaged {score_text(result.averaged)}")
    parts += [f"{result.seconds:.2f} s", f"{result.samples / max(result.seconds, 1e-9):,.0f} samples/s"]
    if result.waited >= WAIT_SHOWN * result.seconds > 0:
        parts.append(f"{result.waited / result.seconds:.0%} waiting for data")
    if result.skipped:
        parts.append(f"{result.skipped} step{'' if result.skipped == 1 else 's'} skipped")
    return "  ".join(parts)


def score_text(scores: Scores) -> str:
    """``loss 0.1204  accuracy 0.9630``."""
    return "  ".join(f"{name} {value:.4f}" for name, value in scores.document().items())
