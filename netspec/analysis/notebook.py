"""What a notebook shows of a spec: its layers as a table, and its picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netspec.analysis.cost import cost
from netspec.analysis.draw.picture import picture
from netspec.analysis.draw.svg import svg
from netspec.core.formulas import times
from netspec.diagnostics.markup import as_markup
from netspec.syntax.spec import Spec

_HEAD = ("layer", "op", "output", "params", "MACs")
LAYERS_DRAWN = 200
"""Layers up to which a picture can be taken in."""


def spec_html(spec: Spec) -> str:
    """A fragment of HTML that stands on its own; what a person wrote is text in it, whatever it looks like."""
    found = cost(spec.graph, spec.train_only)
    rows = [
        (layer.name, layer.op, times(layer.output), f"{layer.params:,}", f"{layer.macs:,}") for layer in found.layers
    ]
    totals = f"{found.totals.params:,} parameters, {found.totals.macs:,} MACs per sample"
    parts = [f"<p><strong>{as_markup(spec.name)}</strong>: {totals}</p>"]
    if spec.doc:
        parts.append(f"<p>{as_markup(spec.doc)}</p>")
    parts.append(table(_HEAD, rows, numbers=3))
    if len(rows) <= LAYERS_DRAWN:
        parts.append(f"<details><summary>picture</summary>{svg(picture(spec.graph))}</details>")
    return "\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int) -> str:
    """A table whose columns from number ``numbers`` on stand to the right."""
    lines = [_row(head, "th", numbers), *(_row(row, "td", numbers) for row in rows)]
    return f"<table>\n<thead>{lines[0]}</thead>\n<tbody>\n" + "\n".join(lines[1:]) + "\n</tbody>\n</table>"


def _row(cells: Sequence[str], kind: str, numbers: int) -> str:
    sides = ("left" if place < numbers else "right" for place in range(len(cells)))
    made = (
        f'<{kind} style="text-align: {side}">{as_markup(cell)}</{kind}>'
        for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{''.join(made)}</tr>"
