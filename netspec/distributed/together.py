"""Several ranks in one process: each in a thread of its own, of which one runs at a time.

They come to the numbers of as many processes, since sums are taken in the order of the ranks here and there, and no
kernel knows how many ranks there are. It is slower than one process by far, and needs no MPI.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from netspec.diagnostics.errors import RunError
from netspec.distributed.communicator import ALONE, Array, Communicator, Pending

T = TypeVar("T")

_SHORTLY = 0.001
"""Seconds that the others have until it is looked again whether something is done."""


def together(size: int, act: Callable[[Communicator], T]) -> list[T]:
    """What each of ``size`` ranks comes to, in their order; rank 0 runs in the thread that asks.

    The error of the first that fails is raised, and ends the others.
    """
    if size == 1:
        return [act(ALONE)]
    room = _Room(size)
    results: dict[int, T] = {}

    def run(rank: int) -> None:
        with room.turn:
            try:
                results[rank] = act(_Neighbour(room, rank))
            except BaseException as error:
                room.fail(error)

    others = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(1, size)]
    for thread in others:
        thread.start()
    run(0)
    for thread in others:
        thread.join()
    if room.failed is not None:
        raise room.failed
    return [results[rank] for rank in range(size)]


@dataclass(slots=True)
class _Room:
    """What the ranks share. Who holds ``turn`` runs, and gives it away only where it waits for the others."""

    size: int
    turn: threading.Condition = field(default_factory=threading.Condition)
    failed: BaseException | None = None
    posted: dict[tuple[str, int], list[tuple[int, Any]]] = field(default_factory=lambda: defaultdict(list))
    """By kind and number of an exchange, what ranks have brought to it."""
    taken: dict[tuple[str, int], tuple[Any, int]] = field(default_factory=dict)
    """By the same, what came of it, and how many ranks have still to take it."""

    def fail(self, error: BaseException) -> None:
        """End all ranks, by the first error there is."""
        self.failed = self.failed or error
        self.turn.notify_all()

    def post(self, place: tuple[str, int], rank: int, value: Any) -> None:
        """Bring something to an exchange."""
        self.posted[place].append((rank, value))
        self.turn.notify_all()

    def take(self, place: tuple[str, int], join: Callable[[list[Any]], Any]) -> Any:
        """What comes of an exchange when all have brought something: ``join`` of that, in the order of the ranks.

        It is joined once, by whoever comes first, before anybody goes on and changes what was brought.
        """
        self.turn.wait_for(lambda: self.failed or place in self.taken or len(self.posted[place]) == self.size)
        if self.failed is not None:
            raise RunError("another rank failed")
        if place not in self.taken:
            brought = sorted(self.posted.pop(place), key=lambda each: each[0])
            self.taken[place] = join([value for _, value in brought]), self.size
        found, left = self.taken.pop(place)
        if left > 1:
            self.taken[place] = found, left - 1
        return found


class _Sum:
    """A sum that is under way."""

    def __init__(self, room: _Room, place: tuple[str, int], numbers: Array) -> None:
        self._room, self._place, self._numbers = room, place, numbers

    def poll(self) -> None:
        """Nothing goes on but where somebody waits."""

    def wait(self) -> None:
        """Return when the numbers are the sum."""
        self._numbers[...] = self._room.take(self._place, _added)


class _Neighbour:
    """A rank, as a :class:`netspec.distributed.communicator.Communicator`."""

    def __init__(self, room: _Room, rank: int) -> None:
        self.rank, self.size = rank, room.size
        self._room = room
        self._counts: dict[str, int] = defaultdict(int)

    def start(self, numbers: Array) -> Pending:
        """Begin to replace the float32 ``numbers`` (n,) by their sum over the ranks."""
        return _Sum(self._room, self._bring("sum", numbers), numbers)

    def sums(self, numbers: Array) -> Array:
        """The sum over the ranks of a few float64 numbers (n,)."""
        place = self._bring("small", np.asarray(numbers, np.float64))
        found: Array = self._room.take(place, _added).copy()
        return found

    def gather(self, document: Any) -> list[Any]:
        """What each rank gives, in their order: plain data for JSON."""
        place = self._bring("small", json.dumps(document))
        return [json.loads(text) for text in self._room.take(place, list)]

    def give(self, array: Array) -> None:
        """Overwrite the array by that of rank 0."""
        array[...] = self._room.take(self._bring("small", array), lambda arrays: arrays[0].copy())

    def wait(self, done: Callable[[], bool]) -> None:
        """Until it is done; the others run meanwhile."""
        while not done():
            if self._room.failed is not None:
                raise RunError("another rank failed")
            self._room.turn.wait(_SHORTLY)

    def ready(self) -> None:
        """Nobody is waited for in vain: they all run here."""

    def _bring(self, kind: str, value: Any) -> tuple[str, int]:
        """Bring something to the next exchange of a kind; all ranks have one order of them."""
        place = kind, self._counts[kind]
        self._counts[kind] += 1
        self._room.post(place, self.rank, value)
        return place


def _added(arrays: list[Array]) -> Array:
    """The sum, in the order of the ranks."""
    total: Array = arrays[0].copy()
    for each in arrays[1:]:
        total += each
    return total
