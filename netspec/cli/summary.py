"""``netspec summary``: the table of layers, and the totals."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click

from netspec.analysis.cost import Cost, LayerCost, cost
from netspec.analysis.memory import plan_for
from netspec.backend import find_backend
from netspec.cli.common import backend_option, find_source, format_option, set_option, spec_argument
from netspec.core.formulas import times
from netspec.diagnostics.text import escape
from netspec.syntax.load import load_spec
from netspec.syntax.spec import Spec


@click.command("summary")
@spec_argument
@set_option
@backend_option
@format_option
@click.option("--batch", type=click.IntRange(min=1), help="Batch that memory is planned for; the spec's if left out.")
def command(spec: str, overrides: tuple[str, ...], backend: str, format_: str, batch: int | None) -> None:
    """Layers, shapes, parameters, MACs, memory, receptive field.

    params counts every stored number; trained only what training moves. A MAC is one multiply and one add.

    \b
    Example:
      netspec summary zoo:lenet5
    """
    loaded = load_spec(find_source(spec), overrides)
    table = cost(loaded.graph)
    totals = {
        "params": table.params,
        "params_trained": table.params_trained,
        "macs": table.macs,
        "flops": table.flops,
        **_memory(loaded, backend, batch or loaded.recipe.batch),
    }
    if format_ == "json":
        click.echo(json.dumps(_document(loaded, table, totals), indent=2))
    else:
        click.echo(_text(loaded, table, totals, batch or loaded.recipe.batch))


def _memory(spec: Spec, backend: str, batch: int) -> dict[str, int]:
    """Bytes of a training step and of inference, as planned for the backend."""
    target = find_backend(backend).target(threads=1)
    return {
        "memory_train_bytes": plan_for(spec, target, batch, "train").total_bytes,
        "memory_infer_bytes": plan_for(spec, target, batch, "infer").total_bytes,
    }


def _document(spec: Spec, table: Cost, totals: dict[str, int]) -> dict[str, Any]:
    layers = [
        {
            "name": row.name,
            "op": row.op,
            "output": list(row.output),
            "params": row.params,
            "params_trained": row.params_trained,
            "macs": row.macs,
            "activation_bytes": row.activation_bytes,
            "receptive_field": list(row.field.size) if row.field else None,
        }
        for row in table.layers
    ]
    inputs = [list(value.type.shape) for value in spec.graph.inputs]
    return {"version": 1, "name": spec.name, "input": inputs[0] if inputs else [], "layers": layers, "totals": totals}


def _text(spec: Spec, table: Cost, totals: dict[str, int], batch: int) -> str:
    inputs = ", ".join(str(value.type) for value in spec.graph.inputs)
    head = ("layer", "op", "output", "params", "MACs", "sees")
    lines = [f"{escape(spec.name)}: input {inputs}", "", *_columns([head, *map(_cells, table.layers)]), ""]
    lines.append(f"parameters  {totals['params']:,} ({totals['params_trained']:,} trained)")
    lines.append(f"MACs        {totals['macs']:,} per sample (FLOPs {totals['flops']:,})")
    train, infer = (_size(totals[f"memory_{mode}_bytes"]) for mode in ("train", "infer"))
    lines.append(f"memory      {train} to train, {infer} to predict, at batch {batch}")
    return "\n".join(lines)


def _cells(row: LayerCost) -> tuple[str, ...]:
    field = times(row.field.size) if row.field and row.field.size else ""
    return (row.name, row.op, times(row.output), f"{row.params:,}" if row.params else "", _count(row.macs), field)


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows as aligned columns; numbers stand to the right."""
    table = list(rows)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    right = {3, 4}
    return [
        "  ".join(
            c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"
