"""Tables of a report: aligned columns for a terminal, CSV, and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence

from netspec.diagnostics.text import cells, escape

_MARKUP = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]<>#!|~"})


def columns(rows: Iterable[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Rows as aligned columns; those whose numbers are in ``right`` stand to the right."""
    table = [[escape(cell) for cell in row] for row in rows]
    widths = [max(cells(row[i]) for row in table) for i in range(len(table[0]))] if table else []
    return ["  ".join(_padded(cell, widths[i], i in right) for i, cell in enumerate(row)).rstrip() for row in table]


def _padded(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - cells(text))
    return blanks + text if right else text + blanks


def comma_separated(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV (RFC 4180), with a line feed behind each."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def markdown(rows: Iterable[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """A Markdown table whose first row is its head; ``right`` as for `columns`."""
    head, *body = [[plain_markdown(cell) for cell in row] for row in rows]
    rule = ["---:" if i in right else "---" for i in range(len(head))]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *body)]


def plain_markdown(text: str) -> str:
    """The text with everything escaped that Markdown or HTML would take for markup."""
    return escape(text).translate(_MARKUP)
