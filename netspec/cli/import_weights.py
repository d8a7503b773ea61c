"""``netspec import WEIGHTS --into SPEC``: weights of PyTorch or Keras as a file of netspec, with a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netspec.cli.common import load, shown_in
from netspec.training.files import write_output

if TYPE_CHECKING:
    from netspec.interop.weights.take import Imported

ENDINGS = (".safetensors", ".pt", ".pth", ".h5", ".hdf5", ".keras")
"""Of files that weights are read from."""


def run(
    file: Path,
    spec_name: str,
    output: Path,
    overrides: tuple[str, ...],
    pairs: Sequence[str],
    strict: bool,
    format_: str,
) -> None:
    """Read, match, write, and print what became of every tensor."""
    if output.suffix.lower() != ".safetensors":
        raise click.UsageError(f"weights are written as a file such as {output.stem}.safetensors, not {output.suffix}")
    from netspec.interop.safetensors import encode
    from netspec.interop.weights.take import import_weights

    spec = load(spec_name, overrides)
    with shown_in(spec):
        found = import_weights(spec.graph, spec.recipe, file, pairs, strict)
    write_output(output, encode(found.weights), folders=True)
    document = {"version": 1, "from": str(file), "spec": spec.name, "file": str(output), **found.document()}
    click.echo(json.dumps(document, indent=2) if format_ == "json" else _text(found, output))


def _text(found: Imported, output: Path) -> str:
    """The report: every tensor, what was not taken, and what the file does not say."""
    from netspec.cli.tables import columns
    from netspec.core.formulas import times
    from netspec.diagnostics.text import escape

    rows = [("tensor", "shape", "weight", "shape", "how", "by")]
    for each in found.taken:
        shapes = times(each.tensor_shape), times(each.weight_shape)
        rows.append((each.tensor, shapes[0], each.weight, shapes[1], each.change or "as it is", each.by))
    lines = [*columns(rows), ""]
    lines += [f"ignored: {escape(name)}, {escape(reason)}" for name, reason in _merged(found).items()]
    lines += [f"not in the file: {escape(name)}" for name in found.missing]
    lines += [f"not used: {escape(name)}" for name in found.unused]
    lines += [f"note: {escape(note)}" for note in found.notes]
    whole = len(found.taken) + len(found.missing)
    lines.append(f"{len(found.taken)} of {whole} weights in {escape(str(output))}")
    if found.missing:
        lines.append("start a training from them with 'train: {init: {from: FILE, match: name}}'")
    return "\n".join(lines)


def _merged(found: Imported) -> dict[str, str]:
    """What was ignored, tensors of the same name and reason as one line."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, reason in found.ignored.items():
        groups.setdefault((name.rpartition(".")[2], reason), []).append(name)
    return {
        names[0] if len(names) == 1 else f"{len(names)} tensors {kind}": reason
        for (kind, reason), names in groups.items()
    }
