"""NCCL on paper: a sum is put on a stream of the simulated CUDA, and made when the stream comes to it."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from simulated_gpu import SimulatedCuda

Array = np.ndarray[Any, np.dtype[np.float32]]
Gather = Callable[[Array], Sequence[Array]]
"""The same numbers of all ranks, in their order."""


class NcclError(RuntimeError):
    """Stands for CuPy's."""


class SimulatedNccl:
    """CuPy's module for NCCL, and the communicator that it makes."""

    available = True
    NCCL_FLOAT32 = 7
    NCCL_SUM = 0

    def __init__(self, cuda: SimulatedCuda, gather: Gather) -> None:
        self._cuda, self._gather = cuda, gather
        self.fails: dict[str, str] = {}
        self.sums = 0
        self.aborted = False
        self._grouped = False

    def _call(self, name: str) -> None:
        if name in self.fails:
            raise NcclError(self.fails[name])

    def get_unique_id(self) -> bytes:
        return bytes(range(128))

    def NcclCommunicator(self, size: int, identity: bytes, rank: int) -> SimulatedNccl:
        self._call("NcclCommunicator")
        assert identity == bytes(range(128))
        assert 0 <= rank < size
        return self

    def groupStart(self) -> None:
        self._grouped = True

    def groupEnd(self) -> None:
        self._grouped = False

    def allReduce(self, source: int, to: int, count: int, kind: int, operation: int, stream: int) -> None:
        self._call("allReduce")
        assert (kind, operation, self._grouped) == (self.NCCL_FLOAT32, self.NCCL_SUM, True)

        def work() -> None:
            given = np.ctypeslib.as_array((ctypes.c_float * count).from_address(source))
            made = np.ctypeslib.as_array((ctypes.c_float * count).from_address(to))
            first, *others = (each.copy() for each in self._gather(given))
            for other in others:
                first += other
            made[:] = first
            self.sums += 1

        self._cuda.enqueue(work, stream)

    def check_async_error(self) -> None:
        self._call("check_async_error")

    def abort(self) -> None:
        self.aborted = True


class Twins:
    """Two ranks of which the other one does what this one does, on a GPU of its own."""

    rank = 0
    size = 2

    def __init__(self, gpus: Sequence[str] = ("the first", "the second")) -> None:
        self._gpus = gpus

    def gather(self, document: Any) -> list[Any]:
        if isinstance(document, list):
            return [[platform.node(), gpu] for gpu in self._gpus]
        return [document, document]

    def wait(self, done: Callable[[], bool]) -> None:
        while not done():
            pass


def twice(numbers: Array) -> Sequence[Array]:
    """What twins have."""
    return numbers, numbers
