"""``netspec draw``: a picture of the network."""

from __future__ import annotations

from pathlib import Path

import click

from netspec.cli.common import load, note, set_option, spec_argument
from netspec.training.files import write_output

FORMATS = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".dot": "dot", ".gv": "dot"}
"""The format that the ending of a file asks for."""


@click.command("draw")
@spec_argument
@set_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write; stdout if left out.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["svg", "mermaid", "dot"]),
    help="What to write; by the ending of the file (.svg, .mmd, .dot, .gv) if left out, else SVG.",
)
@click.option(
    "--fold/--no-fold",
    default=True,
    show_default=True,
    help="Show activations, normalisations and dropout in the box of the layer before them.",
)
def command(spec: str, overrides: tuple[str, ...], output: Path | None, format_: str | None, fold: bool) -> None:
    """Draw the network: SVG, Mermaid, or DOT.

    The SVG needs no other program and is light or dark as the reader's system is. GitHub shows Mermaid in Markdown;
    DOT is for Graphviz.

    \b
    Example:
      netspec draw zoo:lenet5 -o lenet5.svg
      netspec draw zoo:lenet5 --format mermaid
    """
    from netspec.analysis.draw.picture import picture
    from netspec.analysis.draw.svg import svg
    from netspec.analysis.draw.text import WRITERS

    chosen = format_ or _by_ending(output)
    loaded = load(spec, overrides)
    text = {**WRITERS, "svg": svg}[chosen](picture(loaded.graph, fold))
    if output is None:
        click.echo(text, nl=False)
        return
    write_output(output, text.encode())
    note(f"wrote {output}")


def _by_ending(output: Path | None) -> str:
    """The format of a file; a usage error where its ending is not known."""
    if output is None:
        return "svg"
    if output.suffix.lower() not in FORMATS:
        known = ", ".join(FORMATS)
        raise click.UsageError(f"{str(output)!r} does not say its format: end it in {known}, or give --format")
    return FORMATS[output.suffix.lower()]
