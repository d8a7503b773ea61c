"""``netspec show``: a spec as it is written, or written out."""

from __future__ import annotations

import click

from netspec.cli.common import find_source, load, set_option, spec_argument


@click.command("show")
@spec_argument
@set_option
@click.option("--resolved", is_flag=True, help="After blocks, vars, included files and the dialect.")
def command(spec: str, overrides: tuple[str, ...], resolved: bool) -> None:
    """Show a spec, or with --resolved what it comes to: a spec again, with the same paths and weights.

    \b
    Example:
      netspec show zoo:lenet5 --resolved
      netspec show my_network.yaml --set width=32 --resolved > wide.yaml
    """
    if not resolved and not overrides:
        click.echo(find_source(spec).text, nl=False)
        return
    from netspec.syntax.resolved import resolved_text

    click.echo(resolved_text(load(spec, overrides)), nl=False)
