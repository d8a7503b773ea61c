"""``netspec lint``: every mistake of every spec, in one run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from netspec.cli.common import ZOO, find_source, known_codes, set_option, show
from netspec.diagnostics import Diagnostic, SpecError
from netspec.lint.engine import lint

_ENDINGS = (".yaml", ".yml")


@click.command("lint")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@set_option
@click.option(
    "--ignore", multiple=True, metavar="CODE", callback=known_codes, help="Do not run this rule. May be repeated."
)
@click.option(
    "--format", "format_", type=click.Choice(["text", "concise", "json"]), default="text", help="Output form."
)
def command(paths: tuple[str, ...], overrides: tuple[str, ...], ignore: tuple[str, ...], format_: str) -> int:
    """Say everything that is wrong with specs, before anything runs.

    PATH is a spec, a folder of specs, or zoo:NAME. Exit status 1 if there are errors or warnings.

    \b
    Example:
      netspec lint specs/ zoo:lenet5
    """
    found: list[Diagnostic] = []
    sources: dict[str, str] = {}
    unreadable = False
    for name in _files(paths):
        try:
            source = find_source(name)
        except SpecError as error:
            found.extend(error.diagnostics)
            unreadable = True
            continue
        sources[source.name] = source.text
        found.extend(lint(source, overrides, frozenset(ignore)))
    _print(found, sources, overrides, format_)
    if unreadable:
        return 2
    return 1 if any(d.severity != "info" for d in found) else 0


def _files(paths: Sequence[str]) -> list[str]:
    """Specs named by the arguments, each once; of a folder all that end in .yaml or .yml, in order."""
    found: dict[str, None] = {}
    for name in paths:
        path = Path(name)
        if name.startswith(ZOO) or not path.is_dir():
            found[name] = None
            continue
        inside = [str(p) for p in sorted(path.rglob("*")) if p.suffix in _ENDINGS and p.is_file()]
        if not inside:
            raise click.UsageError(f"no file below {name!r} ends in {' or '.join(_ENDINGS)}")
        found.update(dict.fromkeys(inside))
    return list(found)


def _print(found: list[Diagnostic], sources: dict[str, str], overrides: Sequence[str], format_: str) -> None:
    if format_ == "json":
        import json

        from netspec.diagnostics.render import json_document

        click.echo(json.dumps(json_document(found, list(sources)), indent=2, ensure_ascii=False))
    elif format_ == "concise":
        from netspec.diagnostics.render import render_concise

        if found:
            click.echo(render_concise(found), nl=False)
    elif found:
        from netspec.diagnostics.render import count_line
        from netspec.syntax.overrides import override_sources

        show(found, {**sources, **override_sources(overrides)}, err=False)
        click.echo(count_line(found))
    else:
        click.echo(f"{len(sources)} {'spec is' if len(sources) == 1 else 'specs are'} clean")
