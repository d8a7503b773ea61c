"""``netspec report``: the page about a run; and the same page at the end of every run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from netspec.cli.common import backend_option, format_option, note, threads_option
from netspec.diagnostics import RunError

if TYPE_CHECKING:
    from netspec.data.dataset import Dataset
    from netspec.syntax.spec import Spec
    from netspec.training.runtime import Runtime

F = TypeVar("F", bound=Callable[..., Any])
_LEFT_OUT = "netspec.no_report"
"""Where click keeps that no page is wanted."""


def report_option(function: F) -> F:
    """``--no-report``, by which :func:`report_after_run` writes no page."""
    text = "Leave out report.html, the page about the run that else is written at its end."
    return click.option("--no-report", is_flag=True, expose_value=False, callback=_left_out, help=text)(function)


def _left_out(context: click.Context, option: click.Parameter, given: bool) -> None:
    context.meta[_LEFT_OUT] = given


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write; RUN/report.html if left out.")
@click.option("--data-dir", metavar="DIR", help="Folder of the data sets; NETSPEC_DATA if left out.")
@threads_option
@backend_option
@format_option
def command(
    run: Path, output: Path | None, data_dir: str | None, threads: int | None, backend: str, format_: str
) -> None:
    """A page about a run: one HTML file that loads nothing.

    Curves, mistakes as pictures, the network with its filters and maps, weights and gradients, time per layer, and the
    record of the run. What cannot be had, such as data that is gone, is left out with the reason.

    \b
    Example:
      netspec report runs/lenet5-20260131-142500
      netspec report runs/first -o first.html
      netspec report runs/first --format json > first.json

    With --format json what the page shows goes to stdout, and a page is written only where -o names one.
    """
    from netspec.data.read import data_folder
    from netspec.training.report.collect import report_of_folder
    from netspec.training.report.write import REPORT, write_report

    found = report_of_folder(run, data_folder(data_dir), backend, threads)
    path = output if output is not None or format_ == "json" else run / REPORT
    if path is not None:
        write_report(found, path)
        note(f"wrote {path}")
    if format_ == "json":
        click.echo(json.dumps(found.document(), indent=2, allow_nan=False))


def report_after_run(folder: Path, spec: Spec, runtime: Runtime, dataset: Dataset, quiet: bool) -> None:
    """Write the page of a run that is done, unless it is left out by :func:`report_option`.

    Where that fails, a line says why: the run is worth more than its page.
    """
    if click.get_current_context().meta.get(_LEFT_OUT):
        return
    from netspec.training.report.collect import report_of_run
    from netspec.training.report.write import REPORT, write_report

    try:
        write_report(report_of_run(folder, spec, runtime, dataset), folder / REPORT)
    except (Exception, KeyboardInterrupt) as error:  # of whatever kind: weights and scores are on the disk already
        problem = _problem(error)
        click.echo(f"warning: {RunError.of('NS928', problem=problem, folder=str(folder))}", err=True)
    else:
        if not quiet:
            click.echo(f"report: {folder / REPORT}", err=True)


def _problem(error: BaseException) -> str:
    """Why there is no page, in few words."""
    if isinstance(error, KeyboardInterrupt):
        return "it was interrupted"
    return str(error) if isinstance(error, RunError) else f"{type(error).__name__}: {error}"
