"""Writing a report into its run directory."""

from __future__ import annotations

from pathlib import Path

from netspec.diagnostics.errors import RunError
from netspec.training.files import write_atomic
from netspec.training.report.content import Report
from netspec.training.report.page import page

REPORT = "report.html"
"""What the page is called in a run directory."""


def write_report(report: Report, path: Path) -> None:
    """Put the page in the place of ``path``; a RunError where that cannot be written."""
    try:
        write_atomic(path, page(report).encode())
    except OSError as error:
        raise RunError.of("NS927", path=str(path), problem=error.strerror or str(error)) from error
