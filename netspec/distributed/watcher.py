"""A process beside the ranks of a host that says which of them died, where a launcher ends them all without a word.

A rank that is killed can tell nobody, and its launcher (MPICH's names a process, not a rank) kills the others at once,
so that none of them can either. The watcher is in a session of its own, where it outlives them by a moment; it holds
nothing, and ends as soon as the ranks have.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence

PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from netspec.distributed.watcher import main; main(sys.argv[1])"
)
_GRACE = 1.0
"""Seconds in which the watcher may still be told that a rank ended in good order, or has said itself why."""


class Watcher:
    """The watcher of a host, as its ranks see it; only the one that started it holds its pipe."""

    def __init__(self, process: int, started: subprocess.Popen[bytes] | None = None) -> None:
        self.process = process
        self._started = started

    @classmethod
    def start(cls, host: str, ranks: Sequence[tuple[int, int]]) -> Watcher:
        """Watch ``ranks``, each with its process. Without Linux's pidfd there is nothing to watch them with."""
        if not hasattr(os, "pidfd_open"):
            return cls(0)
        orders = json.dumps({"host": host, "ranks": ranks})
        started = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, orders, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        return cls(started.pid, started)

    def dismiss(self) -> None:
        """There is nothing to say: the ranks end in good order, or one of them has said why they do not."""
        if self.process:
            try:
                os.kill(self.process, signal.SIGTERM)
            except ProcessLookupError:
                self.process = 0
        if self._started is not None and self._started.stdin is not None:
            self._started.stdin.close()
            self._started.wait()


def main(orders: str) -> None:
    """Wait for the first rank to end, and say so unless the watcher is dismissed."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a terminal's signals are the ranks' to answer
    given = json.loads(orders)
    waiting = select.poll()
    by_descriptor: dict[int, tuple[int, int]] = {}
    for rank, process in given["ranks"]:
        try:
            descriptor = os.pidfd_open(process)
        except ProcessLookupError:
            return _say(given["host"], rank, process)
        by_descriptor[descriptor] = rank, process
        waiting.register(descriptor, select.POLLIN)
    first = min(by_descriptor[descriptor] for descriptor, _ in waiting.poll())
    select.select([], [], [], _GRACE)
    _say(given["host"], *first)


def _say(host: str, rank: int, process: int) -> None:
    from netspec.diagnostics.errors import RunError

    text = f"error: {RunError.of('NS957', rank=rank, host=host, process=process)}\n"
    os.write(2, text.encode())
