"""Diagnostics as workflow commands of GitHub Actions, which show them beside the lines of a pull request."""

from __future__ import annotations

from collections.abc import Iterable

from netspec.diagnostics.model import Diagnostic
from netspec.diagnostics.severity import Severity
from netspec.diagnostics.text import escape

_COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}


def render_github(diagnostics: Iterable[Diagnostic]) -> str:
    """One command a line."""
    return "".join(_command(diagnostic) + "\n" for diagnostic in diagnostics)


def _command(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    properties = {
        "file": span.file,
        "line": span.line,
        "endLine": span.end_line,
        "col": span.column,
        "endColumn": span.end_column,
        "title": f"{diagnostic.code} {_title(diagnostic.code)}",
    }
    if span.end_line != span.line:  # GitHub refuses columns of a stretch over several lines
        del properties["col"], properties["endColumn"]
    written = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    text = "\n".join(escape(part) for part in (diagnostic.message, diagnostic.help_text) if part)
    return f"::{_COMMANDS[diagnostic.severity]} {written}::{_data(text)}"


def _title(code: str) -> str:
    from netspec.diagnostics.catalogue import lookup

    return lookup(code).title


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
