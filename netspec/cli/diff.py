"""``netspec diff``: what changed between two specs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from netspec.analysis.diff import Change, Difference, LayerChange, Side, compare
from netspec.cli.common import form_option, load, set_option
from netspec.cli.tables import columns, markdown, plain_markdown
from netspec.diagnostics import Diagnostic, SpecError
from netspec.diagnostics.render import use_color
from netspec.diagnostics.text import escape
from netspec.syntax.spec import Spec

SIGNS = {"added": "+", "removed": "-", "changed": "~", "renamed": ">"}
COLORS = {"+": "green", "-": "red", "~": "yellow", ">": "cyan"}
LAYERS = ("", "layer", "op", "what", "before", "after")
TOTALS = ("total", "before", "after", "difference")
OTHERS = ("key", "before", "after")
NUMBERS = frozenset({1, 2, 3})
"""Columns of the totals that hold numbers."""


@click.command("diff")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@set_option
@form_option("text", "json", "markdown", help="What stdout holds; markdown is made for pull requests.")
def command(a: str, b: str, overrides: tuple[str, ...], format_: str) -> None:
    """Say what changed from spec A to spec B: layers, totals, training.

    Layers are matched by what they are and by their names, so that one more of them is one line: + came, - went,
    ~ changed, > has another path only, by which its weights are known. --set is for B.

    \b
    Example:
      netspec diff zoo:lenet5 my_network.yaml
      netspec diff zoo:lenet5 zoo:lenet5 --set classes=100
    """
    before, after = _load(a, b, overrides)
    found = compare(before, after)
    if format_ == "json":
        click.echo(json.dumps(_document(before, after, found), indent=2, ensure_ascii=False))
    elif format_ == "markdown":
        click.echo("\n".join(_markdown(before, after, found)))
    else:
        color = use_color(sys.stdout, os.environ)
        click.echo("\n".join(_text(before, after, found, color)), color=color)


def _load(a: str, b: str, overrides: tuple[str, ...]) -> tuple[Spec, Spec]:
    """Both specs; a SpecError with the mistakes of both."""
    specs: list[Spec] = []
    diagnostics: list[Diagnostic] = []
    sources: dict[str, str] = {}
    for name, changes in ((a, ()), (b, overrides)):
        try:
            specs.append(load(name, changes))
        except SpecError as error:
            diagnostics += error.diagnostics
            sources |= error.sources
    if diagnostics:
        raise SpecError(diagnostics, sources)
    return specs[0], specs[1]


def _document(before: Spec, after: Spec, found: Difference) -> dict[str, Any]:
    return {
        "version": 1,
        "before": {"name": before.name, "file": before.file},
        "after": {"name": after.name, "file": after.file},
        **difference_document(found),
    }


def difference_document(found: Difference) -> dict[str, Any]:
    """What differs, as plain data for JSON."""
    return {
        "layers": [
            {
                "kind": layer.kind,
                "name": layer.name,
                "was": layer.was,
                "op": layer.op,
                "changes": _sides(layer.changes),
            }
            for layer in found.layers
        ],
        "totals": _sides(found.totals),
        "network": _sides(found.network),
        "train": _sides(found.recipe),
    }


def _sides(changes: Iterable[Change]) -> dict[str, dict[str, Side]]:
    return {change.what: {"before": change.before, "after": change.after} for change in changes}


def _text(before: Spec, after: Spec, found: Difference, color: bool) -> list[str]:
    lines = [f"{escape(before.name)} ({escape(before.file)}) -> {escape(after.name)} ({escape(after.file)})"]
    lines += difference_lines(found, color)
    return lines if found else [*lines, "", "no differences"]


def difference_lines(found: Difference, color: bool) -> list[str]:
    """What differs, as tables with an empty line before each."""
    lines: list[str] = []
    for rows, right in _tables(found):
        table = columns(rows, right)
        lines += ["", *(_colored(line) if color and rows[0] == LAYERS else line for line in table)]
    return lines


def _colored(line: str) -> str:
    return click.style(line, fg=COLORS[line[:1]]) if line[:1] in COLORS else line


def _markdown(before: Spec, after: Spec, found: Difference) -> list[str]:
    names = (plain_markdown(text) for text in (before.name, before.file, after.name, after.file))
    lines = ["**{}** ({}) → **{}** ({})".format(*names)]
    for rows, right in _tables(found):
        lines += ["", *markdown(rows, right)]
    return lines if found else [*lines, "", "No differences."]


def _tables(found: Difference) -> list[tuple[list[Sequence[str]], frozenset[int]]]:
    """The tables that have something to show, each with the columns that hold numbers."""
    layers = [row for layer in found.layers for row in _layer_rows(layer)]
    totals = [_total_row(change) for change in found.totals if change.before != change.after]
    others = [(f"{kind}{c.what}", _shown(c.before), _shown(c.after)) for kind, c in _others(found)]
    tables: list[tuple[list[Sequence[str]], frozenset[int]]] = []
    for head, rows, right in ((LAYERS, layers, ()), (TOTALS, totals, NUMBERS), (OTHERS, others, ())):
        if rows:
            tables.append(([head, *rows], frozenset(right)))
    return tables


def _others(found: Difference) -> list[tuple[str, Change]]:
    return [*(("", change) for change in found.network), *(("train.", change) for change in found.recipe)]


def _layer_rows(layer: LayerChange) -> list[tuple[str, ...]]:
    """One row for a layer that came or went, one for each thing that changed."""
    sign, name = SIGNS[layer.kind], layer.name or layer.was or ""
    if layer.kind in ("changed", "renamed"):
        rows = [(sign, name, layer.op, c.what, _shown(c.before), _shown(c.after)) for c in layer.changes]
        return [rows[0], *((sign, "", "", *row[3:]) for row in rows[1:])]
    pick: Callable[[Change], Side] = (lambda c: c.after) if layer.kind == "added" else (lambda c: c.before)
    facts = {change.what: pick(change) for change in layer.changes}
    counts = [f"{facts[what]:,} {what}" for what in ("params", "macs") if facts[what]]
    side = ", ".join([str(facts["output"]), *counts])
    return [(sign, name, layer.op, "output", *(("", side) if layer.kind == "added" else (side, "")))]


def _total_row(change: Change) -> tuple[str, ...]:
    before, after = change.before, change.after
    assert isinstance(before, int)
    assert isinstance(after, int)
    percent = f" ({(after - before) / before:+.1%})" if before else ""
    return (change.what, f"{before:,}", f"{after:,}", f"{after - before:+,}{percent}")


def _shown(side: Side) -> str:
    if side is None:
        return ""
    return f"{side:,}" if isinstance(side, int) else side
