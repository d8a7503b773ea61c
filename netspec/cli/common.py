"""What commands share: options, finding a spec, showing diagnostics."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from netspec.cli.asked import Asked
from netspec.core.quantities import quantity
from netspec.diagnostics import Diagnostic, NetspecError, RunError, SpecError
from netspec.syntax.source import BUNDLE_SUFFIX, Source, read_source
from netspec.syntax.suggestions import did_you_mean
from netspec.zoo import UnknownZooSpecError, zoo_path

if TYPE_CHECKING:
    from netspec.syntax.load import ReadOptions
    from netspec.syntax.spec import Spec

F = TypeVar("F", bound=Callable[..., Any])
ZOO = "zoo:"
ISSUES = "https://github.com/netspec/netspec/issues"
UNREADABLE = ("NS006", "NS007", "NS008", "NS918", "NS919", "NS920")
"""The codes of what cannot be read at all, which the exit status tells from mistakes."""
UNWRITABLE = "NS993"
"""The code of a place that cannot be written to: as with what cannot be read, the command line is to be mended."""
_READING = "netspec.reading"
"""Where click keeps what a spec is allowed."""
_QUIET = "netspec.quiet"
"""Where click keeps that nothing is to be noted."""

spec_argument = click.argument("spec")


def form_option(*forms: str, help: str = "What stdout holds.") -> Callable[[F], F]:
    """The option ``--format``, of which the first form is taken if it is left out."""
    return click.option(
        "--format", "format_", type=click.Choice(forms), default=forms[0], callback=_note_form, help=help
    )


def _note_form(context: click.Context, parameter: click.Parameter, form: str) -> str:
    if isinstance(context.obj, Asked):
        context.obj.form = form
    return form


format_option = form_option("text", "json")


def _note_quiet(context: click.Context, option: click.Parameter, given: bool) -> None:
    context.meta[_QUIET] = given


quiet_option = click.option(
    "--quiet",
    is_flag=True,
    is_eager=True,  # it holds for what reading the other options has to note
    expose_value=False,
    callback=_note_quiet,
    help="Say nothing beside results, warnings and errors: no progress, no notes.",
)
"""Every command has it: see ``LazyCommands``. Those that are also called as functions name it themselves."""


def quiet() -> bool:
    """Whether :data:`quiet_option` was given to the command that runs."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_QUIET))


def note(text: str) -> None:
    """Tell on stderr what is done, unless nothing is to be noted."""
    if not quiet():
        click.echo(text, err=True)


threads_option = click.option("--threads", type=click.IntRange(min=1), help="Threads to use; all cores if left out.")


def _bytes(context: click.Context, parameter: click.Parameter, written: str | None) -> int | None:
    """A size in bytes: ``500MB``, ``1.5GiB``, or digits alone; click's usage error for what is none."""
    if written is None:
        return None
    found = quantity(written)
    if found is None:
        raise click.BadParameter(f"{written!r} is no size; write it as 500MB, 1.5GiB or 500000000", context, parameter)
    return int(found)


memory_budget_option = click.option(
    "--memory-budget",
    callback=_bytes,
    metavar="SIZE",
    help="Memory that a training step may take, such as 500MB. What is cheap to make is made again on the way back "
    "rather than kept; no bit depends on it.",
)

tuned_option = click.option(
    "--tuned",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Take the algorithms that 'netspec compile SPEC --tune FILE' measured.",
)

workers_option = click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(min=0),
    help="Processes that decode and augment samples, 0 for none; train.workers, else a core less than there are, where "
    "there is such work. No bit depends on it.",
)


def _chosen(context: click.Context, option: click.Parameter, given: str) -> str:
    """The name of a backend; for ``auto`` that of the one that is chosen, which is said with the reason."""
    from netspec.backend import AUTO, choose_backend

    if given != AUTO:
        return given
    choice = choose_backend()
    note(f"backend: {choice.backend.name} ({choice.reason})")
    return choice.backend.name


backend_option = click.option(
    "--backend",
    default="numba",
    show_default=True,
    callback=_chosen,
    help="What runs the network: numba, cupy, or auto for the fastest that can run here.",
)


