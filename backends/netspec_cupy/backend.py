"""The CuPy backend, as it is found through the entry point ``netspec.backends``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec_cupy.coverage import MISSING
from netspec_cupy.probe import probe

if TYPE_CHECKING:
    from netspec.backend import KernelState


@dataclass(frozen=True, slots=True)
class CupyBackend:
    """Runs on an NVIDIA GPU. It has no kernels yet, so that its probe refuses every machine and says why."""

    name: str = "cupy"

    def probe(self) -> str | None:
        """Return None if this machine can run the backend, else one line that says why not and what to do."""
        return probe()

    def kernel(self, op: str) -> KernelState | None:
        """What is still missing is written down, so that an op which nobody thought of is noticed."""
        return "missing" if op in MISSING else None
