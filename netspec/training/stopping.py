"""Ctrl-C and SIGTERM while a network trains: the step that runs is finished first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether somebody wants the training to end.

    While nothing is ``armed`` there is nothing to keep, and a signal ends the work at once, by a KeyboardInterrupt.
    Armed, the first signal only sets ``requested``; the second one is from somebody who does not want to wait.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.armed = False
        self.requested = False
        self.terminated = False
        """Whether the signal was SIGTERM: of a system that shuts down, say, and not of somebody at a terminal."""
        self._say = say

    @contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """Take SIGINT and SIGTERM for the time of the block; only a program's main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._signalled) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self.terminated = number == signal.SIGTERM
        if self.requested or not self.armed:
            raise KeyboardInterrupt
        self.requested = True
        self._say("stopping after this step, and keeping it; once more to stop at once")
