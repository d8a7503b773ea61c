"""CUDA's runtime and driver on paper: what is put on a stream happens only when somebody waits for it.

So a buffer that is written again too early, an argument that changes between its launch and its run, or a recording
that is not started shows. Kernels are run by the host half. What a real GPU does besides, nobody knows from here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from netspec_cupy import contract
from netspec_cupy.gpu_device import GpuDevice
from netspec_cupy.host_device import HostDevice

Work = Callable[[], None]


class CudaError(RuntimeError):
    """Stands for CUDARuntimeError and CUDADriverError."""


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
        self.calls: dict[str, int] = {}
        self.fails: dict[str, str] = {}
        self.arguments: dict[int, list[Any]] = {}
        self._arrays: dict[int, Any] = {}
        self._queue: list[Work] = []
        self._recorded: list[Work] | None = None
        self._events: dict[int, int] = {}
        self._done = 0
        self._put = 0
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

    # the stream
    def _enqueue(self, work: Work) -> None:
        if self._recorded is not None:
            self._recorded.append(work)
            return
        self._put += 1
        self._queue.append(work)

    def _run_until(self, count: int) -> None:
        while self._done < count:
            self._queue.pop(0)()
            self._done += 1

    def streamCreateWithFlags(self, flags: int) -> int:
        return 7

    def streamSynchronize(self, stream: int) -> None:
        self._run_until(self._put)

    def eventCreateWithFlags(self, flags: int) -> int:
        event = len(self._events) + 1
        self._events[event] = 0
        return event

    def eventRecord(self, event: int, stream: int) -> None:
        self._events[event] = self._put

    def eventElapsedTime(self, first: int, last: int) -> float:
        return float(self._events[last] - self._events[first])

    def eventDestroy(self, event: int) -> None:
        self._events[event] = -1

    def eventSynchronize(self, event: int) -> None:
        self._run_until(self._events[event])

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
        self._run_until(self._put)  # as cudaFree, which waits for all that may use the memory
        self.free_memory += self._arrays.pop(address).nbytes

    def hostAlloc(self, size: int, flags: int) -> int:
        array = np.full(size, 0xFF, np.uint8)
        self._arrays[array.ctypes.data] = array
        return int(array.ctypes.data)

    def freeHost(self, address: int) -> None:
        del self._arrays[address]

    def memsetAsync(self, address: int, value: int, size: int, stream: int) -> None:
        self._enqueue(lambda: ctypes.memset(address, value, size) and None)

    def memcpyAsync(self, to: int, source: int, size: int, kind: int, stream: int) -> None:
        self._enqueue(lambda: ctypes.memmove(to, source, size) and None)

    # kernels
    def moduleLoadData(self, cubin: bytes) -> int:
        self._handles[len(self._handles) + 1] = cubin.decode()
        return len(self._handles)

    def moduleGetFunction(self, module: int, name: str) -> int:
        self._handles[len(self._handles) + 1] = self.host.function(name, self._handles[module])
        return len(self._handles)

    def launchKernel(self, function: int, *rest: Any) -> None:
        x, y, z, threads, _, _, shared, _, place, _ = rest
        if shared > self._allowed.get(function, 48 * 1024):
            raise CudaError("CUDA_ERROR_INVALID_VALUE: so much shared memory was not asked for")
        held = [type(value).from_buffer_copy(value) for value in self.arguments[place]]
        pointers = (ctypes.c_void_p * max(len(held), 1))(*(ctypes.addressof(value) for value in held))
        kernel = self._handles[function]

        def work() -> None:
            assert held is not None
            self.host.launch(kernel, (x, y, z), threads, pointers, shared)

        self._enqueue(work)

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
        self._enqueue(lambda: [work() for work in works] and None)


def simulated_device(cuda: SimulatedCuda, monkeypatch: Any) -> GpuDevice:
    """A GPU on paper. The driver is told of arguments by address alone: here their contents are kept as well."""
    original = contract.addresses

    def addresses(arguments: Any) -> Any:
        values, pointers = original(arguments)
        cuda.arguments[ctypes.addressof(pointers)] = values
        return values, pointers

    monkeypatch.setattr(contract, "addresses", addresses)
    return GpuDevice(cuda, cuda, "a GPU on paper", 4, 80, lambda text: text.encode())
