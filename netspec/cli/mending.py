"""What ``netspec lint`` does with mended texts: it writes them, or shows what would change."""

from __future__ import annotations

import difflib
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from netspec.diagnostics import Diagnostic, Span
from netspec.diagnostics.text import escape
from netspec.lint.many import Job, Outcome, lint_file
from netspec.syntax.source import BYTE_ORDER_MARK
from netspec.training.files import write_atomic


def write_mended(outcomes: Sequence[Outcome], stdin: bool, job: Job) -> list[Outcome]:
    """Write each text that was mended to its file; that of stdin, which is the first, goes to stdout in any case.

    What cannot be written stays whole: it comes back with the mistakes that it still has, and with NS944.
    """
    if stdin and outcomes[0].mended is not None:
        click.echo(outcomes[0].mended, nl=False)
    written = list(outcomes[:1]) if stdin else []
    for outcome in outcomes[1:] if stdin else outcomes:
        if outcome.mended is not None and outcome.mended != outcome.before:
            try:
                _replace(Path(outcome.file), outcome.mended)
            except OSError as error:
                problem = Diagnostic("NS944", Span.of_file(outcome.file), {"problem": error.strerror or str(error)})
                before = lint_file(outcome.file, job._replace(mend=False))
                outcome = before._replace(diagnostics=(problem, *before.diagnostics))
        written.append(outcome)
    return written


def _replace(path: Path, text: str) -> None:
    """Put a text in the place of a file, behind links too, with the mark and the mode that the file has."""
    place = path.resolve()
    with place.open("r+b") as file:  # one that is not to be written is refused here, though its folder may be changed
        mark = BYTE_ORDER_MARK if file.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK else b""
        mode = os.fstat(file.fileno()).st_mode
    write_atomic(place, mark + text.encode())
    place.chmod(stat.S_IMODE(mode))


def show_difference(outcomes: Sequence[Outcome]) -> None:
    """Print what would change, as ``patch`` reads it; on a terminal what is invisible is written out."""
    shown = escape if sys.stdout.isatty() else str
    for outcome in outcomes:
        if outcome.mended is not None and outcome.mended != outcome.before:
            before, after = (text.split("\n") for text in (outcome.before, outcome.mended))
            for line in difflib.unified_diff(before, after, outcome.file, outcome.file, lineterm=""):
                click.echo(shown(line))
