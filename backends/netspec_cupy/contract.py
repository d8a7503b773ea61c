"""The seams of the backend: between kernels and a device, and between the plan and the kernels.

A kernel module registers one builder per op::

    @kernel("dense", scratch=elements_by_name)
    def dense(request: Request) -> Launch: ...

The builder runs once, when a plan is loaded: it makes tables and picks kernels. The ``Launch`` it returns runs the op
for the first ``n`` samples and allocates nothing.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from netspec.core.graph import Epilogue, Storage
from netspec.core.types import TensorType
from netspec.target import DIRECT, Precision

Array = np.ndarray[Any, np.dtype[Any]]
Grid = tuple[int, int, int]
Launch = Callable[[int], None]
"""Runs one step for the first ``n`` samples."""

THREADS = 256
"""Threads of a block, where a kernel does not want otherwise."""


class Memory(Protocol):
    """A stretch of a device's memory, given back when nobody holds it any more."""

    @property
    def address(self) -> int:
        """Where it begins: on a GPU at a multiple of 256."""

    @property
    def bytes(self) -> int:
        """How long it is."""


class Device(Protocol):
    """What runs kernels: a GPU, or the processor by the host half of ``kernels/device.cuh``."""

    @property
    def name(self) -> str:
        """Which one it is, for messages."""

    @property
    def processors(self) -> int:
        """Blocks that run at the same time, roughly: work is split into at least so many where that helps."""

    def free_bytes(self) -> int | None:
        """Memory that could be allocated now; None where nobody knows."""

    def allocate(self, bytes: int) -> Memory:
        """Zeroed memory; a RunError where there is not so much."""

    def function(self, name: str, source: str | None = None) -> Any:
        """A kernel, ready to launch: one that is written by hand, or one of a generated ``source``."""

    @property
    def capability(self) -> int:
        """Compute capability, major and minor in one number: 80 and above have tensor cores for these kernels."""

    def launch(
        self, function: Any, grid: Grid, threads: int, arguments: ctypes.Array[ctypes.c_void_p], shared: int = 0
    ) -> None:
        """Run a kernel after everything that was launched before. ``arguments`` holds the arguments' addresses.

        ``shared`` is the bytes of ``DYNAMIC_SHARED`` that each block has.
        """

    def send(self, parts: Iterable[tuple[int, Array]]) -> None:
        """Copy arrays to addresses; they may be changed as soon as this returns."""

    def fetch(self, address: int, into: Array) -> None:
        """Wait until all is done, and copy the memory from ``address`` into an array."""

    def repeat(self, recording: dict[Any, Any], key: Any, work: Callable[[], None]) -> None:
        """Run ``work``, which launches the same kernels whenever ``key`` is the same.

        ``recording`` is the caller's, empty at first: a device may keep there what makes the next time cheaper.
        """

    def timed(self, works: Iterable[Callable[[], None]]) -> list[float]:
        """Run one after the other and wait for them; the seconds that each took, on the device's own clock."""


@dataclass(frozen=True, slots=True)
class Operand:
    """One tensor of a step: its type and its address. All are plain: row-major, channels last, the batch in front."""

    type: TensorType
    address: int


