"""The border to the backends: what one must offer, and how installed ones are found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

from netspec.core.graph import Region
from netspec.diagnostics import RunError
from netspec.plan import Plan, Target

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

GROUP = "netspec.backends"

KernelState = Literal["written", "generated", "missing"]
"""By hand, from the expression of the op, or not yet. Of every op that netspec has, each backend says one of them."""


class State(Protocol):
    """Weights, statistics and moments by name, in the logical layout; shared by the executables made with it."""

    def names(self) -> Iterator[str]:
        """All names, in the order of the network."""

    def read(self, name: str) -> Array:
        """A copy of a piece of state."""

    def write(self, name: str, value: Array) -> None:
        """Replace a piece of state; a shape that differs is a ValueError, an unknown name a KeyError."""


class Executable(Protocol):
    """A plan loaded into memory, with its kernels."""

    def run(
        self,
        inputs: Mapping[str, Array],
        scalars: Mapping[str, float],
        samples: int,
        regions: tuple[Region, ...] = ("forward", "backward", "update"),
    ) -> None:
        """Run the steps of these regions for the first ``samples`` samples (1 to the plan's batch)."""

    def output(self, name: str) -> Array:
        """A copy of an output of the last run: (samples, ...) channels-last, or a scalar array."""


class Backend(Protocol):
    """A machine that runs plans."""

    name: str

    def probe(self) -> str | None:
        """``None`` where the backend can run here, else why not, in one line."""

    def kernel(self, op: str) -> KernelState | None:
        """How it comes by the kernel of an op, if at all; None of an op that it does not know of."""

    def target(self, threads: int) -> Target:
        """What planning must know."""

    def state(self, plan: Plan) -> State:
        """Memory for the plan's state, zeroed."""

    def load(self, plan: Plan, state: State, threads: int) -> Executable:
        """Kernels bound to the plan's buffers and to ``state``, which other plans of the network may share."""


class Roof(NamedTuple):
    """What a machine does at best: floating-point operations, and bytes from memory, each in a second."""

    flops: float
    bandwidth: float

    def seconds(self, flops: float, bytes: float) -> float:
        """The least time for so much work (Williams et al. 2009, the roofline model)."""
        return max(flops / self.flops, bytes / self.bandwidth)


@runtime_checkable
class Profiled(Protocol):
    """An executable that tells how long each step takes."""

    def profile(self, samples: int) -> tuple[float, ...]:
        """Run every step once on what lies in memory; the seconds of each, in the order of the plan."""


@runtime_checkable
class Measured(Protocol):
    """A backend that can measure the machine."""

    def roof(self, threads: int) -> Roof:
        """What so many threads do at best."""


def find_backend(name: str) -> Backend:
    """The installed backend of that name, ready to run; a ``RunError`` says why there is none."""
    from importlib.metadata import entry_points

    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        raise RunError.of("NS901", backend=name, reason=f"not installed; installed are: {', '.join(sorted(found))}")
    backend: Backend = found[name].load()()
    reason = backend.probe()
    if reason is not None:
        raise RunError.of("NS901", backend=name, reason=reason)
    return backend


def usable_backends() -> list[Backend]:
    """Every installed backend that can run on this machine, by name; the others are left out without a word."""
    from importlib.metadata import entry_points

    found: list[Backend] = [entry.load()() for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name)]
    return [backend for backend in found if backend.probe() is None]
