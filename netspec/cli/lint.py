"""``netspec lint``: every mistake of every spec, in one run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from netspec.cli.common import ZOO, quiet, reading, set_option, zoo_file
from netspec.diagnostics import Diagnostic
from netspec.lint.many import Job, Outcome, lint_files, lint_source
from netspec.lint.settings import Settings, unknown_selectors
from netspec.syntax.source import BUNDLE_SUFFIX, decode_source, unreadable
from netspec.syntax.suggestions import did_you_mean

STDIN = "-"
_ENDINGS = (".yaml", ".yml")
_FORMATS = ("text", "concise", "json", "sarif", "github", "junit")


def _selectors(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Codes or beginnings of codes, apart by commas; one that no code begins with is a usage error."""
    found = tuple(word.strip() for words in given for word in words.split(","))
    if found:
        from netspec.diagnostics.catalogue import codes

        if unknown_selectors(found, codes()):
            from netspec.lint.engine import load_rules

            load_rules()  # it may be a plug-in's
        for word in unknown_selectors(found, codes()):
            raise click.UsageError(f"there is no code {word!r}; {did_you_mean(word, codes())}")
    return found


@click.command("lint")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@set_option
@click.option("--select", multiple=True, metavar="CODE", callback=_selectors, help="Only this code or family: NS3.")
@click.option(
    "--ignore", multiple=True, metavar="CODE", callback=_selectors, help="Not this code or family. May be repeated."
)
@click.option("--format", "format_", type=click.Choice(_FORMATS), default="text", help="Output form.")
@click.option("--fix", is_flag=True, help="Mend what can be mended without changing what a spec means.")
@click.option("--diff", is_flag=True, help="Show what --fix would change, and change nothing.")
@click.option("--unsafe-fixes", is_flag=True, help="Mend what may change a spec's meaning too; with --fix or --diff.")
@click.option("--statistics", is_flag=True, help="Count the findings of each code instead of showing them.")
@click.option("--stdin-filename", metavar="NAME", help="What '-' is called, and whose settings hold for it.")
@click.option("--no-plugins", is_flag=True, help="Run no installed third-party code.")
def command(
    paths: tuple[str, ...],
    overrides: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    format_: str,
    fix: bool,
    diff: bool,
    unsafe_fixes: bool,
    statistics: bool,
    stdin_filename: str | None,
    no_plugins: bool,
) -> int:
    """Say everything that is wrong with specs, before anything runs.

    PATH is a spec, a folder of specs, a glob, zoo:NAME, or - for stdin. Exit status 1 if there are errors or warnings.

    \b
    Example:
      netspec lint specs/ zoo:lenet5
      netspec lint --fix --select NS1,NS3 'specs/**/*.yaml'
    """
    if fix and diff:
        raise click.UsageError("--fix changes files and --diff shows what it would change: give one of them")
    if no_plugins:
        from netspec.declarations import use_plugins

        use_plugins(False)
    if diff and format_ not in ("text", "concise"):
        raise click.UsageError(f"--diff prints a patch: without it, --format {format_} holds every finding")
    settings = Settings(select or None, ignore)
    job = Job(overrides, settings, reading(), not no_plugins, fix or diff, unsafe_fixes)
    names, closed = _files(paths)
    found = [_from_stdin(stdin_filename, job)] if STDIN in names else []
    bundles = [name for name in names if name.endswith(BUNDLE_SUFFIX)]
    found += lint_files([name for name in names if name != STDIN and name not in bundles], job)
    found += [_from_bundle(name, job) for name in bundles]
    found += [Outcome(name, (unreadable(name, error),), {}) for name, error in closed]
    if fix:
        from netspec.cli.mending import write_mended

        found = write_mended(found, STDIN in names, job)
    if diff:
        from netspec.cli.mending import show_difference

        show_difference(found)
    elif not (fix and STDIN in names):  # stdout holds the text
        _print(found, overrides, format_, statistics)
    if any(outcome.unreadable for outcome in found):
        return 2
    severe = any(diagnostic.severity != "info" for outcome in found for diagnostic in outcome.diagnostics)
    return 1 if severe or (diff and any(outcome.fixes for outcome in found)) else 0


