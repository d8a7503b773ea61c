"""What a mistake looks like: where it stands, what it says, how it is shown.

The wording (`catalogue`) and the output (`render`) are imported when they are first needed, so that a spec without a
mistake does not pay for them.
"""

from __future__ import annotations

from netspec.diagnostics.collector import Diagnostics
from netspec.diagnostics.errors import NetspecError, RunError, SpecError
from netspec.diagnostics.model import Diagnostic, Edit, Fix, Note, Span
from netspec.diagnostics.severity import Severity

__all__ = [
    "Diagnostic",
    "Diagnostics",
    "Edit",
    "Fix",
    "NetspecError",
    "Note",
    "RunError",
    "Severity",
    "Span",
    "SpecError",
]
