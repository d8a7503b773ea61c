"""``netspec compare``: runs side by side."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.common import format_option
from netspec.cli.diff import difference_document, difference_lines
from netspec.cli.tables import columns
from netspec.diagnostics.render import use_color
from netspec.diagnostics.text import escape

if TYPE_CHECKING:
    from netspec.training.comparison import Comparison, Record, Score

_FACTS = ("name", "status", "started", "seed", "epochs", "batch", "steps", "seconds")
"""What is said of every run."""


@click.command("compare")
@click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@format_option
def command(runs: tuple[Path, ...], format_: str) -> None:
    """Two or more runs side by side: what they did differently, and what came of it.

    "reaches" is the first epoch at which a run was as good as the best that all of them came to.

    \b
    Example:
      netspec compare runs/lenet5-20260131-142500 runs/lenet5-20260131-150000
    """
    from netspec.training.comparison import compare_runs

    if not 2 <= len(runs) <= len(ascii_uppercase):
        raise click.UsageError(
            f"compare takes 2 to {len(ascii_uppercase)} runs, but {len(runs)} {'is' if len(runs) == 1 else 'are'} named"
        )
    found = compare_runs(runs)
    if format_ == "json":
        click.echo(json.dumps(_document(found), indent=2, ensure_ascii=False))
    else:
        color = use_color(sys.stdout, os.environ)
        click.echo("\n".join(_text(found, color)), color=color)


def _facts(run: Record) -> dict[str, Any]:
    kept = {name: run.manifest.get(name) for name in ("name", "status", "started", "seed", "batch")}
    epochs, steps = int(run.rows[-1]["epoch"]), int(run.rows[-1]["step"])
    return {**kept, "epochs": epochs, "steps": steps, "seconds": None if math.isnan(run.seconds) else run.seconds}


def _document(found: Comparison) -> dict[str, Any]:
    differences = zip(found.runs[1:], found.specs, strict=True)
    return {
        "version": 1,
        "runs": [{"run_dir": str(run.folder), **_facts(run)} for run in found.runs],
        "circumstances": {name: list(values) for name, values in found.circumstances.items()},
        "spec": [{"run_dir": str(run.folder), **difference_document(each)} for run, each in differences],
        "metrics": {score.name: _score(score, found.repeats) for score in found.scores},
        "notes": list(found.notes),
    }


def _score(score: Score, repeats: bool) -> dict[str, Any]:
    document = {
        "more_is_better": score.more_is_better,
        "last": _plain(score.last),
        "best": _plain(score.best),
        "best_epoch": list(score.best_epoch),
        "target": score.target,
        "reached": list(score.reached),
    }
    return {**document, "median": score.median} if repeats else document


def _plain(values: Sequence[float | None]) -> list[float | None]:
    """Values as JSON can hold them."""
    return [value if value is not None and math.isfinite(value) else None for value in values]


def _text(found: Comparison, color: bool) -> list[str]:
    letters = ascii_uppercase[: len(found.runs)]
    lines = [f"{letter}  {escape(str(run.folder))}" for letter, run in zip(letters, found.runs, strict=True)]
    facts = [_facts(run) for run in found.runs]
    rows = [("run", *letters), *((name, *(_shown(each[name]) for each in facts)) for name in _FACTS)]
    lines += ["", *columns(rows)]
    if found.circumstances:
        others = ((name, *map(_shown, values)) for name, values in found.circumstances.items())
        lines += ["", *columns([("circumstance", *letters), *others])]
    for letter, run, difference in zip(letters[1:], found.runs[1:], found.specs, strict=True):
        if difference:
            named = f"{escape(found.runs[0].spec.name)} -> {escape(run.spec.name)}"
            lines += ["", f"spec, from A to {letter}: {named}", *difference_lines(difference, color)]
    for table in _tables(found, letters):
        lines += ["", *columns(table, frozenset(range(1, len(letters) + 2)))]
    return [*lines, *(["", *(f"note: {note}" for note in found.notes)] if found.notes else [])]


def _tables(found: Comparison, letters: str) -> Iterator[list[Sequence[str]]]:
    """Scores of the last epoch, the best ones, and when the runs were equally good."""
    medians = ("median",) if found.repeats else ()
    last: list[Sequence[str]] = [("last epoch", *letters, *medians)]
    best: list[Sequence[str]] = [("best, at epoch", *letters)]
    reached: list[Sequence[str]] = [("reaches", *letters)]
    for score in found.scores:
        name = score.name.replace("_", " ", 1)
        last.append((name, *map(_shown, score.last), *(_shown(score.median) for _ in medians)))
        if score.target is not None:
            pairs = zip(score.best, score.best_epoch, strict=True)
            best.append((name, *(f"{_shown(value)}, {epoch}" for value, epoch in pairs)))
            reached.append((f"{name} {_shown(score.target)}", *(f"epoch {epoch}" for epoch in score.reached)))
    yield from (table for table in (last, best, reached) if len(table) > 1)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
