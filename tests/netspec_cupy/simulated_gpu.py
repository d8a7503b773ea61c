"""CUDA's runtime and driver on paper: what is put on a stream happens only when somebody waits for it.

Streams wait for each other only where they are told to. So a buffer that is written again too early, an argument that
changes between its launch and its run, or a recording
that is not started shows. Kernels are run by the host half. What a real GPU does besides, nobody knows from here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from netspec_cupy import contract
from netspec_cupy.gpu_device import GpuDevice
from netspec_cupy.host_device import HostDevice

Work = Callable[[], None]


class CudaError(RuntimeError):
    """Stands for CUDARuntimeError and CUDADriverError."""


def _nothing() -> None:
    """What stands in the place of work that is done."""


class _Stream:
    """What was put on a stream, and how much of it is done."""

    def __init__(self) -> None:
        self.queue: list[Work] = []
        self.done = 0


class SimulatedCuda:
    """Both modules in one, with a count of the calls of each kind."""

    streamNonBlocking = 1
    eventDefault = 0
    eventDisableTiming = 2
    hostAllocDefault = 0
    memcpyHostToDevice = 1
    memcpyDeviceToHost = 2
    streamCaptureModeRelaxed = 2

    def __init__(self, memory: int = 2**30) -> None:
        self.host = HostDevice()
        self.free_memory = memory
        self.ahead: Literal["none", "first", "others"] = "none"
        """Which streams do at once what they may: none, the first one, or those beside it."""
        self.calls: dict[str, int] = {}
        self.fails: dict[str, str] = {}
        self.arguments: dict[int, list[Any]] = {}
        self._arrays: dict[int, Any] = {}
        self._streams: list[_Stream] = []
        self._recorded: list[Work] | None = None
        self._events: dict[int, tuple[int, int]] = {}
        self._handles: dict[int, Any] = {}
        self._allowed: dict[int, int] = {}

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if not name.startswith("_") and callable(found) and name not in ("host",):
            calls = super().__getattribute__("calls")
            calls[name] = calls.get(name, 0) + 1
            fails = super().__getattribute__("fails")
            if name in fails:
                raise CudaError(fails[name])
        return found

    # streams
    def enqueue(self, work: Work, stream: int) -> None:
        """Put work on a stream."""
        if self._recorded is not None:
            self._recorded.append(work)
            return
        self._streams[stream - 1].queue.append(work)
        if self.ahead == ("first" if stream == 1 else "others"):
            self._run_until(stream, len(self._streams[stream - 1].queue))

    def _run_until(self, stream: int, count: int) -> None:
        own = self._streams[stream - 1]
        while own.done < count:
            own.done += 1
            own.queue[own.done - 1]()
            own.queue[own.done - 1] = _nothing

    def _run_all(self) -> None:
        for stream, own in enumerate(self._streams, 1):
            self._run_until(stream, len(own.queue))

    def streamCreateWithFlags(self, flags: int) -> int:
        self._streams.append(_Stream())
        return len(self._streams)

    def streamSynchronize(self, stream: int) -> None:
        self._run_until(stream, len(self._streams[stream - 1].queue))

    def streamWaitEvent(self, stream: int, event: int, flags: int) -> None:
        awaited = self._events[event]
        self.enqueue(lambda: self._run_until(*awaited), stream)

    def setDevice(self, number: int) -> None:
        assert number == 0

    def eventCreateWithFlags(self, flags: int) -> int:
        event = len(self._events) + 1
        self._events[event] = (1, 0)
        return event

    def eventRecord(self, event: int, stream: int) -> None:
        self._events[event] = (stream, len(self._streams[stream - 1].queue))

    def eventElapsedTime(self, first: int, last: int) -> float:
        return float(self._events[last][1] - self._events[first][1])

    def eventDestroy(self, event: int) -> None:
        self._events[event] = (0, 0)

    def eventSynchronize(self, event: int) -> None:
        self._run_until(*self._events[event])

    def eventQuery(self, event: int) -> int:
        self._run_until(*self._events[event])  # who asks again and again waits
        return 0

    # memory
    def memGetInfo(self) -> tuple[int, int]:
        return self.free_memory, 2 * self.free_memory

    def malloc(self, size: int) -> int:
        if size > self.free_memory:
            raise CudaError("cudaErrorMemoryAllocation: out of memory")
        self.free_memory -= size
        array = np.full(size, 0xFF, np.uint8)
        self._arrays[array.ctypes.data] = array
        return int(array.ctypes.data)

    def free(self, address: int) -> None:
        self._run_all()  # as cudaFree, which waits for all that may use the memory
        self.free_memory += self._arrays.pop(address).nbytes

    def hostAlloc(self, size: int, flags: int) -> int:
        array = np.full(size, 0xFF, np.uint8)
        self._arrays[array.ctypes.data] = array
        return int(array.ctypes.data)

    def freeHost(self, address: int) -> None:
        del self._arrays[address]

    def memsetAsync(self, address: int, value: int, size: int, stream: int) -> None:
        self.enqueue(lambda: ctypes.memset(address, value, size) and None, stream)

    def memcpyAsync(self, to: int, source: int, size: int, kind: int, stream: int) -> None:
        self.enqueue(lambda: ctypes.memmove(to, source, size) and None, stream)

    # kernels
    def moduleLoadData(self, cubin: bytes) -> int:
        self._handles[len(self._handles) + 1] = cubin.decode()
        return len(self._handles)

    def moduleGetFunction(self, module: int, name: str) -> int:
        self._handles[len(self._handles) + 1] = self.host.function(name, self._handles[module])
        return len(self._handles)

    def launchKernel(self, function: int, *rest: Any) -> None:
        x, y, z, threads, _, _, shared, stream, place, _ = rest
        if shared > self._allowed.get(function, 48 * 1024):
            raise CudaError("CUDA_ERROR_INVALID_VALUE: so much shared memory was not asked for")
        held = [type(value).from_buffer_copy(value) for value in self.arguments[place]]
        pointers = (ctypes.c_void_p * max(len(held), 1))(*(ctypes.addressof(value) for value in held))
        kernel = self._handles[function]

        def work() -> None:
            assert held is not None
            self.host.launch(kernel, (x, y, z), threads, pointers, shared)

        self.enqueue(work, stream)

    def funcSetAttribute(self, function: int, attribute: int, value: int) -> None:
        assert attribute == 8
        self._allowed[function] = value

    # recordings
    def streamBeginCapture(self, stream: int, mode: int) -> None:
        self._recorded = []

    def streamEndCapture(self, stream: int) -> int:
        self._handles[len(self._handles) + 1] = self._recorded
        self._recorded = None
        return len(self._handles)

    def graphInstantiate(self, graph: int) -> int:
        self._handles[len(self._handles) + 1] = self._handles[graph]
        return len(self._handles)

    def graphDestroy(self, graph: int) -> None:
        self._handles[graph] = None

    def graphExecDestroy(self, graph: int) -> None:
        self._handles[graph] = None

    def graphLaunch(self, graph: int, stream: int) -> None:
        works = self._handles[graph]
        self.enqueue(lambda: [work() for work in works] and None, stream)


def simulated_device(cuda: SimulatedCuda, monkeypatch: Any) -> GpuDevice:
    """A GPU on paper. The driver is told of arguments by address alone: here their contents are kept as well."""
    original = contract.addresses

    def addresses(arguments: Any) -> Any:
        values, pointers = original(arguments)
        cuda.arguments[ctypes.addressof(pointers)] = values
        return values, pointers

    monkeypatch.setattr(contract, "addresses", addresses)
    return GpuDevice(cuda, cuda, "a GPU on paper", 4, 80, lambda text: text.encode())