def _files(paths: Sequence[str]) -> tuple[list[str], list[tuple[str, OSError]]]:
    """Specs named by the arguments, each once and in order; of a folder all that end in .yaml or .yml.

    With them the folders that cannot be looked into, and why.
    """
    found: dict[str, None] = {}
    closed: list[tuple[str, OSError]] = []
    for name in paths:
        path = Path(name)
        if name == STDIN:
            found[name] = None
        elif name.startswith(ZOO):
            found[str(zoo_file(name.removeprefix(ZOO)))] = None
        elif path.is_dir():
            inside, refused = _inside(path)
            closed += refused
            if not inside and not refused:
                raise click.UsageError(f"no file below {name!r} ends in {' or '.join(_ENDINGS)}")
            found.update(dict.fromkeys(inside))
        elif not path.exists() and any(sign in name for sign in "*?["):
            from glob import glob

            matching = sorted(p for p in glob(name, recursive=True) if Path(p).is_file())
            if not matching:
                raise click.UsageError(f"no file matches {name!r}")
            found.update(dict.fromkeys(matching))
        else:
            found[name] = None
    return sorted(found), closed


def _inside(folder: Path) -> tuple[list[str], list[tuple[str, OSError]]]:
    """Specs below a folder, in order, and the folders below it that cannot be looked into."""
    closed: list[OSError] = []
    walk = os.walk(folder, onerror=closed.append)
    files = sorted(Path(place, name) for place, _, names in walk for name in names if name.endswith(_ENDINGS))
    return [str(file) for file in files if file.is_file()], [(str(Path(error.filename)), error) for error in closed]


def _from_stdin(name: str | None, job: Job) -> Outcome:
    name = name or "<stdin>"
    source = decode_source(name, sys.stdin.buffer.read())
    return Outcome(name, (source,), {}) if isinstance(source, Diagnostic) else lint_source(source, job)


def _from_bundle(name: str, job: Job) -> Outcome:
    """The resolved spec in a bundle, of which no file is there to be mended."""
    from netspec.training.bundles import read_bundle

    source = read_bundle(name)
    return (
        Outcome(name, (source,), {})
        if isinstance(source, Diagnostic)
        else lint_source(source, job._replace(mend=False))
    )


def _print(outcomes: Sequence[Outcome], overrides: Sequence[str], format_: str, statistics: bool) -> None:
    # What is found in a file that several specs include, or in their settings, is told once.
    told = {(d.code, d.span, d.message): d for outcome in reversed(outcomes) for d in reversed(outcome.diagnostics)}
    found = list(reversed(told.values()))
    files = [outcome.file for outcome in outcomes if not outcome.unreadable]
    if format_ in ("json", "sarif", "github", "junit"):
        from netspec.cli.lint_formats import render

        click.echo(render(found, files, format_, statistics), nl=False)
    elif statistics:
        from netspec.cli.lint_formats import count_table

        click.echo(count_table(found), nl=False)
    elif format_ == "concise":
        from netspec.diagnostics.render import render_concise

        if found:
            click.echo(render_concise(found), nl=False)
    elif format_ == "text":
        _print_text(outcomes, found, len(files), overrides)


def _print_text(outcomes: Sequence[Outcome], found: list[Diagnostic], files: int, overrides: Sequence[str]) -> None:
    fixes = sum(outcome.fixes for outcome in outcomes)
    line = f"{files} {'spec is' if files == 1 else 'specs are'} clean"
    if found:
        from netspec.cli.common import show
        from netspec.diagnostics.render import count_line
        from netspec.syntax.overrides import override_sources

        texts = {file: text for outcome in outcomes for file, text in outcome.texts.items()}
        show(found, {**texts, **override_sources(overrides)}, err=False)
        clean = all(diagnostic.severity == "info" for diagnostic in found)
        line = f"{line} ({count_line(found)})" if clean else count_line(found)
        mendable = sum(d.fix is not None and d.fix.safe for d in found)
        line += f" ({mendable} can be mended by --fix)" if mendable else ""
    mended = f"{fixes} {'mistake' if fixes == 1 else 'mistakes'} mended, " if fixes else ""
    if not quiet():
        click.echo(mended + line)
