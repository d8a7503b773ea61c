"""Diagnostics as JUnit XML, which build servers show as tests: a file is a suite, and each finding a failed case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape as escape_xml
from xml.sax.saxutils import quoteattr

from netspec.diagnostics.model import Diagnostic
from netspec.diagnostics.text import escape


def render_junit(diagnostics: Iterable[Diagnostic], files: Sequence[str]) -> str:
    """The document. A file without errors and warnings is one case that passes; infos are its output."""
    found: dict[str, list[Diagnostic]] = {file: [] for file in files}
    for diagnostic in diagnostics:
        found.setdefault(diagnostic.span.file, []).append(diagnostic)
    suites = [_suite(file, inside) for file, inside in found.items()]
    counts = [_counts(inside) for inside in found.values()]
    tests, failures = sum(tests for tests, _ in counts), sum(failures for _, failures in counts)
    head = f'<testsuites name="netspec lint" tests="{tests}" failures="{failures}" errors="0">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *suites, "</testsuites>"]) + "\n"


def _counts(found: Sequence[Diagnostic]) -> tuple[int, int]:
    """Cases and failures of a file."""
    failures = sum(diagnostic.severity != "info" for diagnostic in found)
    return max(failures, 1), failures


def _suite(file: str, found: Sequence[Diagnostic]) -> str:
    tests, failures = _counts(found)
    name = quoteattr(escape(file))
    rows = [f'  <testsuite name={name} tests="{tests}" failures="{failures}" errors="0" skipped="0">']
    failed = [diagnostic for diagnostic in found if diagnostic.severity != "info"]
    rows += [row for diagnostic in failed for row in _case(file, diagnostic)]
    if not failed:
        rows.append(f'    <testcase name="lint" classname={name}/>')
    infos = [diagnostic for diagnostic in found if diagnostic.severity == "info"]
    if infos:
        text = "\n".join(_line(diagnostic) for diagnostic in infos)
        rows.append(f"    <system-out>{escape_xml(text)}</system-out>")
    return "\n".join([*rows, "  </testsuite>"])


def _case(file: str, diagnostic: Diagnostic) -> list[str]:
    title = quoteattr(f"{diagnostic.code} at {diagnostic.span.line}:{diagnostic.span.column}")
    lines = [_line(diagnostic), *(escape(part) for part in (diagnostic.formula, diagnostic.help_text) if part)]
    message = quoteattr(escape(diagnostic.message))
    return [
        f"    <testcase name={title} classname={quoteattr(escape(file))}>",
        f'      <failure message={message} type="{diagnostic.severity}">{escape_xml(chr(10).join(lines))}</failure>',
        "    </testcase>",
    ]


def _line(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    place = f"{escape(span.file)}:{span.line}:{span.column}"
    return f"{place}: {diagnostic.severity}[{diagnostic.code}] {escape(diagnostic.message)}"
