"""The machine and the versions that a measurement was made with."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from netspec import __version__
from netspec.bench.variants import LIBRARIES, Variant
from netspec.training.facts import processor
from netspec.training.threads import available_threads


def machine(variants: Iterable[Variant]) -> dict[str, Any]:
    """Processor, cores, how busy it was, and the versions of all that took part."""
    libraries = {LIBRARIES[variant.side] for variant in variants if variant.side in LIBRARIES}
    return {
        "processor": processor(),
        "cores": available_threads(),
        "load": round(os.getloadavg()[0], 2),
        "platform": platform.platform(),
        "versions": {
            "netspec": __version__,
            "python": platform.python_version(),
            **{name: _installed(name) for name in ("numpy", "numba", *sorted(libraries))},
        },
    }


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
