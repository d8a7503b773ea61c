"""A GPU as a device, by the driver's and the runtime's calls as CuPy offers them.

Everything is put on one stream that no other work waits for. What is sent goes through pinned memory, in two halves
that take turns, so that the next batch is copied while the last one is worked on. Launches that come again are recorded
once as a CUDA graph and started as a whole: a small network takes longer to launch than to run.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np

from netspec.diagnostics import RunError
from netspec.diagnostics.text import size
from netspec_cupy import nvrtc, sources
from netspec_cupy.contract import Array, Grid

ALIGNMENT = 256
"""Where parts begin in pinned memory."""
CALL_OF_KERNELS = 0
SHARED_WITHOUT_ASKING = 48 * 1024
"""Bytes of dynamic shared memory that a kernel may have unless it was allowed more."""
DYNAMIC_SHARED = 8
"""CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES."""
MILLISECOND = 1e-3
SUCCESS, NOT_READY = 0, 600
"""What CUDA says of an event that is past, and of one that is not."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class GpuMemory:
    """Memory of the device."""

    address: int
    bytes: int


@dataclass(slots=True)
class _Half:
    """Pinned memory, and the event after which it may be written again."""

    event: int
    address: int = 0
    bytes: int = 0


@dataclass(slots=True)
class GpuDevice:
    """A GPU. ``runtime`` and ``driver`` are CuPy's modules of those names.

    ``compile`` makes a cubin from a module's source.
    """

    runtime: Any
    driver: Any
    name: str
    processors: int
    capability: int
    compile: Callable[[str], bytes]
    number: int = 0
    """Which of the visible GPUs it is."""
    identity: str = ""
    """Which one of its machine, whatever is visible."""
    stream: int = field(init=False)
    """What everything is put on; an address."""
    _halves: list[_Half] = field(init=False)
    _modules: dict[str, Any] = field(default_factory=dict, init=False)
    _functions: dict[str, Any] = field(default_factory=dict, init=False)
    _shared: dict[Any, int] = field(default_factory=dict, init=False)
    """Bytes of dynamic shared memory that a kernel was allowed, where they are many."""

    def __post_init__(self) -> None:
        self.stream = self.runtime.streamCreateWithFlags(self.runtime.streamNonBlocking)
        self._halves = [_Half(self.runtime.eventCreateWithFlags(self.runtime.eventDisableTiming)) for _ in range(2)]

    def free_bytes(self) -> int | None:
        """Memory that could be allocated now."""
        return int(self.runtime.memGetInfo()[0])

    def allocate(self, bytes: int) -> GpuMemory:
        """Zeroed memory, given back when it is held no more; NS902 where there is not so much."""
        try:
            address = self.runtime.malloc(bytes)
        except Exception as error:  # CuPy's error for this carries no type of its own
            if "MemoryAllocation" not in str(error):
                raise self._gave_up("an allocation", error) from error
            raise RunError.of("NS902", needed=size(bytes), available=size(self.free_bytes() or 0)) from error
        memory = GpuMemory(address, bytes)
        _when_dropped(memory, self.runtime.free, address)
        self._do("memset", lambda: self.runtime.memsetAsync(address, 0, bytes, self.stream))
        return memory

    def function(self, name: str, source: str | None = None) -> Any:
        """A kernel's handle; its module is compiled for this GPU where the cache does not hold it."""
        if name not in self._functions:
            text = source if source is not None else sources.written()[sources.module_of()[name]].text
            if text not in self._modules:
                cubin = self.compile(text)
                self._modules[text] = self._do("the loading of kernels", lambda: self.driver.moduleLoadData(cubin))
            self._functions[name] = self.driver.moduleGetFunction(self._modules[text], name)
        return self._functions[name]

    def launch(
        self, function: Any, grid: Grid, threads: int, arguments: ctypes.Array[ctypes.c_void_p], shared: int = 0
    ) -> None:
        """Put a kernel on the stream. The driver copies the arguments at once."""
        place, sizes = ctypes.addressof(arguments), (*grid, threads, 1, 1, shared)
        if shared > self._shared.get(function, SHARED_WITHOUT_ASKING):
            self._do("a launch", lambda: self.driver.funcSetAttribute(function, DYNAMIC_SHARED, shared))
            self._shared[function] = shared
        self._do(
            "a launch",
            lambda: self.driver.launchKernel(function, *sizes, self.stream, place, CALL_OF_KERNELS),
        )

    def send(self, parts: Iterable[tuple[int, Array]]) -> None:
        """Copy arrays to addresses, by the half of pinned memory whose last copies are over."""
        given = [(address, np.ascontiguousarray(array)) for address, array in parts]
        half = self._halves[0]
        self._halves.reverse()
        self._do("a copy", lambda: self.runtime.eventSynchronize(half.event))
        self._widen(half, sum(_aligned(array.nbytes) for _, array in given))
        place = half.address
        for address, array in given:
            ctypes.memmove(place, array.ctypes.data, array.nbytes)
            self._copy(address, place, array.nbytes, self.runtime.memcpyHostToDevice)
            place += _aligned(array.nbytes)
        self._do("a copy", lambda: self.runtime.eventRecord(half.event, self.stream))

    def _widen(self, half: _Half, bytes: int) -> None:
        """Pinned memory for so many bytes; what the half had is not in use any more."""
        if half.bytes >= bytes:
            return
        if half.address:
            self.runtime.freeHost(half.address)
        half.address = self._do("an allocation", lambda: self.runtime.hostAlloc(bytes, self.runtime.hostAllocDefault))
        half.bytes = bytes

    def _copy(self, to: int, source: int, bytes: int, kind: int) -> None:
        self._do("a copy", lambda: self.runtime.memcpyAsync(to, source, bytes, kind, self.stream))

    def fetch(self, address: int, into: Array) -> None:
        """Wait until all is done, and copy memory into an array."""
        self._copy(into.ctypes.data, address, into.nbytes, self.runtime.memcpyDeviceToHost)
        self._do("a kernel", lambda: self.runtime.streamSynchronize(self.stream))

    def repeat(self, recording: dict[Any, Any], key: Any, work: Callable[[], None]) -> None:
        """Run it the first time, record it the second, and start the recording from then on."""
        if key not in recording:
            recording[key] = None
            work()
            return
        if recording[key] is None:
            recording[key] = self._recorded(work)
        graph = recording[key].handle
        self._do("a graph", lambda: self.runtime.graphLaunch(graph, self.stream))

    def timed(self, works: Iterable[Callable[[], None]]) -> list[float]:
        """By events on the stream, one between each two."""
        events = [self._event()]
        for work in works:
            work()
            events.append(self._event())
        self._do("a kernel", lambda: self.runtime.streamSynchronize(self.stream))
        found = [self.runtime.eventElapsedTime(*pair) * MILLISECOND for pair in pairwise(events)]
        for event in events:
            self.runtime.eventDestroy(event)
        return found

    def use(self) -> None:
        """Make it the GPU of the thread that asks."""
        self._do("the choice of a GPU", lambda: self.runtime.setDevice(self.number))

    def other_stream(self) -> int:
        """A stream for what goes on beside everything else."""
        flags = self.runtime.streamNonBlocking
        made: int = self._do("a stream", lambda: self.runtime.streamCreateWithFlags(flags))
        return made

    def event(self) -> int:
        """Something that can be marked and waited for again and again; it lives as long as the process."""
        flags = self.runtime.eventDisableTiming
        made: int = self._do("an event", lambda: self.runtime.eventCreateWithFlags(flags))
        return made

    def mark(self, event: int, stream: int | None = None) -> None:
        """Let the event stand for all that is on a stream by now: its own one, or another."""
        self._do("an event", lambda: self.runtime.eventRecord(event, self.stream if stream is None else stream))

    def wait_on(self, stream: int, event: int) -> None:
        """Let what is put on a stream from now on wait for what the event stands for. Nobody waits here."""
        self._do("an event", lambda: self.runtime.streamWaitEvent(stream, event, 0))

    def is_past(self, event: int) -> bool:
        """Whether all that the event stands for is done."""
        status = self._do("an event", lambda: self.runtime.eventQuery(event))
        if status not in (SUCCESS, NOT_READY):
            raise self._gave_up("a kernel", RuntimeError(f"CUDA's error {status}"))
        return bool(status == SUCCESS)

    def _event(self) -> int:
        """A mark on the stream, with the time at which it was come to."""
        event: int = self._do("an event", lambda: self.runtime.eventCreateWithFlags(self.runtime.eventDefault))
        self._do("an event", lambda: self.runtime.eventRecord(event, self.stream))
        return event

    def _recorded(self, work: Callable[[], None]) -> _Graph:
        """The launches of ``work`` as a graph, which can be started."""
        runtime = self.runtime
        # Relaxed, since Python may give memory back at any time, and CUDA would break off a stricter recording.
        mode = runtime.streamCaptureModeRelaxed
        self._do("a recording", lambda: runtime.streamBeginCapture(self.stream, mode))
        try:
            work()
        finally:
            drawn = self._do("a recording", lambda: runtime.streamEndCapture(self.stream))
        made = _Graph(self._do("a recording", lambda: runtime.graphInstantiate(drawn)))
        runtime.graphDestroy(drawn)
        _when_dropped(made, runtime.graphExecDestroy, made.handle)
        return made

    def _do(self, what: str, call: Callable[[], Any]) -> Any:
        """Call into CUDA; NS940 where it refuses. What a kernel did wrong is told by a later call."""
        try:
            return call()
        except Exception as error:  # the runtime and the driver have types of errors of their own
            raise self._gave_up(what, error) from error

    def _gave_up(self, what: str, error: Exception) -> RunError:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return RunError.of("NS940", what=what, device=self.name, problem=lines[0])


