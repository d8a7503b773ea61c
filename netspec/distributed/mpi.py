"""The ranks of an MPI world (MPI Forum, version 3.1 or later): sums in their order, and who keeps the others waiting.

An allreduce of MPI adds in an order that depends on the library, the size of the message and which ranks share a host.
Here each rank is sent everybody's numbers for its part of the vector, adds them in the order of the ranks and gives the
result to all: as many bytes as a ring's allreduce takes, and the same bits everywhere.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from mpi4py import MPI

from netspec.diagnostics.errors import RunError
from netspec.distributed.communicator import Array, HangError, Pending

_SPIN = 0.002
"""Seconds for which a wait asks again and again; after that it sleeps between the questions."""
_NAP = 0.0001
"""Seconds of such a sleep."""
_STARTING = 1800.0
"""Seconds that ranks may keep others waiting while they compile and read."""
_WAITING, _FAILED = 1, 2
"""Tags of what a rank tells others past the order of things: that it waits, and that it fails and why."""


class MpiWorld:
    """All ranks of MPI's world. Nobody may keep the others waiting for more than ``patience`` seconds."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        world = MPI.COMM_WORLD
        self.rank, self.size = world.Get_rank(), world.Get_size()
        # What goes on at the same time has a communicator of its own, in each of which all ranks keep one order.
        self._dealing, self._collecting, self._small, self._notes = (world.Dup() for _ in range(4))
        self._patience, self._allowed, self._clock = patience, _STARTING, clock
        self._sums: deque[_Sum] = deque()
        self._unsent: list[MPI.Request] = []
        self.hosts: list[str] = world.allgather(MPI.Get_processor_name())
        self.processes: list[int] = world.allgather(os.getpid())

    def ready(self) -> None:
        """From now on nobody may keep the others waiting for longer than was asked for."""
        self._allowed = self._patience

    def start(self, numbers: Array) -> Pending:
        """Begin to replace the float32 ``numbers`` (n,) by their sum over the ranks; until then they are left alone."""
        found = _Sum(self, numbers, self._dealing)
        self._sums.append(found)
        return found

    def advance(self) -> None:
        """Let all sums go on that can. Each stage of theirs is begun in the order of the sums, as on all ranks."""
        for each in self._sums:
            if not each.collects and not each.collect(self._collecting):
                break
        while self._sums and self._sums[0].collects and self._sums[0].is_done():
            self._sums.popleft()

    def sums(self, numbers: Array) -> Array:
        """The sum over the ranks of a few float64 numbers (n,)."""
        gathered = self._gathered(np.asarray(numbers, np.float64))
        total: Array = gathered[0]
        for each in gathered[1:]:
            total += each
        return total

    def gather(self, document: Any) -> list[Any]:
        """What each rank gives, in their order: plain data for JSON."""
        text = np.frombuffer(json.dumps(document).encode(), np.uint8)
        lengths = self._gathered(np.array([len(text)], np.int64))[:, 0]
        padded = np.zeros(max(lengths), np.uint8)
        padded[: len(text)] = text
        found = self._gathered(padded)
        return [json.loads(row[:length].tobytes()) for row, length in zip(found, lengths, strict=True)]

    def give(self, array: Array) -> None:
        """Overwrite the array by that of rank 0."""
        self.wait(self._small.Ibcast(array, root=0).Test)

    def _gathered(self, array: Array) -> Array:
        """(size, n): the arrays of all ranks, which are alike."""
        found = np.empty((self.size, *array.shape), array.dtype)
        self.wait(self._small.Iallgather(array, found).Test)
        return found

    def wait(self, done: Callable[[], bool]) -> None:
        """Return when something is done that takes all ranks; NS955 names one that did not come to it in time."""
        begun, told = self._clock(), False
        while not done():
            waited = self._clock() - begun
            time.sleep(0 if waited < _SPIN else _NAP)
            if waited > self._allowed / 2 and not told:
                self._tell(_WAITING, "")
                told = True
            if waited > self._allowed:
                raise self._missing()

    def _missing(self) -> HangError:
        """Who has not said to be waiting, while all others have."""
        waiting = {self.rank, *dict(self._told(_WAITING))}
        rank = min(set(range(self.size)) - waiting, default=self.rank)
        about = {"rank": rank, "host": self.hosts[rank], "process": self.processes[rank]}
        return HangError(str(RunError.of("NS955", **about, seconds=f"{self._allowed:g}")))

    def fails_alike(self, reason: str, seconds: float = 1.0) -> int | None:
        """Tell all ranks that this one fails: the lowest of those that do, or None where all do, for the same reason.

        Ranks are waited for so many seconds.
        """
        self._tell(_FAILED, reason)
        reasons = {self.rank: reason}
        until = self._clock() + seconds
        while len(reasons) < self.size and self._clock() < until:
            reasons |= dict(self._told(_FAILED))
            time.sleep(_NAP)
        alike = len(reasons) == self.size and len(set(reasons.values())) == 1
        return None if alike else min(reasons)

    def abort(self, status: int) -> None:
        """End all ranks, this one included."""
        MPI.COMM_WORLD.Abort(status)

    def _tell(self, tag: int, text: str) -> None:
        """Send all others a note, which they read if they come to it."""
        for rank in set(range(self.size)) - {self.rank}:
            self._unsent.append(self._notes.isend(text, dest=rank, tag=tag))

    def _told(self, tag: int) -> Iterator[tuple[int, str]]:
        """The notes that have come, with who sent them."""
        status = MPI.Status()
        while self._notes.Iprobe(tag=tag, status=status):
            yield status.Get_source(), self._notes.recv(source=status.Get_source(), tag=tag)


class _Sum:
    """A vector that is being summed: dealt out, added, and collected."""

    def __init__(self, world: MpiWorld, numbers: Array, dealing: MPI.Comm) -> None:
        self._world, self._numbers, size, rank = world, numbers, world.size, world.rank
        cuts = [len(numbers) * each // size for each in range(size + 1)]
        self._cuts, self._counts = cuts[:-1], [end - begin for begin, end in pairwise(cuts)]
        self._own = numbers[cuts[rank] : cuts[rank + 1]]
        self._parts = np.empty((size, len(self._own)), np.float32)
        taken = ([len(self._own)] * size, [len(self._own) * each for each in range(size)])
        sent = [numbers, (self._counts, self._cuts), MPI.FLOAT]
        self._request = dealing.Ialltoallv(sent, [self._parts, taken, MPI.FLOAT])
        self.collects = False
        """Whether its second stage has begun."""
        self._done = False

    def collect(self, collecting: MPI.Comm) -> bool:
        """Begin the second stage if the first is over, and say whether it was."""
        if not self._request.Test():
            return False
        self._own[...] = self._parts[0]
        for each in self._parts[1:]:
            self._own += each
        whole = [self._numbers, (self._counts, self._cuts), MPI.FLOAT]
        self._request, self.collects = collecting.Iallgatherv(MPI.IN_PLACE, whole), True
        return True

    def is_done(self) -> bool:
        """Whether the numbers are the sum."""
        self._done = self._done or self._request.Test()
        return self._done

    def poll(self) -> None:
        """Let it go on, if it can."""
        self._world.advance()

    def wait(self) -> None:
        """Return when the numbers are the sum."""
        self._world.wait(self._advanced)

    def _advanced(self) -> bool:
        self._world.advance()
        return self._done
