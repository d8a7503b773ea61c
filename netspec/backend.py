"""The border to the backends: what one must offer, and how installed ones are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

from netspec.core.graph import Region
from netspec.diagnostics import RunError
from netspec.plan import Plan
from netspec.target import Target

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

GROUP = "netspec.backends"

AUTO = "auto"
"""What stands for the first of the installed backends that can run here."""

FASTEST_FIRST = ("cupy", "numba")
"""Backends in the order in which ``auto`` asks them; others follow by name."""

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


@runtime_checkable
class Opened(Protocol):
    """What an executable has whose values can be looked at and changed between its steps; a backend need not offer it.

    It is what ranks need that train together.
    """

    def run(
        self,
        inputs: Mapping[str, Array],
        scalars: Mapping[str, float],
        samples: int,
        regions: tuple[Region, ...] = ("forward", "backward", "update"),
        after: Mapping[int, Callable[[], None]] = ...,
    ) -> None:
        """Run as ``Executable.run`` does, and after each step call what ``after`` has for its place in the plan."""

    def memory(self, name: str) -> Array:
        """The memory itself of a value that does not grow with the batch, flat; it is the value's from the step that
        makes it to the last that reads it.
        """


class Ranks(Protocol):
    """The ranks that train together, as a backend sees them that speaks with those of the others itself."""

    @property
    def rank(self) -> int:
        """Which one this is, from 0."""

    @property
    def size(self) -> int:
        """How many there are."""

    def gather(self, document: Any) -> list[Any]:
        """What each rank gives, in their order: plain data for JSON."""

    def wait(self, done: Callable[[], bool]) -> None:
        """Return when something is done that takes all ranks; a RunError where one keeps the others waiting."""


@runtime_checkable
class Joining(Protocol):
    """What a backend has whose executables are :class:`Exchanging`; a backend need not offer it."""

    def joined(self, ranks: Ranks) -> Backend:
        """The same backend among others of its kind, which all ranks ask for; a RunError where they cannot join."""


class Message(Protocol):
    """Values that ranks sum together, in memory that is theirs from the step that makes them to the last that reads
    them.
    """

    def send(self) -> None:
        """Begin to sum: all of the numbers are made."""

    def poll(self) -> None:
        """Let the sum go on, if it is under way."""

    def receive(self) -> None:
        """Let the sums stand where the numbers were, for whatever is run from now on."""


@runtime_checkable
class Exchanging(Protocol):
    """What an executable has that sums values over the ranks where they lie; see :class:`Opened` for the others."""

    def run(
        self,
        inputs: Mapping[str, Array],
        scalars: Mapping[str, float],
        samples: int,
        regions: tuple[Region, ...] = ("forward", "backward", "update"),
        after: Mapping[int, Callable[[], None]] = ...,
    ) -> None:
        """Run as ``Executable.run`` does, and when each step is under way call what ``after`` has for its place."""

    def size(self, name: str) -> int:
        """The bytes of a value that does not grow with the batch."""

    def message(self, names: Sequence[str]) -> Message:
        """What sums these values, all of them float32."""

    def settle(self) -> None:
        """Return when all sums are over; a RunError where a rank does not come to them."""


@runtime_checkable
class Profiled(Protocol):
    """What an executable has that can measure its steps; a backend need not offer it."""

    def profile(
        self, inputs: Mapping[str, Array], scalars: Mapping[str, float], samples: int, regions: tuple[Region, ...]
    ) -> Mapping[int, float]:
        """Run as ``run`` does; seconds of every step that was run, by its place in the plan: constants are not."""


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
class Measured(Protocol):
    """A backend that can measure the machine."""

    def roof(self, threads: int) -> Roof:
        """What so many threads do at best."""


class Choice(NamedTuple):
    """A backend that can run here, and in a few words why it and no faster one."""

    backend: Backend
    reason: str


def choose_backend() -> Choice:
    """The fastest installed backend that can run on this machine; NS901 where none can, with all they say."""
    refusals: list[str] = []
    for name in installed_backends():
        backend = _load(name)
        refusal = backend.probe()
        if refusal is None:
            return Choice(backend, "; ".join(refusals) or "the fastest that is installed")
        refusals.append(f"{name} cannot be used here: {refusal.partition(';')[0]}")
    raise RunError.of("NS901", backend=AUTO, reason="; ".join(refusals) or "none is installed")


def installed_backends() -> tuple[str, ...]:
    """The names of the installed backends, the fastest first."""
    from importlib.metadata import entry_points

    names = {entry.name for entry in entry_points(group=GROUP)}
    return (*(name for name in FASTEST_FIRST if name in names), *sorted(names - set(FASTEST_FIRST)))


def _load(name: str) -> Backend:
    from importlib.metadata import entry_points

    (entry, *_) = entry_points(group=GROUP, name=name)
    backend: Backend = entry.load()()
    return backend


def find_backend(name: str) -> Backend:
    """The installed backend of that name, or the one that ``auto`` chooses, ready to run.

    A ``RunError`` says why there is none.
    """
    if name == AUTO:
        return choose_backend().backend
    found = installed_backends()
    if name not in found:
        raise RunError.of("NS901", backend=name, reason=f"not installed; installed are: {', '.join(sorted(found))}")
    backend = _load(name)
    reason = backend.probe()
    if reason is not None:
        raise RunError.of("NS901", backend=name, reason=reason)
    return backend


def usable_backends() -> list[Backend]:
    """Every installed backend that can run on this machine, by name; the others are left out without a word."""
    return [backend for backend in map(_load, sorted(installed_backends())) if backend.probe() is None]
