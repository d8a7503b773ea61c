"""What ``netspec lint`` does with mended texts: it writes them, or shows what would change."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from netspec.diagnostics.text import escape
from netspec.lint.many import Outcome
from netspec.syntax.source import BYTE_ORDER_MARK


def write_mended(outcomes: Sequence[Outcome], stdin: bool) -> None:
    """Write each text that was mended to its file; that of stdin, which is the first, goes to stdout in any case."""
    if stdin and outcomes[0].mended is not None:
        click.echo(outcomes[0].mended, nl=False)
    for outcome in outcomes[1:] if stdin else outcomes:
        if outcome.mended is not None and outcome.mended != outcome.before:
            path = Path(outcome.file)
            mark = BYTE_ORDER_MARK if path.read_bytes().startswith(BYTE_ORDER_MARK) else b""
            path.write_bytes(mark + outcome.mended.encode())


def show_difference(outcomes: Sequence[Outcome]) -> None:
    """Print what would change, as ``patch`` reads it; on a terminal what is invisible is written out."""
    shown = escape if sys.stdout.isatty() else str
    for outcome in outcomes:
        if outcome.mended is not None and outcome.mended != outcome.before:
            before, after = (text.split("\n") for text in (outcome.before, outcome.mended))
            for line in difflib.unified_diff(before, after, outcome.file, outcome.file, lineterm=""):
                click.echo(shown(line))
