"""``netspec schema``: the JSON Schema of a spec, for editors."""

from __future__ import annotations

import click

import netspec.declarations  # noqa: F401  # declares every op, loss, optimiser, ...
from netspec.syntax.editor_schema import schema_text


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of a spec, with which editors complete and check.

    Installed plug-ins are part of it. Editors with a YAML language server find it by a line in the spec:
    # yaml-language-server: $schema=netspec.schema.json

    \b
    Example:
      netspec schema > netspec.schema.json
    """
    click.echo(schema_text(), nl=False)
