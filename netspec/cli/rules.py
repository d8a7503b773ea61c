"""``netspec rules``: everything that the linter can find."""

from __future__ import annotations

import json

import click

from netspec.cli.common import format_option
from netspec.lint.manual import pages


@click.command("rules")
@format_option
def command(format_: str) -> None:
    """Every code with its severity and what it is about; netspec explain CODE shows more.

    \b
    Example:
      netspec rules
      netspec rules --format json
    """
    found = pages()
    if format_ == "json":
        rules = [{**page._asdict(), "is_rule": bool(page.page)} for page in found]
        click.echo(json.dumps({"version": 1, "rules": rules}, indent=2, ensure_ascii=False))
        return
    family = ""
    for page in found:
        if page.family != family:
            click.echo(f"{'' if not family else chr(10)}{page.code[:3]}  {page.family}")
            family = page.family
        click.echo(f"  {page.code}  {page.severity:<7}  {page.title}{'  (--fix)' if page.fix else ''}")
