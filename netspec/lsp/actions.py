"""What mends a finding: the linter's own fixes, and a comment that keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from netspec.diagnostics import Diagnostic, Edit, Span
from netspec.lint.comments import ignoring
from netspec.lint.fixes import mend
from netspec.lsp.documents import Documents


class Action(NamedTuple):
    """Something to do about a finding. A preferred one is safe, and the editor may do it without asking which."""

    title: str
    edits: tuple[Edit, ...]
    finding: Diagnostic
    preferred: bool


def actions(documents: Documents, name: str, first: int, last: int) -> Iterator[Action]:
    """What can be done about the findings on some lines of an open text."""
    examined = documents.examined(name)
    found = [
        d for d in examined.diagnostics if d.span.file == name and d.span.line <= last and first <= d.span.end_line
    ]
    for diagnostic in found:
        if diagnostic.fix is not None and all(edit.span.file == name for edit in diagnostic.fix.edits):
            yield Action(diagnostic.fix.title, diagnostic.fix.edits, diagnostic, diagnostic.fix.safe)
    for diagnostic in {d.code: d for d in found}.values():
        edit = ignoring(examined.source, diagnostic)
        if edit is not None:
            yield Action(f"Ignore {diagnostic.code} on this line", (edit,), diagnostic, False)


def mended(documents: Documents, name: str) -> Edit | None:
    """The whole text with everything mended that can be mended safely; None where that changes nothing."""
    examined = documents.examined(name)
    text = mend(examined.source, documents.findings).source.text
    if text == examined.source.text:
        return None
    lines = examined.lines
    return Edit(Span(name, 1, 1, len(lines), len(lines[-1]) + 1), text)