Types = tuple[TensorType, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """Everything a builder may know. ``live`` holds the number of live samples whenever a launch is run."""

    attrs: Any
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    batch: int
    scratch: Mapping[str, int]
    """Addresses of the workspaces named by the kernel's ``scratch`` function, which the planner aligns."""
    live: ctypes.c_int
    device: Device
    held: list[Any]
    """Kept alive as long as the executable: tables in device memory."""
    algorithm: str = DIRECT
    epilogue: Epilogue | None = None
    residual: Operand | None = None
    """What the epilogue adds."""

    def table(self, array: Array) -> int:
        """The address of a copy of ``array`` on the device."""
        memory = self.device.allocate(max(array.nbytes, 1))
        self.device.send([(memory.address, array)])
        self.held.append(memory)
        return memory.address

    def launch(
        self,
        name: str,
        grid: Callable[[int], Grid],
        *arguments: Any,
        threads: int = THREADS,
        shared: int = 0,
        source: str | None = None,
    ) -> Launch:
        """A launch of kernel ``name`` on the grid that ``grid`` gives for n samples; see :func:`addresses`.

        ``shared`` is the bytes of its ``DYNAMIC_SHARED``.
        """
        function, device = self.device.function(name, source), self.device
        kept, pointers = addresses(arguments)

        def launch(n: int) -> None:
            device.launch(function, grid(n), threads, pointers, shared)

        self.held.append(kept)
        return launch

    def per_number(self, name: str, each: int, *arguments: Any, batched: bool = True) -> Launch:
        """A launch with a thread for every one of ``each`` numbers, of each live sample or in all."""

        def grid(n: int) -> Grid:
            return (blocks(each * (n if batched else 1)), 1, 1)

        return self.launch(name, grid, *arguments)

    def per_sample(self, name: str, each: int, *arguments: Any) -> Launch:
        """The same with a row of blocks for every live sample, which spares threads a division."""
        return self.launch(name, lambda n: (blocks(each), n, 1), *arguments)


def blocks(threads: int, size: int = THREADS) -> int:
    """Blocks that hold so many threads; one at least."""
    return max(1, -(-threads // size))


def addresses(arguments: Sequence[Any]) -> tuple[list[Any], ctypes.Array[ctypes.c_void_p]]:
    """The arguments of a kernel as C values, and the array of their addresses that a driver takes.

    An Operand is passed as its address, None as a null pointer, an int as a C int and a float as a float; whatever
    else has to be a ctypes value, which may change its contents later.
    """
    values = [_value(argument) for argument in arguments]
    pointers = (ctypes.c_void_p * max(len(values), 1))(*(ctypes.addressof(value) for value in values))
    return values, pointers


def _value(argument: Any) -> Any:
    if argument is None:
        return ctypes.c_void_p()
    if isinstance(argument, Operand):
        return ctypes.c_void_p(argument.address)
    if isinstance(argument, int):
        return ctypes.c_int(argument)
    return ctypes.c_float(argument) if isinstance(argument, float) else argument


def named(name: str, operand: Operand) -> str:
    """The kernel of this name for numbers stored as the operand's are: those of bfloat16 have it in their names."""
    return f"{name}_bf16" if operand.type.dtype == "bfloat16" else name


def pointer(address: int) -> ctypes.c_void_p:
    """An address as an argument."""
    return ctypes.c_void_p(address)


def in_turn(*launches: Launch) -> Launch:
    """One launch after the other."""

    def launch(n: int) -> None:
        for each in launches:
            each(n)

    return launch


Builder = Callable[[Request], Launch]
ScratchSizes = Callable[[Any, Types, Types, int], Mapping[str, int]]
"""(attrs, input types, output types, batch) -> float32 elements by name."""
Cost = Callable[[Any, Types, Types, int], float]
"""(attrs, input types, output types, batch) -> what the kernel is expected to take, in multiply-adds of float32 of a
whole GPU; infinite where it does not compute the op."""


FLOAT32, HALVES = Storage(), Storage("bfloat16", "bfloat16")
"""Tensors of the batch in float32 alone; all of them alike, and in bfloat16 where that is allowed."""
EITHER, ALIKE = Storage("either", "either"), Storage("bfloat16", "either")
"""Each of them in the type that it has; what is read alike, and in bfloat16 where that is allowed."""


def no_scratch(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    """No workspaces."""
    return {}


def any_shape(attrs: Any, inputs: Types, outputs: Types, batch: int) -> float:
    """The cost of a kernel that nothing has to be compared with."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Kernel:
    """A registered kernel: how to build it, how much workspace it wants, and what it is good for."""

    build: Builder
    scratch: ScratchSizes = no_scratch
    epilogue: bool = False
    """Whether it does an epilogue."""
    cost: Cost = any_shape
    exact: bool = True
    """Whether its errors are those of plain sums."""
    precision: Precision = "float32"
    """What it rounds the factors of products to."""
    capability: int | None = None
    """The one compute capability that it is for; None for all."""
    storage: Storage = FLOAT32
    """How it reads and writes tensors of the batch."""

    def takes(self, types: Types) -> bool:
        """Whether it computes with operands of these types, as they are stored."""
        return self.storage != FLOAT32 or all(type.dtype != "bfloat16" for type in types)


KERNELS: dict[str, Kernel] = {}
"""By op, the kernel that follows the definition."""
ALTERNATIVES: dict[str, dict[str, Kernel]] = {}
"""By op, then by algorithm, the others."""


def kernel(op: str, algorithm: str = DIRECT, **facts: Any) -> Callable[[Builder], Builder]:
    """Register the decorated builder as a kernel of ``op``; ``facts`` are the fields of its :class:`Kernel`."""
    own = KERNELS if algorithm == DIRECT else ALTERNATIVES.setdefault(op, {})
    name = op if algorithm == DIRECT else algorithm

    def register(build: Builder) -> Builder:
        if name in own:
            raise ValueError(f"two CuPy kernels for {op!r} by {algorithm}")
        own[name] = Kernel(build, **facts)
        return build

    return register
