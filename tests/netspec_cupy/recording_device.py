"""A device that runs nothing and remembers which kernels it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from netspec.backend import Backend
from netspec.plan import Plan, make_plan
from netspec.target import Precision
from netspec.testing import Trial
from netspec_cupy.backend import CupyBackend
from netspec_cupy.host_device import HostDevice, HostMemory


@dataclass
class RecordingDevice:
    """Kernels by name, with the source of those that were generated."""

    name: str = "paper"
    processors: int = 4
    capability: int = 80
    kernels: dict[str, str | None] = field(default_factory=dict)

    def free_bytes(self) -> int | None:
        return None

    def allocate(self, bytes: int) -> HostMemory:
        return HostDevice().allocate(bytes)

    def function(self, name: str, source: str | None = None) -> str:
        self.kernels[name] = source
        return name

    def launch(self, *_: Any) -> None:
        raise AssertionError("nothing can run here")

    def send(self, parts: Iterable[Any]) -> None:
        pass

    def fetch(self, address: int, into: Any) -> None:
        raise AssertionError("nothing can run here")

    def timed(self, works: Iterable[Callable[[], None]]) -> list[float]:
        raise AssertionError("nothing can run here")

    def repeat(self, recording: dict[Any, Any], key: Any, work: Callable[[], None]) -> None:
        raise AssertionError("nothing can run here")


class Way(NamedTuple):
    """How a trial is computed: an algorithm wherever a step has it, None for those that are chosen; on which GPU."""

    precision: Precision = "float32"
    algorithm: str | None = None
    capability: int = 80


CHOSEN = Way()


def plan_of(backend: Backend, trial: Trial, way: Way) -> Plan:
    """The plan of a trial that is computed in a way."""
    target = backend.target(1)
    plan = make_plan(trial.graph, target, trial.batch, trial.mode, precision=way.precision)
    if way.algorithm is None:
        return plan
    forced = {step.node.outputs[0].name: way.algorithm for step in plan.steps if way.algorithm in step.alternatives}
    return make_plan(trial.graph, target, trial.batch, trial.mode, algorithms=forced, precision=way.precision)


def kernels_of(trials: Iterable[Trial], way: Way = CHOSEN) -> dict[str, str | None]:
    """All kernels that the trials are run by."""
    device = RecordingDevice(capability=way.capability)
    backend = CupyBackend(device)
    for trial in trials:
        plan = plan_of(backend, trial, way)
        backend.load(plan, backend.state(plan), 1)
    return device.kernels
