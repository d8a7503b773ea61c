"""What training asks of the other ranks, and the world of one rank in which there are none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from netspec.diagnostics.errors import RunError

Array = np.ndarray[Any, np.dtype[Any]]


class HangError(RunError):
    """A rank keeps the others waiting for too long. It is one of these who tells."""


class Pending(Protocol):
    """A sum that is under way."""

    def poll(self) -> None:
        """Let it go on, if it can; nothing is waited for."""

    def wait(self) -> None:
        """Return when the numbers are the sum; a RunError where a rank keeps the others waiting for too long."""


class Communicator(Protocol):
    """The ranks of a world, numbered from 0. Whatever is asked of one has to be asked of all, in the same order.

    Sums are taken in the order of the ranks, so that they are the same to the bit on all of them, whatever the network
    between them and however they were started. A RunError where a rank keeps the others waiting for too long.
    """

    rank: int
    size: int

    def start(self, numbers: Array) -> Pending:
        """Begin to replace the float32 ``numbers`` (n,) by their sum over the ranks; until then they are left alone."""

    def sums(self, numbers: Array) -> Array:
        """The sum over the ranks of a few float64 numbers (n,)."""

    def gather(self, document: Any) -> list[Any]:
        """What each rank gives, in their order: plain data for JSON."""

    def give(self, array: Array) -> None:
        """Overwrite the array by that of rank 0."""

    def wait(self, done: Callable[[], bool]) -> None:
        """Return when something is done that takes all ranks."""

    def ready(self) -> None:
        """Everything is compiled: from now on nobody may keep the others waiting for long."""


class _Done:
    """A sum of one summand."""

    def poll(self) -> None:
        """Nothing is under way."""

    def wait(self) -> None:
        """Nothing is waited for."""


class _Alone:
    """A world of one rank: every sum has one summand."""

    rank = 0
    size = 1

    def start(self, numbers: Array) -> Pending:
        """Leave them as they are."""
        return _Done()

    def sums(self, numbers: Array) -> Array:
        """The numbers themselves."""
        return numbers

    def gather(self, document: Any) -> list[Any]:
        """What this rank gives."""
        return [document]

    def give(self, array: Array) -> None:
        """It is that of rank 0."""

    def wait(self, done: Callable[[], bool]) -> None:
        """Until it is done."""
        while not done():
            time.sleep(0)

    def ready(self) -> None:
        """Nobody waits."""


ALONE: Communicator = _Alone()
"""The world of a process that trains by itself."""
