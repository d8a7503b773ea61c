"""``netspec verify-run``: steps of a run executed again, and compared to the bit."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netspec.cli.common import backend_option, format_option, threads_option, workers_option
from netspec.syntax.suggestions import NAMES_SHOWN

if TYPE_CHECKING:
    from netspec.training.verify import Comparison, Verification


@click.command("verify-run")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data-dir", metavar="DIR", help="Folder of the data sets; NETSPEC_DATA if left out.")
@click.option("--from-seed", is_flag=True, help="Begin at the seed, not at the last checkpoint but one.")
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(min=1),
    help="Execute so many steps at most. Where no checkpoint lies within them, they are executed twice and compared.",
)
@threads_option
@workers_option
@backend_option
@format_option
@click.pass_context
def command(
    context: click.Context,
    run: Path,
    data_dir: str | None,
    from_seed: bool,
    steps: int | None,
    threads: int | None,
    workers: int | None,
    backend: str,
    format_: str,
) -> None:
    """Execute steps of a run again, and compare weights and metrics with what it kept, to the bit.

    It begins at the last checkpoint but one that the run directory holds and ends at the last; a directory with one
    checkpoint begins at the seed. A run that several ranks trained is executed by as many, one after the other in this
    process, which takes no MPI. The run directory is only read. Exit status 1 where something differs.

    \b
    Example:
      netspec verify-run runs/lenet5-20260131-142500
      netspec verify-run runs/lenet5-20260131-142500 --from-seed --steps 20 --threads 1
    """
    from netspec.data.read import data_folder
    from netspec.training.threads import available_threads
    from netspec.training.verify import verify_run

    now = datetime.now().astimezone()
    used = threads or available_threads()
    found = verify_run(run, data_folder(data_dir), backend, used, now, workers, from_seed, steps)
    click.echo(json.dumps(found.document(), indent=2) if format_ == "json" else _text(found))
    context.exit(0 if found.equal else 1)


def _text(found: Verification) -> str:
    """What came of it, in words."""
    origin = "the seed" if found.origin is None else f"the checkpoint '{found.origin}' (step {found.begin:,})"
    steps = f"{found.steps:,} step{'' if found.steps == 1 else 's'}"
    by = f" by {found.ranks} ranks in this process" if found.ranks > 1 else ""
    done = f"{steps} executed {'twice' if found.twice else 'again'} from {origin}{by}"
    lines = [*found.damages, *found.tables, *([done] if found.steps else []), *found.circumstances]
    for comparison in found.compared:
        lines += _comparison_lines(comparison, found.twice)
    first = found.first_steps()
    if first is not None:
        place = f"step {first[0]:,}" if first[0] == first[1] else f"one of the steps {first[0]:,} to {first[1]:,}"
        lines.append(f"the first difference came about in {place}")
    return "\n".join([*lines, *found.unchecked])


def _comparison_lines(comparison: Comparison, twice: bool) -> list[str]:
    place = f"step {comparison.step:,}" if twice else f"'{comparison.against}' (step {comparison.step:,})"
    if not comparison.differences:
        kept = "all state is the same" if twice else "weights, moments and metrics are the same"
        return [f"{place}: {kept} to the bit"]
    shown = comparison.differences[:NAMES_SHOWN]
    lines = [f"{place} differs:", *(f"  {each.kind} {each.name}: {each.said}" for each in shown)]
    more = len(comparison.differences) - len(shown)
    return [*lines, f"  and {more} more"] if more else lines
