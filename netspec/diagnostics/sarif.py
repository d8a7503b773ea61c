"""Diagnostics as SARIF 2.1.0 (OASIS standard, 2020), which code-scanning services read; fixes go with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from netspec import __version__
from netspec.diagnostics.catalogue import lookup
from netspec.diagnostics.model import Diagnostic, Edit, Note, Span
from netspec.diagnostics.severity import Severity

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HOME = "https://github.com/netspec/netspec"

_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}


def sarif_document(diagnostics: Iterable[Diagnostic], files: Sequence[str]) -> dict[str, object]:
    """The log of one run as plain data, ready for ``json.dumps``. ``files`` are those checked."""
    found = list(diagnostics)
    codes = sorted({diagnostic.code for diagnostic in found})
    driver = {
        "name": "netspec",
        "version": __version__,
        "informationUri": HOME,
        "rules": [_rule(code) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": {"uri": uri(file)}} for file in files],
        "results": [_result(diagnostic, codes.index(diagnostic.code)) for diagnostic in found],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def uri(file: str) -> str:
    """A path as the reference to a file that SARIF wants."""
    path = file.replace("\\", "/")
    return f"file://{quote(path)}" if path.startswith("/") else quote(path)


def _rule(code: str) -> dict[str, object]:
    entry = lookup(code)
    return {
        "id": code,
        "shortDescription": {"text": entry.title},
        "defaultConfiguration": {"level": _LEVELS[entry.severity]},
    }


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, object]:
    parts = [diagnostic.message, diagnostic.formula and f"= {diagnostic.formula}", diagnostic.help_text]
    result: dict[str, object] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": "\n".join(part for part in parts if part)},
        "locations": [_location(diagnostic.span)],
    }
    if diagnostic.notes:
        result["relatedLocations"] = [_related(number, note) for number, note in enumerate(diagnostic.notes)]
    if diagnostic.fix is not None:
        files = dict.fromkeys(edit.span.file for edit in diagnostic.fix.edits)
        changes = [_change(file, [e for e in diagnostic.fix.edits if e.span.file == file]) for file in files]
        result["fixes"] = [{"description": {"text": diagnostic.fix.title}, "artifactChanges": changes}]
    return result


def _location(span: Span) -> dict[str, object]:
    return {"physicalLocation": {"artifactLocation": {"uri": uri(span.file)}, "region": _region(span)}}


def _related(number: int, note: Note) -> dict[str, object]:
    return {"id": number, "message": {"text": note.text}, **_location(note.span)}


def _change(file: str, edits: Sequence[Edit]) -> dict[str, object]:
    replacements = [
        {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.replacement}} for edit in edits
    ]
    return {"artifactLocation": {"uri": uri(file)}, "replacements": replacements}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
