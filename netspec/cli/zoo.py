"""``netspec zoo``: the specs that ship."""

from __future__ import annotations

import json
from pathlib import Path

import click

from netspec.cli.common import find_source, format_option, zoo_file
from netspec.diagnostics import Diagnostics
from netspec.diagnostics.text import escape
from netspec.syntax import tree
from netspec.training.files import write_output, writing
from netspec.zoo import zoo_names


@click.group("zoo")
def command() -> None:
    """The specs that ship with netspec: list them, show one, copy one to change it.

    \b
    Example:
      netspec zoo list
      netspec zoo copy lenet5
    """


@command.command("list")
@format_option
def list_specs(format_: str) -> None:
    """Name every spec, and say what it is.

    \b
    Example:
      netspec zoo list --format json
    """
    specs = [{"name": name, "doc": _doc(name)} for name in zoo_names()]
    if format_ == "json":
        click.echo(json.dumps({"version": 1, "specs": specs}, indent=2, ensure_ascii=False))
        return
    width = max((len(spec["name"]) for spec in specs), default=0)
    for spec in specs:
        click.echo(f"{spec['name']:<{width}}  {escape(spec['doc'])}".rstrip())


@command.command("show")
@click.argument("name")
def show_spec(name: str) -> None:
    """Print a spec as it ships.

    \b
    Example:
      netspec zoo show lenet5
    """
    click.echo(find_source(f"zoo:{name}").text, nl=False)


@command.command("copy")
@click.argument("name")
@click.argument("target", required=False, type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def copy_spec(name: str, target: Path | None, force: bool) -> None:
    """Copy a spec to TARGET, a file or a folder; to NAME.yaml in this folder if left out.

    What the spec includes or extends comes along and lies beside it as it does in the zoo.

    \b
    Example:
      netspec zoo copy lenet5 my_network.yaml
    """
    source = zoo_file(name)
    path = target or Path(source.name)
    if path.is_dir():
        path = path / source.name
    others = {path.parent / file.relative_to(source.parent): file for file in _others(source)}
    if path in others:
        raise click.UsageError(f"{name} needs a file of the name {str(path)!r}; call the copy something else")
    copies = {path: source} | {to: file for to, file in others.items() if not _holds(to, file.read_bytes())}
    for place in copies:
        if place.exists() and not force:
            raise click.UsageError(f"{str(place)!r} is there already; --force replaces it")
    for place, file in copies.items():
        _write(place, file)


def _holds(path: Path, content: bytes) -> bool:
    """Whether a file is there that holds this already."""
    return path.is_file() and path.read_bytes() == content


def _write(path: Path, source: Path) -> None:
    """Copy a file; of the folders around it only the innermost is made."""

    with writing(path):
        path.parent.mkdir(exist_ok=True)
    write_output(path, source.read_bytes())
    click.echo(f"wrote {path}")


def _others(path: Path) -> list[Path]:
    """The files that a spec consists of, besides its own."""
    from netspec.syntax.load import read_spec

    spec = read_spec(find_source(str(path)), (), Diagnostics())
    return [] if spec is None else [Path(file) for file in spec.texts if file != spec.file]


def _doc(name: str) -> str:
    """What the spec says of itself."""
    parsed = tree.parse(find_source(f"zoo:{name}"), Diagnostics())
    found = None if parsed is None else tree.find(parsed.root, ["doc"])
    return str(found.node.value) if found is not None and isinstance(found.node, tree.Scalar) else ""
