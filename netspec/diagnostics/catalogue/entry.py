"""What the catalogue keeps for one code."""

from __future__ import annotations

from typing import NamedTuple

from netspec.diagnostics.severity import Severity

Templates = str | tuple[str, ...]
"""One `str.format` template, or several, of which the first whose fields are all given is used."""


class Entry(NamedTuple):
    """Severity unless a person sets another, title for lists and manuals, message, and help if there is a way out."""

    severity: Severity
    title: str
    message: Templates
    help: Templates = ()
