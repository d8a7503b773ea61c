"""``# netspec: ignore[NS301]``: a finding that a person has seen and keeps.

The comment speaks of its own line, or, alone on a line, of the next one that is neither empty nor a comment. It may
name several codes, or the beginning of some, and say why behind the bracket. One that takes nothing away is a finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from netspec.diagnostics import Diagnostic, Diagnostics, Edit, Fix, Span
from netspec.diagnostics.text import split_lines
from netspec.lint.settings import ALWAYS, Settings, matches
from netspec.syntax import tree
from netspec.syntax.source import Source

_COMMENT = re.compile(r"(?:^|(?<=\s))#\s*netspec:\s*ignore\b(?:\[([^\]]*)\])?")
_MARK = "netspec:"


class Ignore(NamedTuple):
    """One comment: the codes it names, where it stands, and the line whose findings it speaks of."""

    codes: tuple[str, ...]
    span: Span
    line: int


def ignores(source: Source) -> list[Ignore]:
    """The comments of a text; what looks like one inside a value is none."""
    if _MARK not in source.text or "ignore" not in source.text:
        return []
    lines = split_lines(source.text)
    values = list(_values(source))
    found = []
    for number, line in enumerate(lines, start=1):
        match = _COMMENT.search(line)
        if match is None or any(_holds(span, number, match.start() + 1) for span in values):
            continue
        codes = tuple(code.strip() for code in (match[1] or "").split(",") if code.strip())
        span = Span(source.name, number, match.start() + 1, number, match.end() + 1)
        found.append(Ignore(codes, span, _line_meant(lines, number, match.start())))
    return found


def ignoring(source: Source, diagnostic: Diagnostic) -> Edit | None:
    """A comment that keeps this finding, at the end of its line, or the code in the comment that stands there.

    None of a text that cannot be read, and where the end of the line belongs to a value.
    """
    number = diagnostic.span.line
    lines = split_lines(source.text)
    if diagnostic.code.startswith(ALWAYS) or number > len(lines):
        return None
    there = next((comment for comment in ignores(source) if comment.span.line == number == comment.line), None)
    if there is None:
        end = len(lines[number - 1].rstrip()) + 1
        edit = Edit(Span(source.name, number, end, number, end), f"  # netspec: ignore[{diagnostic.code}]")
    else:
        edit = Edit(there.span, f"# netspec: ignore[{', '.join((*there.codes, diagnostic.code))}]")
    start, stop = (column - 1 for column in (edit.span.column, edit.span.end_column))
    lines[number - 1] = lines[number - 1][:start] + edit.replacement + lines[number - 1][stop:]
    seen = ignores(Source(source.name, "\n".join(lines)))
    return edit if any(c.line == number and diagnostic.code in c.codes for c in seen) else None


def without_ignored(
    diagnostics: Iterable[Diagnostic], texts: Mapping[str, str], settings: Settings, unused_of: str | None
) -> list[Diagnostic]:
    """The findings that no comment takes away, and NS129 for what comments of the file ``unused_of`` take away in vain.

    None is said to be in vain where ``unused_of`` is None: after a mistake rules stay silent that would speak.
    """
    comments = {name: ignores(Source(name, text)) for name, text in texts.items()}
    used: set[tuple[Span, str]] = set()
    kept = []
    for diagnostic in diagnostics:
        takers = [
            (comment.span, code)
            for comment in comments.get(diagnostic.span.file, ())
            if comment.line == diagnostic.span.line
            for code in comment.codes
            if diagnostic.code.startswith(code)
        ]
        used.update(takers)
        if not takers:
            kept.append(diagnostic)
    if unused_of is not None and settings.wants("NS129"):
        for comment in comments.get(unused_of, ()):
            kept += _in_vain(comment, used, texts[unused_of], settings)
    return kept


def _in_vain(comment: Ignore, used: set[tuple[Span, str]], text: str, settings: Settings) -> Iterator[Diagnostic]:
    """NS129 for a comment without codes, for codes that nobody knows, and for those that took nothing away."""
    if not comment.codes:
        yield Diagnostic("NS129", comment.span, {"nothing": "names no code"})
        return
    from netspec.diagnostics.catalogue import codes

    unused = [code for code in comment.codes if (comment.span, code) not in used]
    known = codes()
    idle = [c for c in unused if matches(c, ("NS",)) and any(k.startswith(c) and settings.wants(k) for k in known)]
    strange = [c for c in unused if not any(k.startswith(c) for k in known)]
    gone = [*idle, *strange]
    if gone:
        kept = [code for code in comment.codes if code not in gone]
        fields = {"codes": idle or strange, "unknown": strange if not idle else None}
        yield Diagnostic("NS129", comment.span, fields, fix=_removal(comment, kept, text))


def _removal(comment: Ignore, kept: list[str], text: str) -> Fix:
    """Take the codes out of the comment, or the whole comment with the blanks before it, or its line."""
    if kept:
        return Fix("Ignore what there is", (Edit(comment.span, f"# netspec: ignore[{', '.join(kept)}]"),))
    number = comment.span.line
    lines = split_lines(text)
    line = lines[number - 1]
    before = line[: comment.span.column - 1].rstrip()
    span = Span(comment.span.file, number, len(before) + 1, number, len(line) + 1)
    if not before and number < len(lines):
        span = Span(comment.span.file, number, 1, number + 1, 1)
    return Fix("Remove the comment", (Edit(span, ""),))


def _line_meant(lines: list[str], number: int, start: int) -> int:
    """The comment's own line, or where it stands alone the next one that is neither empty nor a comment."""
    if lines[number - 1][:start].strip():
        return number
    for below in range(number, len(lines)):
        if lines[below].strip() and not lines[below].lstrip().startswith("#"):
            return below + 1
    return number


def _values(source: Source) -> Iterator[Span]:
    parsed = tree.parse(source, Diagnostics())
    stack = [] if parsed is None else [parsed.root]
    while stack:
        node = stack.pop()
        if isinstance(node, tree.Scalar):
            yield node.span
        elif isinstance(node, tree.Sequence):
            stack += node.items
        else:
            for entry in node.entries:
                stack += (entry.key, entry.value)


def _holds(span: Span, line: int, column: int) -> bool:
    return (span.line, span.column) <= (line, column) < (span.end_line, span.end_column)
