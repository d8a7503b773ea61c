"""Writing a report into its run directory."""

from __future__ import annotations

from pathlib import Path

from netspec.training.files import write_output
from netspec.training.report.content import Report
from netspec.training.report.page import page

REPORT = "report.html"
"""What the page is called in a run directory."""


def write_report(report: Report, path: Path) -> None:
    """Put the page in the place of ``path``; an NS993 where that cannot be written."""
    write_output(path, page(report).encode())
