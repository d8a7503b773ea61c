"""Sums over the GPUs of several ranks, by NCCL: on a stream of their own, beside what the GPUs compute meanwhile.

Each rank has a GPU to itself. What the ranks have to tell each other before there is a communicator, and whom to wait
for, is the business of whoever started them (:class:`netspec.backend.Ranks`, which is MPI's world).

NCCL chooses an algorithm by size and topology. Here it is always the ring, in which each number is added up in one
order and handed to all ranks: the same GPUs in the same places give the same bits, and all ranks have the same.
"""

from __future__ import annotations

import os
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from threading import Thread
from typing import Any

from netspec.backend import Ranks
from netspec.diagnostics import RunError
from netspec_cupy.gpu_device import GpuDevice, gpu_count, gpu_device

FIXED = {"NCCL_ALGO": "Ring", "NCCL_PROTO": "Simple"}
"""NCCL's settings that fix the order of sums; what the environment says already stays."""
CONNECTING = 25.0
"""Seconds within which all ranks have to be connected."""


class Link:
    """The GPUs of all ranks, as one of them sees them."""

    def __init__(self, device: GpuDevice, ranks: Ranks, library: Any, communicator: Any) -> None:
        self._device, self._ranks = device, ranks
        self._library, self._communicator = library, communicator
        self._stream = device.other_stream()
        self._last = device.event()

    def message(self, parts: Sequence[tuple[int, int]]) -> Message:
        """What sums float32 numbers where they lie: ``parts`` are addresses and how many."""
        return Message(self, tuple(parts))

    def begin(self, parts: Sequence[tuple[int, int]], ready: int, done: int) -> None:
        """Sum behind everything that is on the device's stream now; ``done`` marks the end."""
        library, device = self._library, self._device
        device.mark(ready)
        device.wait_on(self._stream, ready)
        self._do(library.groupStart)
        kind = library.NCCL_FLOAT32, library.NCCL_SUM
        for address, count in parts:
            self._do(self._communicator.allReduce, address, address, count, *kind, self._stream)
        self._do(library.groupEnd)
        device.mark(done, self._stream)

    def end(self, done: int) -> None:
        """Let what is put on the device's stream from now on wait for a sum."""
        self._device.wait_on(self._device.stream, done)

    def event(self) -> int:
        """An event of the device."""
        return self._device.event()

    def settle(self) -> None:
        """Return when all sums are over; all are given up where a rank does not come to them, or NCCL fails."""
        self._device.mark(self._last, self._stream)
        try:
            self._ranks.wait(self._is_over)
        except RunError:
            self._communicator.abort()  # else the GPU would wait for ever, and whoever waits for the GPU
            raise

    def _is_over(self) -> bool:
        self._do(self._communicator.check_async_error)
        return self._device.is_past(self._last)

    def _do(self, call: Callable[..., Any], *arguments: Any) -> None:
        try:
            call(*arguments)
        except Exception as error:  # CuPy's error of NCCL is of no type that is there without NCCL
            raise failed(self._ranks, error) from error


class Message:
    """Values that are summed together."""

    def __init__(self, link: Link, parts: tuple[tuple[int, int], ...]) -> None:
        self._link, self._parts = link, parts
        self._ready, self._done = link.event(), link.event()

    def send(self) -> None:
        """Begin to sum, as soon as the GPU has made the numbers."""
        self._link.begin(self._parts, self._ready, self._done)

    def poll(self) -> None:
        """The GPU goes on by itself."""

    def receive(self) -> None:
        """Let the GPU wait for the sum before it does anything else."""
        self._link.end(self._done)


def connect(ranks: Ranks, given: GpuDevice | None = None) -> tuple[GpuDevice, Link]:
    """A GPU for this rank, or the ``given`` one, and the link to those of the others.

    NS990 where there is no NCCL, NS991 where ranks would have to share a GPU, NS992 where NCCL fails.
    """
    library = _library()
    device = given or gpu_device(_place(ranks) % gpu_count())
    _refuse_sharing(ranks, device)
    for name, value in FIXED.items():
        os.environ.setdefault(name, value)
    try:
        own = library.get_unique_id().hex() if ranks.rank == 0 else ""
    except Exception as error:  # see Link._do
        raise failed(ranks, error) from error
    identity = bytes.fromhex(ranks.gather(own)[0])
    communicator = _connected(ranks, device, lambda: library.NcclCommunicator(ranks.size, identity, ranks.rank))
    return device, Link(device, ranks, library, communicator)


def _connected(ranks: Ranks, device: GpuDevice, make: Callable[[], Any]) -> Any:
    """What ``make`` makes: in a thread, since it waits for the other ranks, which may not come."""
    made: list[Any] = []
    problems: list[Exception] = []

    def run() -> None:
        try:
            device.use()
            made.append(make())
        except Exception as error:  # told by the thread that waits
            problems.append(error)

    thread, begun = Thread(target=run, daemon=True), time.monotonic()
    thread.start()

    def is_over() -> bool:
        if time.monotonic() - begun > CONNECTING:
            raise failed(ranks, TimeoutError(f"the ranks were not connected within {CONNECTING:g} s"))
        return not thread.is_alive()

    ranks.wait(is_over)
    if problems:
        raise failed(ranks, problems[0]) from problems[0]
    return made[0]


def failed(ranks: Ranks, error: Exception) -> RunError:
    """NS992 with the first line of what NCCL says."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return RunError.of("NS992", rank=ranks.rank, host=platform.node(), problem=lines[0])


def _library() -> Any:
    """CuPy's module for NCCL; NS990 where it cannot be loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy says at length what NS990 says in a line
        library = import_module("cupy.cuda.nccl")
    if not library.available:
        raise RunError.of("NS990")
    return library


def _place(ranks: Ranks) -> int:
    """Which of the ranks of its host this is."""
    hosts = ranks.gather(platform.node())
    return int(hosts[: ranks.rank].count(hosts[ranks.rank]))


def _refuse_sharing(ranks: Ranks, device: GpuDevice) -> None:
    """NS991 where two ranks have one GPU."""
    owners: dict[tuple[str, str], int] = {}
    for rank, (host, gpu) in enumerate(ranks.gather([platform.node(), device.identity])):
        first = owners.setdefault((host, gpu), rank)
        if first != rank:
            raise RunError.of("NS991", first=first, second=rank, host=host, gpu=gpu)
