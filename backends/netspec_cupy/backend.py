"""The CuPy backend, as it is found through the entry point ``netspec.backends``."""

from __future__ import annotations

from dataclasses import dataclass

from netspec_cupy.probe import probe


@dataclass(frozen=True, slots=True)
class CupyBackend:
    """Runs on an NVIDIA GPU. It has no kernels yet, so that its probe refuses every machine and says why."""

    name: str = "cupy"

    def probe(self) -> str | None:
        """Return None if this machine can run the backend, else one line that says why not and what to do."""
        return probe()
