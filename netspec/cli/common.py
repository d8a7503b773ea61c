"""What commands share: options, finding a spec, showing diagnostics."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

from netspec.diagnostics import Diagnostic, NetspecError, SpecError
from netspec.syntax.source import Source, read_source
from netspec.zoo import zoo_names, zoo_path

F = TypeVar("F", bound=Callable[..., Any])
ZOO = "zoo:"

spec_argument = click.argument("spec")
format_option = click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", help="What stdout holds."
)
backend_option = click.option("--backend", default="numba", show_default=True, help="What runs the network.")
threads_option = click.option("--threads", type=click.IntRange(min=1), help="Threads to use; all cores if left out.")


def set_option(function: F) -> F:
    """``--set name=value``, any number of times."""
    text = "Give a var another value, else a key (train.lr=0.1). May be repeated."
    return click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help=text)(function)


def find_source(name: str) -> Source:
    """The text of a spec given by path or as ``zoo:NAME``; a ``SpecError`` says why it cannot be had."""
    if name.startswith(ZOO):
        path = zoo_path(name.removeprefix(ZOO))
        if path is None:
            raise click.UsageError(_no_such(name.removeprefix(ZOO)))
        name = str(path)
    source = read_source(name)
    if isinstance(source, Diagnostic):
        raise SpecError([source])
    return source


def _no_such(name: str) -> str:
    from netspec.syntax.suggestions import closest

    guess = closest(name, zoo_names())
    ending = f"did you mean zoo:{guess}?" if guess else f"it holds {', '.join(zoo_names())}"
    return f"the zoo has no {name!r}; {ending}"


def show(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str], err: bool) -> None:
    """Print diagnostics as text, in colour on a terminal."""
    from netspec.diagnostics.render import render_text, use_color

    stream = sys.stderr if err else sys.stdout
    click.echo(render_text(list(diagnostics), sources, color=use_color(stream, os.environ)), err=err, color=True)


def fail(error: NetspecError) -> int:
    """Print what an error says to stderr and return the exit status it calls for."""
    if isinstance(error, SpecError):
        show(error.diagnostics, error.sources, err=True)
        unreadable = any(d.code in ("NS006", "NS007", "NS008") for d in error.diagnostics)
        return 2 if unreadable else 1
    click.echo(f"error: {error}", err=True)
    return 3