def set_option(function: F) -> F:
    """How a spec is read: ``--set name=value``, any number of times, and what it is allowed; see :func:`reading`."""
    text = "Give a var another value, else a key (train.lr=0.1). May be repeated."
    options = (
        click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help=text, callback=_assignments),
        click.option(
            "--allow-outside",
            is_flag=True,
            expose_value=False,
            callback=_allowed,
            help="Let include and extends name files outside of the spec's root.",
        ),
        click.option(
            "--max-layers",
            "layer_limit",
            type=click.IntRange(min=1),
            expose_value=False,
            callback=_allowed,
            help="Layers that the spec may expand to; 200,000 if left out.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _allowed(context: click.Context, option: click.Parameter, given: Any) -> Any:
    if given:
        context.meta.setdefault(_READING, {})[option.name] = given
    return given


def _assignments(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    for assignment in given:
        if "=" not in assignment[1:]:
            raise click.BadParameter(f"{assignment!r} is not of the form NAME=VALUE")
    return given


def check_code(code: str) -> None:
    """A usage error where the code is unknown, to installed plug-ins too."""
    from netspec.diagnostics.catalogue import codes

    if code not in codes():
        from netspec.lint.engine import load_rules

        load_rules()
    if code not in codes():
        raise click.UsageError(f"there is no code {code!r}; {did_you_mean(code, codes())}")


def load(name: str, overrides: tuple[str, ...]) -> Spec:
    """The spec given by path or as ``zoo:NAME``; a ``SpecError`` with every mistake if it has any."""
    from netspec.syntax.load import load_spec

    return load_spec(find_source(name), overrides, reading())


def reading() -> ReadOptions:
    """What the options of :func:`set_option` allow a spec."""
    from netspec.syntax.load import READ

    return READ._replace(**click.get_current_context().meta.get(_READING, {}))


def find_source(name: str) -> Source:
    """The text of a spec given by path, as ``zoo:NAME``, or in a bundle; a ``SpecError`` says why it cannot be had."""
    if name.startswith(ZOO):
        name = str(zoo_file(name.removeprefix(ZOO)))
    source = _in_bundle(name) if name.endswith(BUNDLE_SUFFIX) else read_source(name)
    if isinstance(source, Diagnostic):
        raise SpecError([source])
    return source


def _in_bundle(name: str) -> Source | Diagnostic:
    from netspec.training.bundles import read_bundle

    return read_bundle(name)


def zoo_file(name: str) -> Path:
    """The file of a spec that ships; a usage error, with what may be meant, where there is none of that name."""
    try:
        return zoo_path(name)
    except UnknownZooSpecError as error:
        said = did_you_mean(name, error.known, ZOO, " ('netspec zoo list' shows all)")
        raise click.UsageError(f"the zoo has no {name!r}; {said}") from None


@contextmanager
def shown_in(spec: Spec) -> Iterator[None]:
    """What is refused inside of a spec that was read without mistakes is shown with the lines of its files."""
    try:
        yield
    except SpecError as error:
        raise SpecError(error.diagnostics, spec.texts) from error


def show(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str], err: bool) -> None:
    """Print diagnostics as text, in colour on a terminal."""
    from netspec.diagnostics.render import render_text, use_color

    stream = sys.stderr if err else sys.stdout
    click.echo(render_text(list(diagnostics), sources, color=use_color(stream, os.environ)), err=err, color=True)


def fail(error: Exception, form: str = "text") -> int:
    """Print what an error says to stderr and return the exit status it calls for; one that is not ours is a bug.

    Where stdout is to hold JSON, it holds the same as a document.
    """
    if form == "json":
        import json

        click.echo(json.dumps(_document(error), indent=2))
    if not isinstance(error, NetspecError):
        text = f"netspec has a bug: {type(error).__name__}: {error}"
        click.echo(f"{text}\nPlease report it at {ISSUES} with the spec; --traceback shows more.", err=True)
    elif isinstance(error, SpecError):
        show(error.diagnostics, error.sources, err=True)
    else:
        click.echo(f"error: {error}", err=True)
    return exit_status(error)


def exit_status(error: BaseException) -> int:
    """The exit status that an error calls for: of findings 1, of what the call has to mend 2, else 3."""
    if isinstance(error, SpecError):
        return 2 if any(d.code in UNREADABLE for d in error.diagnostics) else 1
    unwritable = isinstance(error, RunError) and error.code == UNWRITABLE
    return 2 if unwritable or isinstance(error, click.ClickException) else 3


def _document(error: Exception) -> Mapping[str, Any]:
    """What an error says as plain data: the diagnostics of a spec, or else one text."""
    if not isinstance(error, SpecError):
        return {"version": 1, "error": str(error)}
    from netspec.diagnostics.render import json_document

    return json_document(error.diagnostics, tuple(error.sources))
