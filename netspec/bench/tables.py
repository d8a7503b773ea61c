"""What was measured, as text for a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from netspec.bench.run import Bench
from netspec.diagnostics.text import escape, size

if TYPE_CHECKING:
    from netspec.bench.layers import Layers

WIDTH = 120
"""Columns, terminal or not, so that what is kept in a file looks alike everywhere."""


def sides_text(bench: Bench) -> str:
    """The table of variants, what they agree by, the ratios, and the machine."""
    case, ours = bench.case, bench.ours.median
    rows = [
        (
            timing.variant.side,
            timing.variant.name,
            f"{timing.median * 1e3:.3f}",
            f"{min(timing.seconds) * 1e3:.3f}",
            f"{max(timing.seconds) * 1e3:.3f}",
            f"{timing.median / ours:.2f}",
            size(timing.peak_bytes),
        )
        for timing in bench.timings
    ]
    kind = "training step" if case.mode == "train" else "prediction"
    runs = len(bench.ours.seconds)
    title = f"{bench.name}: {kind}, batch {case.batch}, {case.threads} threads, {runs} runs of each in turn"
    table = _table(title, ("side", "variant", "median ms", "min", "max", "over ours", "memory"), rows)
    agreed = ", ".join(f"{escape(name)} {error:.1e}" for name, error in bench.worst_agreement().items())
    lines = [table, f"all agree within, of the largest number: {agreed}"]
    for peer, ratio in bench.ratios().items():
        if peer != "best":
            lines.append(f"best of {peer} over netspec: {ratio:.2f}")
    return "\n".join([*lines, machine_text(bench.machine)])


def layers_text(layers: Layers) -> str:
    """The table of steps, and the sum of what each could take at best."""
    rows = [
        (
            row.region,
            row.path,
            row.op,
            f"{row.seconds * 1e3:.3f}",
            f"{100 * row.seconds / layers.seconds:.1f}",
            f"{row.flops / row.seconds / 1e9:.1f}" if row.flops else "",
            f"{row.bytes / row.seconds / 1e9:.1f}",
            f"{100 * layers.roof.seconds(row.flops, row.bytes) / row.seconds:.0f}",
        )
        for row in layers.rows
    ]
    head = ("region", "layer", "op", "median ms", "% of all", "GFLOP/s", "GB/s", "% of roof")
    title = f"{layers.name}: {layers.mode}, batch {layers.batch}, {layers.threads} threads"
    roof = f"roof: {layers.roof.flops / 1e9:.0f} GFLOP/s, {layers.roof.bandwidth / 1e9:.1f} GB/s, both measured"
    best = sum(layers.roof.seconds(row.flops, row.bytes) for row in layers.rows)
    sums = f"all steps {layers.seconds * 1e3:.3f} ms; at the roof they would take {best * 1e3:.3f} ms"
    return "\n".join([_table(title, head, rows, words=3), sums, roof, machine_text(layers.machine)])


def machine_text(machine: Mapping[str, Any]) -> str:
    """The machine in one line."""
    versions = ", ".join(f"{name} {text}" for name, text in machine["versions"].items() if text)
    return f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}; {versions}"


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 2) -> str:
    """A table whose first columns are words and the others numbers."""
    table = Table(title=Text(escape(title)), title_justify="left", box=None, pad_edge=False)
    for place, name in enumerate(head):
        table.add_column(name, justify="left" if place < words else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(escape(cell)) for cell in row))
    stream = io.StringIO()
    Console(file=stream, width=WIDTH, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines())
