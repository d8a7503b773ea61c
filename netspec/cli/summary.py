"""``netspec summary``: the table of layers, and the totals."""

from __future__ import annotations

import json
from typing import Any

import click

from netspec.analysis.cost import Cost, LayerCost, Totals, cost
from netspec.analysis.memory import planned_bytes, validation_bytes
from netspec.backend import find_backend
from netspec.cli.common import backend_option, form_option, load, set_option, spec_argument
from netspec.cli.tables import columns, comma_separated, markdown, plain_markdown
from netspec.core.formulas import times
from netspec.diagnostics.text import escape, size
from netspec.syntax.spec import Spec

HEAD = ("layer", "op", "output", "params", "trained", "MACs", "activations", "sees", "jump", "offset")
RIGHT = frozenset({3, 4, 5, 6})
"""The columns of ``HEAD`` that hold counts."""

FIELDS = (
    "name",
    "op",
    "output",
    "params",
    "params_trained",
    "macs",
    "activation_bytes",
    "receptive_field",
    "jump",
    "offset",
    "train_only",
)
"""What JSON and CSV say of a layer."""


@click.command("summary")
@spec_argument
@set_option
@backend_option
@form_option("text", "json", "csv", "markdown", help="What stdout holds; csv has no totals.")
@click.option("--batch", type=click.IntRange(min=1), help="Batch that memory is planned for; the spec's if left out.")
def command(spec: str, overrides: tuple[str, ...], backend: str, format_: str, batch: int | None) -> None:
    """Layers, shapes, parameters, MACs, memory, receptive field.

    params counts every stored number; trained only what training moves. A MAC is one multiply and one add. Of the
    input, one output sees this many cells; jump lies between two neighbours, offset is the middle of the first.

    \b
    Example:
      netspec summary zoo:lenet5
      netspec summary zoo:lenet5 --format markdown
    """
    loaded = load(spec, overrides)
    table = cost(loaded.graph, loaded.train_only)
    if format_ == "csv":
        click.echo(_csv(table), nl=False)
        return
    size_of_batch = batch or loaded.recipe.batch
    target = find_backend(backend).target(threads=1)
    memory = planned_bytes(loaded, target, size_of_batch)
    memory["memory_validate_bytes"] = validation_bytes(loaded, target, size_of_batch)
    if format_ == "json":
        click.echo(json.dumps(_document(loaded, table, memory), indent=2))
    elif format_ == "markdown":
        click.echo("\n".join(_markdown(loaded, table, memory, size_of_batch)))
    else:
        click.echo("\n".join(_text(loaded, table, memory, size_of_batch)))


def _document(spec: Spec, table: Cost, memory: dict[str, int]) -> dict[str, Any]:
    inputs = {value.name: list(value.type.shape) for value in spec.graph.inputs}
    return {
        "version": 1,
        "name": spec.name,
        "input": next(iter(inputs.values()), []),
        "inputs": inputs,
        "outputs": {name: list(head.type.shape) for name, head in spec.graph.heads.items()},
        "layers": [_layer(row) for row in table.layers],
        "totals": {**_counts(table.totals), **memory},
        "totals_train_only": _counts(table.train_only),
    }


def _layer(row: LayerCost) -> dict[str, Any]:
    field = row.field
    places = (None, None, None) if field is None else (list(field.size), list(field.jump), list(field.offset))
    values = (row.name, row.op, list(row.output), row.params, row.params_trained, row.macs, row.activation_bytes)
    return dict(zip(FIELDS, (*values, *places, row.train_only), strict=True))


def _counts(totals: Totals) -> dict[str, int]:
    names = ("params", "params_trained", "params_statistics", "params_frozen", "macs", "flops", "activation_bytes")
    return {name: getattr(totals, name) for name in names}


def _csv(table: Cost) -> str:
    """The fields of the JSON layers; a shape as ``28x28x6``, several jumps or offsets with blanks between."""
    rows = []
    for row in table.layers:
        layer = _layer(row)
        layer |= {key: times(layer[key] or ()) for key in ("output", "receptive_field")}
        layer |= {key: " ".join(map(str, layer[key] or ())) for key in ("jump", "offset")}
        layer["train_only"] = str(row.train_only).lower()
        rows.append(layer)
    return comma_separated([FIELDS, *([row[field] for field in FIELDS] for row in rows)])


def _text(spec: Spec, table: Cost, memory: dict[str, int], batch: int) -> list[str]:
    lines = [f"{escape(spec.name)}: {_inputs(spec)}", "", *columns([HEAD, *map(_cells, table.layers)], RIGHT), ""]
    totals = _totals(table, memory, batch)
    width = max(len(name) for name, _ in totals)
    return lines + [f"{name:<{width}}  {text}" for name, text in totals]


def _markdown(spec: Spec, table: Cost, memory: dict[str, int], batch: int) -> list[str]:
    lines = [f"**{plain_markdown(spec.name)}**: {_inputs(spec)}", ""]
    lines += [*markdown([HEAD, *map(_cells, table.layers)], RIGHT), ""]
    return lines + [f"- {name}: {text}" for name, text in _totals(table, memory, batch)]


def _inputs(spec: Spec) -> str:
    inputs = spec.graph.inputs
    if len(inputs) == 1:
        return f"input {inputs[0].type}"
    return "inputs " + ", ".join(f"{escape(value.name)} {value.type}" for value in inputs)


def _totals(table: Cost, memory: dict[str, int], batch: int) -> list[tuple[str, str]]:
    """The lines below the table: what is totalled, and the numbers."""
    totals = table.totals
    train, infer = size(memory["memory_train_bytes"]), size(memory["memory_infer_bytes"])
    if memory["memory_validate_bytes"]:
        train += f" to train and {size(memory['memory_validate_bytes'])} more to validate"
    else:
        train += " to train"
    lines = [
        ("parameters", _parameters(totals)),
        ("MACs", f"{totals.macs:,} per sample"),
        ("FLOPs", f"{totals.flops:,} per sample, two to a MAC"),
        ("activations", f"{size(totals.activation_bytes)} per sample"),
        ("memory", f"{train}, {infer} to predict, at batch {batch}"),
    ]
    if any(row.train_only for row in table.layers):
        more = f"{_parameters(table.train_only)}, {table.train_only.macs:,} MACs per sample"
        lines.append(("train only", f"{more}; not counted above"))
    return lines


def _parameters(totals: Totals) -> str:
    parts = [f"{totals.params_trained:,} trained"]
    if totals.params_statistics:
        parts.append(f"{totals.params_statistics:,} moving statistics")
    if totals.params_frozen:
        parts.append(f"{totals.params_frozen:,} frozen")
    return f"{totals.params:,} ({', '.join(parts)})"


def _cells(row: LayerCost) -> tuple[str, ...]:
    counts = (row.params, row.params_trained, row.macs)
    params, trained, macs = (f"{count:,}" if count else "" for count in counts)
    sees, jump, offset = ("", "", "") if row.field is None else (
        times(row.field.size), _alike(row.field.jump), _alike(row.field.offset)
    )  # fmt: skip
    name = f"{row.name} (train only)" if row.train_only else row.name
    return (name, row.op, times(row.output), params, trained, macs, size(row.activation_bytes), sees, jump, offset)


def _alike(numbers: tuple[float, ...]) -> str:
    """One number where all axes agree, else one for each."""
    return str(numbers[0]) if len(set(numbers)) == 1 else ", ".join(map(str, numbers))
