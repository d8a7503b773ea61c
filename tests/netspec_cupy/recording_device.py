"""A device that runs nothing and remembers which kernels it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from netspec.plan import Precision, make_plan
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


def kernels_of(
    trials: Iterable[Trial], precision: Precision = "float32", capability: int = 80
) -> dict[str, str | None]:
    """All kernels that the trials are run by."""
    device = RecordingDevice(capability=capability)
    backend = CupyBackend(device)
    for trial in trials:
        plan = make_plan(trial.graph, backend.target(1), trial.batch, trial.mode, precision=precision)
        backend.load(plan, backend.state(plan), 1)
    return device.kernels
