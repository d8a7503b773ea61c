"""``netspec train``: from a spec to a run directory."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.common import (
    backend_option,
    format_option,
    load,
    memory_budget_option,
    quiet,
    quiet_option,
    set_option,
    spec_argument,
    threads_option,
    tuned_option,
    workers_option,
)
from netspec.cli.ranks import Ranks, ranks_option
from netspec.cli.report import report_after_run, report_option
from netspec.cli.training_text import closing_text, plan_text, rate_text, resuming

if TYPE_CHECKING:
    from netspec.data.dataset import Dataset
    from netspec.declarations.recipe import Recipe
    from netspec.syntax.spec import Spec
    from netspec.training.progress import Progress
    from netspec.training.resume import Resumed
    from netspec.training.runtime import Runtime
    from netspec.training.train import Outcome
    from netspec.training.tuned import Tuned


INTERRUPTED, TERMINATED = 128 + 2, 128 + 15
"""The exit statuses where SIGINT and SIGTERM ended the run, as a shell gives them."""


@click.command("train")
@spec_argument
@set_option
@click.option("--data-dir", metavar="DIR", help="Folder of the data sets; NETSPEC_DATA if left out.")
@click.option("--run-dir", metavar="DIR", type=click.Path(path_type=Path), help="Where the run goes; new or empty.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in --run-dir, from the start if it has no checkpoint yet. It ends in the weights and "
    "metrics of a run that nothing interrupted. Epochs, batch and seed are the run's own if left out; more --epochs "
    "are fine where the learning rates so far do not depend on them, as those of a cosine do.",
)
@click.option(
    "--allow-changes",
    is_flag=True,
    help="Resume though spec, data, seed, batch or backend changed. The epoch under way then starts over.",
)
@click.option(
    "--checkpoint-every",
    metavar="STEPS",
    type=click.IntRange(min=1),
    help="Write a checkpoint after every so many steps too, not only after each epoch.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Epochs; the spec's if left out.")
@click.option("--batch", type=click.IntRange(min=1), help="Samples of one step; the spec's if left out.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of everything random; the spec's if left out.")
@threads_option
@memory_budget_option
@tuned_option
@workers_option
@backend_option
@format_option
@report_option
@ranks_option
@quiet_option
@click.option("--tensorboard", is_flag=True, help="Write what TensorBoard shows into the run directory too.")
@click.option("--dry-run", is_flag=True, help="Check spec, data and plan; fetch and train nothing.")
@click.option(
    "--find-lr",
    is_flag=True,
    help="Try ever larger learning rates for some steps, show what the loss did, and suggest one. No run is made.",
)
def command(
    spec: str,
    overrides: tuple[str, ...],
    data_dir: str | None,
    run_dir: Path | None,
    resume: bool,
    allow_changes: bool,
    checkpoint_every: int | None,
    epochs: int | None,
    batch: int | None,
    seed: int | None,
    threads: int | None,
    memory_budget: int | None,
    tuned: Path | None,
    workers: int | None,
    backend: str,
    format_: str,
    tensorboard: bool,
    dry_run: bool,
    find_lr: bool,
    ranks: Ranks,
) -> None:
    """Train a network as its spec says, into a run directory.

    \b
    Example:
      netspec train zoo:lenet5
      netspec train zoo:lenet5 --set train.data=mnist --data-dir ~/data --epochs 10
      netspec train zoo:lenet5 --run-dir runs/first --resume
      netspec train zoo:lenet5 --find-lr
      mpiexec -n 4 netspec train zoo:lenet5 --distributed

    Ctrl-C and SIGTERM end a run after the step that is under way, with a checkpoint to --resume from;
    the exit status is 130 and 143.
    """
    from netspec.training.facts import run_facts
    from netspec.training.memory_check import memory_limits, refuse_what_does_not_fit

    _refuse_early(resume, run_dir, tensorboard, find_lr, ranks)
    silent, earlier = quiet() or not ranks.leads, run_dir if resume else None
    options = {"epochs": epochs, "batch": batch, "memory_budget": memory_budget, "seed": seed}
    loaded, given = _with_settings(load(spec, overrides), options, workers, earlier)
    folder = Path(loaded.file).parent
    dataset = _dataset(loaded, data_dir, fetches=not dry_run)
    runtime = _runtime(loaded, dataset, earlier, backend, threads, ranks, tuned)
    needed = refuse_what_does_not_fit(runtime, memory_limits(), dataset.train, dataset.validation, dataset.test)
    taken = _take_weights(runtime, folder, silent)
    if dry_run:
        return _tell(ranks, plan_text(loaded, dataset, runtime, needed, data_dir, format_))
    if find_lr:
        return _tell(ranks, rate_text(runtime, dataset, format_))
    runtime.load("train", runtime.train_type(dataset.train))  # what cannot be run leaves no run directory behind
    facts = run_facts(loaded, folder, dataset, runtime, ["netspec", *sys.argv[1:]], _now(), given) | taken
    facts |= _agreed(ranks, facts, runtime, checkpoint_every)
    opened = _open(run_dir, loaded, facts, runtime, dataset, resume, allow_changes) if ranks.leads else None
    resumed = _alike(opened, runtime, facts)
    outcome = _train(loaded, resumed, runtime, dataset, silent, checkpoint_every, tensorboard)
    _tell(
        ranks, json.dumps(outcome.document(), indent=2) if format_ == "json" else closing_text(outcome, runtime.recipe)
    )


def _dataset(spec: Spec, data_dir: str | None, fetches: bool) -> Dataset:
    """The data of the spec; where it ``fetches`` nothing, stand-ins of the same size for what is not there."""
    from netspec.data.download import cache_folder
    from netspec.data.read import data_folder, read_dataset

    return read_dataset(spec, data_folder(data_dir), Path(spec.file).parent, cache_folder(), fetches=fetches)


def _algorithms(file: Path | None, resumed: Path | None) -> Tuned | None:
    """The measured algorithms in a file, else those of the run that is gone on with, if it has some."""
    from netspec.training.runs import MANIFEST, read_manifest
    from netspec.training.tuned import kept_tuned, read_tuned

    if file is not None:
        return read_tuned(file)
    if resumed is None or not (resumed / MANIFEST).exists():
        return None
    return kept_tuned(resumed, read_manifest(resumed))


def _runtime(
    spec: Spec,
    dataset: Dataset,
    resumed: Path | None,
    backend: str,
    threads: int | None,
    ranks: Ranks,
    file: Path | None,
) -> Runtime:
    """The network in memory, on this rank's part of the cores if nothing else is said.

    What was learnt before training and the measured algorithms, if they are in no ``file``, are those of the run that
    is gone on with. NS172 where the file is of something else.
    """
    from netspec.backend import find_backend
    from netspec.training.ranks import threads_of_ranks
    from netspec.training.runtime import Runtime
    from netspec.training.train import refuse_what_comes_too_late

    recipe, tuned = _fitted(spec, dataset, resumed), _algorithms(file, resumed)
    threads = threads or threads_of_ranks(ranks.world, ranks.host)
    runtime = Runtime(spec.graph, recipe, find_backend(backend), recipe.batch, threads, True, ranks.world, tuned=tuned)
    if tuned is not None and file is not None:
        tuned.refuse_others(runtime.conditions(), "train")
    refuse_what_comes_too_late(runtime, dataset.train)
    return runtime


def _tell(ranks: Ranks, text: str) -> None:
    """Print what came of it, once."""
    if ranks.leads:
        click.echo(text)


def _agreed(
    ranks: Ranks, facts: dict[str, Any], runtime: Runtime, checkpoint_every: int | None
) -> dict[str, dict[str, Any]]:
    """What the manifest says of the ranks, once it is known that they are about to do the same."""
    from netspec.training.ranks import refuse_other_runs, world_document

    if not ranks.distributed:
        return {}
    refuse_other_runs(ranks.world, ranks.host, {**facts, "checkpoint_every": checkpoint_every})
    return {"world": world_document(ranks.world, ranks.host, runtime.threads, ranks.mpi)}


def _alike(resumed: Resumed | None, runtime: Runtime, facts: dict[str, Any]) -> Resumed:
    """The run as all ranks know it: that of the one which writes it, at the same place and with the same weights."""
    from netspec.training.position import START
    from netspec.training.ranks import begin_alike
    from netspec.training.resume import Resumed

    run, begin, notes, warnings = (
        (resumed.run, resumed.begin, resumed.notes, resumed.warnings) if resumed else (None, START, (), ())
    )
    return Resumed(*begin_alike(run, begin, runtime, facts), notes, warnings)


def _refuse_early(resume: bool, run_dir: Path | None, tensorboard: bool, find_lr: bool, ranks: Ranks) -> None:
    """Say what is wrong with the command line before anything is read, and with versions before they read it."""
    if ranks.distributed:
        from netspec.diagnostics import RunError
        from netspec.training.ranks import refuse_other_versions

        if find_lr:
            raise RunError.of("NS956", option="--find-lr")
        refuse_other_versions(ranks.world, ranks.host)
    if resume and run_dir is None:
        raise click.UsageError("--resume goes on with the run in --run-dir DIR, which is missing")
    if tensorboard:
        from netspec.training.tensorboard_log import require_tensorboard

        require_tensorboard()


def _with_settings(
    spec: Spec, options: dict[str, int | None], workers: int | None, resumed: Path | None
) -> tuple[Spec, dict[str, int]]:
    """The spec with what the command line, or that of the run that is gone on with, sets over it; and these.

    The number of ``workers`` is none of these: no bit of a run depends on it.
    """
    from netspec.training.resume import given_settings

    given = given_settings(resumed) if resumed is not None else {}
    given |= {key: value for key, value in options.items() if value is not None}
    changed: dict[str, Any] = given | ({} if workers is None else {"workers": workers})
    return replace(spec, recipe=replace(spec.recipe, **changed)), given


def _fitted(spec: Spec, dataset: Dataset, resumed: Path | None) -> Recipe:
    """The recipe with what is learnt before training: in the run that is gone on with, or now."""
    from netspec.training.fitted import FITTED, fit, with_kept_numbers

    if resumed is not None and (resumed / FITTED).exists():
        return with_kept_numbers(spec.recipe, resumed)
    return fit(spec.recipe, spec.graph, dataset.train)


def _take_weights(runtime: Runtime, folder: Path, quiet: bool) -> dict[str, Any]:
    """Start from the weights that the spec names, if it does; what the manifest says of it."""
    from netspec.training.transfer import take_weights

    if not runtime.recipe.init:
        return {}
    transfer = take_weights(runtime, runtime.recipe.init, folder)
    if not quiet:
        click.echo("\n".join(transfer.lines()), err=True)
    return {"init": transfer.document()}


def _open(
    run_dir: Path | None,
    spec: Spec,
    facts: dict[str, Any],
    runtime: Runtime,
    dataset: Dataset,
    resume: bool,
    allow_changes: bool,
) -> Resumed:
    """The run in ``run_dir`` to go on with, or a new one."""
    from netspec.syntax.resolved import resolved_text
    from netspec.training.fitted import keep_fitted
    from netspec.training.position import START
    from netspec.training.resume import Resumed, resume_run
    from netspec.training.runs import Run, new_folder
    from netspec.training.tuned import keep_tuned

    if resume and run_dir is not None:
        steps = -(-len(dataset.train) // runtime.split.batch)
        found = resume_run(run_dir, resolved_text(spec), facts, runtime, steps, allow_changes)
    else:
        folder = run_dir or new_folder(Path("runs"), spec.name, _now())
        found = Resumed(Run.create(folder, resolved_text(spec), facts), START, ())
    keep_fitted(found.run.folder, runtime.recipe)
    keep_tuned(found.run.folder, runtime.tuned)
    return found


def _train(
    spec: Spec,
    resumed: Resumed,
    runtime: Runtime,
    dataset: Dataset,
    quiet: bool,
    checkpoint_every: int | None,
    tensorboard: bool,
) -> Outcome:
    """Train, and write the page about it; where training is interrupted, say how it goes on."""
    from netspec.training.progress import make_progress
    from netspec.training.stopping import StopRequest
    from netspec.training.train import train_into

    for warning in resumed.warnings:
        click.echo(warning, err=True)
    if not quiet:
        for note in resumed.notes:
            click.echo(note, err=True)
    progress = make_progress(quiet, sys.stderr)
    if tensorboard and resumed.run.writes:
        progress = _logged(progress, resumed, runtime)
    stop = StopRequest(_say_at_once if resumed.run.writes else lambda text: None)
    try:
        with stop.listening():
            outcome = train_into(resumed.run, runtime, dataset, progress, _now, resumed.begin, checkpoint_every, stop)
    except KeyboardInterrupt:
        if resumed.run.writes:
            click.echo(f"interrupted; to go on: {resuming(sys.argv[1:], resumed.run.folder)}", err=True)
        if stop.terminated:
            sys.exit(TERMINATED)
        if resumed.run.writes:
            sys.exit(INTERRUPTED)  # what there is to say has been said
        raise
    if resumed.run.writes:
        report_after_run(outcome.run_dir, spec, runtime, dataset, quiet)
    return outcome


def _logged(progress: Progress, resumed: Resumed, runtime: Runtime) -> Progress:
    """The progress, of which TensorBoard is told too."""
    from netspec.training.state import read_state
    from netspec.training.tensorboard_log import FOLDER, TensorBoard

    folder = resumed.run.folder / FOLDER
    return TensorBoard(progress, folder, resumed.begin.step, lambda: read_state(runtime.state, runtime.weights))


def _say_at_once(text: str) -> None:
    """Write to stderr past Python's buffers, which a signal's handler may find in the midst of their work."""
    with suppress(OSError):
        os.write(2, f"{text}\n".encode())


def _now() -> datetime:
    return datetime.now().astimezone()