@dataclass(frozen=True, slots=True, weakref_slot=True)
class _Graph:
    """A graph that can be started."""

    handle: int


def _when_dropped(held: Any, release: Callable[[int], None], handle: int) -> None:
    """Release what a handle stands for when nobody holds it any more; not when Python ends, where CUDA has gone."""
    weakref.finalize(held, release, handle).atexit = False


def _aligned(bytes: int) -> int:
    return -(-bytes // ALIGNMENT) * ALIGNMENT


def gpu_count() -> int:
    """How many GPUs are visible."""
    return int(import_module("cupy").cuda.runtime.getDeviceCount())


def gpu_capability(number: int = 0) -> int:
    """The compute capability of one of the visible GPUs, major and minor in one number."""
    return int(import_module("cupy").cuda.Device(number).compute_capability)


@cache
def gpu_device(number: int = 0) -> GpuDevice:
    """One of the visible GPUs, once for the process."""
    cupy = import_module("cupy")
    device = cupy.cuda.Device(number)
    device.use()
    capability = gpu_capability(number)
    target = nvrtc.architecture(capability)
    name = cupy.cuda.runtime.getDeviceProperties(number)["name"].decode()
    return GpuDevice(
        cupy.cuda.runtime,
        cupy.cuda.driver,
        name,
        int(device.attributes["MultiProcessorCount"]),
        capability,
        lambda text: nvrtc.cubin(text, target),
        number,
        str(device.pci_bus_id),
    )
