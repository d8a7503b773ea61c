"""Mending texts: the edits of fixes are put in, round after round, until nothing is left that can be mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from netspec.diagnostics import Diagnostic, Edit, Fix
from netspec.diagnostics.text import line_starts
from netspec.syntax.source import Source

ROUNDS = 20
"""A fix may bring another mistake to light, and that one another; nobody's spec goes on so for long."""

Lint = Callable[[Source], Sequence[Diagnostic]]


class Mended(NamedTuple):
    """The text after the fixes, how many there were, and what is still found in it."""

    source: Source
    fixes: int
    diagnostics: Sequence[Diagnostic]


def mend(source: Source, lint: Lint, unsafe: bool = False) -> Mended:
    """Put in every fix of the file's own text; ``unsafe`` ones too if wanted.

    After a round that leaves a text which cannot be read, its fixes are put in one at a time, and such a one is not.
    """
    diagnostics = lint(source)
    count = 0
    refused: set[Fix] = set()
    for _ in range(ROUNDS):
        fixes = _wanted(diagnostics, source, unsafe, refused)
        for attempt in [fixes, *([fix] for fix in fixes)]:
            text, taken = apply(source.text, attempt)
            changed = Source(source.name, text)
            found = diagnostics if text == source.text else lint(changed)
            if _unreadable(found) <= _unreadable(diagnostics):
                break
            refused.update(attempt if len(attempt) == 1 else ())
        else:
            break
        if text == source.text:
            break
        source, diagnostics, count = changed, found, count + taken
    return Mended(source, count, diagnostics)


def _wanted(diagnostics: Iterable[Diagnostic], source: Source, unsafe: bool, refused: set[Fix]) -> list[Fix]:
    fixes = [d.fix for d in diagnostics if d.fix is not None and (unsafe or d.fix.safe)]
    return [fix for fix in fixes if fix not in refused and all(edit.span.file == source.name for edit in fix.edits)]


def apply(text: str, fixes: Iterable[Fix]) -> tuple[str, int]:
    """The text with the fixes put in, and how many were: one that touches what another changes waits."""
    starts = line_starts(text)
    line_end = "\r\n" if "\r\n" in text else "\n"
    edits: list[tuple[int, int, int, str]] = []
    count = 0
    for fix in dict.fromkeys(fixes):
        wanted = [(*_offsets(edit, starts), len(edits) + n, edit.replacement) for n, edit in enumerate(fix.edits)]
        if not any(_overlap(one, other) for one in wanted for other in edits):
            edits += wanted
            count += 1
    for start, end, _, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement.replace("\n", line_end) + text[end:]
    return text, count


def _offsets(edit: Edit, starts: Sequence[int]) -> tuple[int, int]:
    span = edit.span
    return starts[span.line - 1] + span.column - 1, starts[span.end_line - 1] + span.end_column - 1


def _overlap(one: tuple[int, int, int, str], other: tuple[int, int, int, str]) -> bool:
    """Whether two edits touch; two insertions at one place do, for their order would be a matter of chance."""
    return one[0] <= other[1] and other[0] <= one[1]


def _unreadable(diagnostics: Iterable[Diagnostic]) -> int:
    return sum(diagnostic.code.startswith("NS0") for diagnostic in diagnostics)
