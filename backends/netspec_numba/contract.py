"""What a kernel is given and what it gives back: the seam between the plan and the kernels.

A kernel module registers one builder per op::

    @kernel("softmax")
    def softmax(request: Request) -> Launch:
        (x,), (y,) = request.inputs, request.outputs

        @Calls
        def launch(n: int) -> Iterator[Call]:
            yield normalise, (n, x.array, y.array)

        return launch

The builder runs once, when a plan is loaded: it makes index tables, looks at shapes, picks a variant. The
``Launch`` it returns runs the op for the first ``n`` samples of the batch, allocates nothing, and may be
called from one thread only. As ``Calls`` it says what it would call, and the runtime may do that without Python
(:mod:`netspec_numba.native`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from netspec.core.graph import Epilogue, Prologue
from netspec.core.types import TensorType
from netspec.target import DIRECT

Array = np.ndarray[Any, np.dtype[Any]]


class Launch(Protocol):
    """Runs one step for the first ``n`` samples."""

    def __call__(self, n: int) -> None: ...


Call = tuple[Callable[..., None], tuple[Any, ...]]
"""A function and its arguments: compiled by Numba, or else a launch or any other function of Python."""


@dataclass(frozen=True, slots=True)
class Calls:
    """A launch that is described by the calls it consists of, in their order.

    ``of`` looks at nothing but ``n``, above all not into arrays: what it yields for an ``n`` is called again and again.
    """

    of: Callable[[int], Iterable[Call]]

    def __call__(self, n: int) -> None:
        for function, arguments in self.of(n):
            function(*arguments)


NOTHING = Calls(lambda n: ())
"""Does nothing."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A launch that reads something computed from parameters alone, such as packed weights.

    ``prepare`` computes it into workspaces that :attr:`Kernel.prepared` sizes. It must have run since the parameters
    last changed and since the workspaces were last written by others. Calling the whole runs both parts.
    """

    prepare: Launch
    """For any number of samples."""
    launch: Launch

    def __call__(self, n: int) -> None:
        self.prepare(n)
        self.launch(n)


def calls_of(launch: Launch, n: int) -> Iterator[Call]:
    """What ``launch`` calls for ``n`` samples, down to functions that are no launches described by calls."""
    if isinstance(launch, Calls):
        for function, arguments in launch.of(n):
            if isinstance(function, Calls | Prepared):
                yield from calls_of(function, *arguments)
            else:
                yield function, arguments
    elif isinstance(launch, Prepared):
        yield from calls_of(launch.prepare, n)
        yield from calls_of(launch.launch, n)
    else:
        yield launch, (n,)


@dataclass(frozen=True, slots=True)
class Operand:
    """One tensor of a step: its type and its storage, a flat C-contiguous array in the type's layout.

    Element ``(sample, channel, position)`` lies at
    ``sample*sample_stride + (channel // lanes*positions + position)*lanes + channel % lanes``, where the stride is
    ``blocks*positions*lanes`` unless the tensor is a slice of a larger one.
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
    """Flat float32 workspaces, named and sized by the kernel's ``scratch`` and ``prepared``, 64-byte aligned."""
    epilogue: Epilogue | None = None
    """What becomes of the first output; only kernels that are registered with ``epilogue=True`` are given one, and
    pooled convolutions, which clip."""
    residual: Operand | None = None
    """What the epilogue adds, of the type of the first output."""
    prologue: Prologue | None = None
    """What becomes of the first input; only kernels that are registered with ``prologue=True`` are given one."""
    loaded: tuple[Operand, ...] = ()
    """What the prologue takes besides."""


Types = tuple[TensorType, ...]
Builder = Callable[[Request], Launch]
ScratchSizes = Callable[[Any, Types, Types, int, int], Mapping[str, int]]
"""(attrs, input types, output types, batch, threads) -> float32 elements by name. What a prologue takes is among the
inputs, behind the op's own."""


Cost = Callable[[Any, Types, Types, int, bool], float]
"""(attrs, input types, output types, batch, whether the prepared workspaces are kept) -> expected time in multiply-adds
of vectors, infinite where the kernel does not compute this case. Shapes alone decide, so that a plan can be made again.
"""


def _nothing(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    return {}


def _unknown(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Kernel:
    """A registered kernel: how to build it, how much workspace it wants, and when it is worth choosing."""

    build: Builder
    scratch: ScratchSizes = _nothing
    prepared: ScratchSizes = _nothing
    """Workspaces that hold what is computed from parameters alone; ``build`` then returns a :class:`Prepared`."""
    passing: ScratchSizes | None = None
    """The workspaces in their place where nothing is kept from one run to the next, if it then takes others."""
    cost: Cost = _unknown
    exact: bool = True
    """Whether it computes plain sums, which is all that ``math: exact`` allows."""
    epilogue: bool = False
    """Whether it adds a residual and clips, where ``Request.epilogue`` says so."""
    moments: bool = False
    """Whether it gathers moments of what it stores, where ``Request.epilogue`` says so."""
    slices: bool = False
    """Whether its tensors may be slices of larger ones (``TensorType.pitch``); a residual lies as the output does."""
    prologue: bool = False
    """Whether it normalises and clips what it reads, where ``Request.prologue`` says so."""


KERNELS: dict[str, Kernel] = {}
"""By op, the kernel that follows the definition and computes every case."""
ALTERNATIVES: dict[str, dict[str, Kernel]] = {}
"""By op and name of the algorithm, kernels that are faster in some cases."""


def kernel(
    op: str,
    scratch: ScratchSizes = _nothing,
    prepared: ScratchSizes = _nothing,
    passing: ScratchSizes | None = None,
    cost: Cost = _unknown,
    algorithm: str = DIRECT,
    exact: bool = True,
    epilogue: bool = False,
    moments: bool = False,
    slices: bool = False,
    prologue: bool = False,
) -> Callable[[Builder], Builder]:
    """Register the decorated builder as a Numba kernel of ``op``."""

    def register(build: Builder) -> Builder:
        table, key = (KERNELS, op) if algorithm == DIRECT else (ALTERNATIVES.setdefault(op, {}), algorithm)
        if key in table:
            raise ValueError(f"two Numba kernels for {op!r}, {algorithm}")
        table[key] = Kernel(build, scratch, prepared, passing, cost, exact, epilogue, moments, slices, prologue)
        return build

    return register
