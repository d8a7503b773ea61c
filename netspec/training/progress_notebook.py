"""What a notebook shows while a network trains: one output that changes, and not a line for each step."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from netspec.diagnostics.markup import as_markup
from netspec.training.progress import REDRAW_SECONDS, EpochResult, describe


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    return "ipykernel" in sys.modules and "IPython" in sys.modules


class Notebook:
    """A bar for the epoch that runs below a line for each that is done, in one output of the cell."""

    def __init__(self, display: Callable[..., Any] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """``display`` shows an object and gives a handle whose ``update`` replaces it: that of IPython."""
        self._display, self._clock = display or _display, clock
        self._handle: Any = None
        self._lines: list[str] = []
        self._epochs = self._epoch = self._steps = self._done = 0
        self._drawn = -REDRAW_SECONDS

    def preparing(self, what: str) -> None:
        """Say it where the bar will be."""
        self._show(f"{as_markup(what)} …")

    def begin(self, epoch: int, epochs: int, steps: int, done: int = 0) -> None:
        """An empty bar, or one as long as the steps that are done."""
        self._epoch, self._epochs, self._steps, self._done = epoch, epochs, steps, done
        self._show(self._bar(""))

    def step(self, loss: float) -> None:
        """Let the bar grow, but redraw it only now and then."""
        self._done += 1
        if self._clock() - self._drawn >= REDRAW_SECONDS:
            self._show(self._bar(f" loss {loss:.4f}"))

    def end(self, result: EpochResult) -> None:
        """Put the epoch's line in the bar's place."""
        self._lines.append(as_markup(describe(result, self._epochs)))
        self._show("")

    def close(self) -> None:
        """Nothing is open."""

    def _bar(self, behind: str) -> str:
        bar = f'<progress value="{self._done}" max="{self._steps}"></progress>'
        return f"epoch {self._epoch}/{self._epochs} {bar} {self._done}/{self._steps}{behind}"

    def _show(self, last: str) -> None:
        self._drawn = self._clock()
        page = _Page("<br>".join([*self._lines, *([last] if last else [])]))
        if self._handle is None:
            self._handle = self._display(page, display_id=True)
        else:
            self._handle.update(page)


class _Page:
    """Lines that a notebook shows as HTML."""

    def __init__(self, lines: str) -> None:
        self._lines = lines

    def _repr_html_(self) -> str:
        return f'<div style="font-family: monospace">{self._lines}</div>'


def _display(page: object, **options: Any) -> Any:
    from IPython import display as shown

    display: Callable[..., Any] = shown.display
    return display(page, **options)
