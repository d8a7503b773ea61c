"""Libraries that an extra brings: whether they are there, and what to say where they are not."""

from __future__ import annotations

from importlib.util import find_spec

from netspec.diagnostics.errors import RunError


def installed(library: str) -> bool:
    """Whether the top-level package can be imported."""
    return find_spec(library) is not None


def require(library: str, what: str, extra: str) -> None:
    """A RunError that names the way to install a library that ``what`` needs and that is not there."""
    if not installed(library):
        raise RunError.of("NS931", what=what, library=library, extra=extra)
