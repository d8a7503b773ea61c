"""What a kernel is given and what it gives back: the seam between the plan and the kernels.

A kernel module registers one builder per op::

    @kernel("conv", scratch=scratch_bytes_by_name)
    def conv(request: Request) -> Launch: ...

The builder runs once, when a plan is loaded: it makes index tables, looks at shapes, picks a variant. The
``Launch`` it returns runs the op for the first ``n`` samples of the batch, allocates nothing, and may be
called from one thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from netspec.core.graph import Epilogue
from netspec.core.types import TensorType

Array = np.ndarray[Any, np.dtype[Any]]


class Launch(Protocol):
    """Runs one step for the first ``n`` samples."""

    def __call__(self, n: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Operand:
    """One tensor of a step: its type and its storage, a flat C-contiguous array in the type's layout.

    Element ``(sample, channel, position)`` lies at
    ``((sample*blocks + channel // lanes)*positions + position)*lanes + channel % lanes``.
    A run-time scalar is an array of one element. The planner leaves at least 64 readable bytes behind it.
    """

    type: TensorType
    array: Array


@dataclass(frozen=True, slots=True)
class Request:
    """Everything a builder may know: ``attrs`` is the op's declaration instance, ``batch`` the largest batch."""

    attrs: Any
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    batch: int
    threads: int
    scratch: Mapping[str, Array]
    """Flat float32 workspaces, named and sized by the kernel's ``scratch`` function, 64-byte aligned."""
    epilogue: Epilogue | None = None
    """What becomes of the first output; only kernels that are registered with ``epilogue=True`` are given one."""
    residual: Operand | None = None
    """What the epilogue adds, of the type of the first output."""


Builder = Callable[[Request], Launch]
ScratchSizes = Callable[[Any, tuple[TensorType, ...], tuple[TensorType, ...], int, int], Mapping[str, int]]
"""(attrs, input types, output types, batch, threads) -> float32 elements by name."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A registered kernel: how to build it and how much workspace it wants."""

    build: Builder
    scratch: ScratchSizes
    epilogue: bool = False
    """Whether it does what ``Request.epilogue`` says."""


def _no_scratch(
    attrs: Any, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], batch: int, threads: int
) -> Mapping[str, int]:
    return {}


KERNELS: dict[str, Kernel] = {}


def kernel(op: str, scratch: ScratchSizes = _no_scratch, epilogue: bool = False) -> Callable[[Builder], Builder]:
    """Register the decorated builder as the Numba kernel of ``op``."""

    def register(build: Builder) -> Builder:
        if op in KERNELS:
            raise ValueError(f"two Numba kernels for {op!r}")
        KERNELS[op] = Kernel(build, scratch, epilogue)
        return build

    return register
