"""``netspec import``: weights of another program for a network of a spec."""

from __future__ import annotations

from pathlib import Path

import click

from netspec.cli import import_weights
from netspec.cli.common import format_option, set_option


@click.command("import")
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--into", metavar="SPEC", help="The network that the weights are for.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE", help="Where to."
)
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="TENSOR=WEIGHT",
    help="Of weights: a layer or tensor of the file, and the network's that takes it. May be given several times.",
)
@click.option(
    "--strict/--no-strict",
    default=True,
    show_default=True,
    help="Of weights: whether every tensor and every weight must be accounted for.",
)
@set_option
@format_option
def command(
    source: Path,
    into: str | None,
    output: Path,
    pairs: tuple[str, ...],
    strict: bool,
    overrides: tuple[str, ...],
    format_: str,
) -> None:
    """Take over the weights of another program.

    \b
    Example:
      netspec import resnet18.pth --into zoo:resnet18 -o resnet18.safetensors
      netspec import model.keras --into mine.yaml -o mine.safetensors

    Files of PyTorch are safetensors of a state_dict, or .pt and .pth that hold nothing but tensors (extra torch);
    files of Keras are .h5, .weights.h5 and .keras (extra keras). No code of a file is executed. Layers are matched by
    names, or by shapes and an order that can be relied on; the report tells of every tensor what became of it.
    """
    if into is None:
        raise click.UsageError("name the network that the weights are for with --into SPEC")
    import_weights.run(source, into, output, overrides, pairs, strict, format_)
