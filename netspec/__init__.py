"""netspec: convolutional networks written as YAML, checked, explained and trained with kernels of their own.

The public names are loaded when they are first used, so that ``import netspec``, and with it every command that
only reads a spec, costs no more than a Python start.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netspec.api import InputError, InputWarning, Model, Spec, load
    from netspec.diagnostics.errors import NetspecError, RunError, SpecError

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "InputWarning",
    "Model",
    "NetspecError",
    "RunError",
    "Spec",
    "SpecError",
    "__version__",
    "load",
]

_HOMES = {
    "InputError": "netspec.api",
    "InputWarning": "netspec.api",
    "Model": "netspec.api",
    "NetspecError": "netspec.diagnostics.errors",
    "RunError": "netspec.diagnostics.errors",
    "Spec": "netspec.api",
    "SpecError": "netspec.diagnostics.errors",
    "load": "netspec.api",
}


if not TYPE_CHECKING:  # a type checker would take it to mean that every name is there

    def __getattr__(name: str) -> object:
        """Import the home of a public name on first use and keep the value (PEP 562)."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the names that are loaded lazily too."""
    return sorted({*globals(), *__all__})
