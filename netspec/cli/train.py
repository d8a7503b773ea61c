"""``netspec train``: from a spec to a run directory."""

from __future__ import annotations

import json
import os
import shlex
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.common import backend_option, format_option, load, set_option, spec_argument, threads_option
from netspec.cli.report import report_after_run, report_option

if TYPE_CHECKING:
    from netspec.data.dataset import Dataset
    from netspec.declarations.recipe import Recipe
    from netspec.syntax.spec import Spec
    from netspec.training.resume import Resumed
    from netspec.training.runtime import Runtime
    from netspec.training.train import Outcome


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
@backend_option
@format_option
@report_option
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--dry-run", is_flag=True, help="Check spec, data and plan, and train nothing.")
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
    backend: str,
    format_: str,
    quiet: bool,
    dry_run: bool,
) -> None:
    """Train a network as its spec says, into a run directory.

    \b
    Example:
      netspec train zoo:lenet5
      netspec train zoo:lenet5 --set train.data=mnist --data-dir ~/data --epochs 10
      netspec train zoo:lenet5 --run-dir runs/first --resume

    Ctrl-C and SIGTERM end a run after the step that is under way, with a checkpoint to --resume from.
    """
    from netspec.backend import find_backend
    from netspec.data.download import cache_folder
    from netspec.data.read import data_folder, read_dataset
    from netspec.training.facts import run_facts
    from netspec.training.fitted import keep_fitted
    from netspec.training.resume import given_settings
    from netspec.training.runtime import Runtime
    from netspec.training.threads import available_threads

    if resume and run_dir is None:
        raise click.UsageError("--resume goes on with the run in --run-dir DIR, which is missing")
    loaded = load(spec, overrides)
    options = {"epochs": epochs, "batch": batch, "seed": seed}
    given = given_settings(run_dir) if resume and run_dir is not None else {}
    given |= {key: value for key, value in options.items() if value is not None}
    changed: dict[str, Any] = dict(given)
    loaded = replace(loaded, recipe=replace(loaded.recipe, **changed))
    folder = Path(loaded.file).parent
    dataset = read_dataset(loaded, data_folder(data_dir), folder, cache_folder())
    recipe, machine = _fitted(loaded, dataset, run_dir if resume else None), find_backend(backend)
    runtime = Runtime(loaded.graph, recipe, machine, recipe.batch, threads or available_threads())
    taken = _take_weights(runtime, folder, quiet)
    if dry_run:
        click.echo(_plan_text(loaded, dataset, runtime, format_))
        return
    runtime.load("train", runtime.train_type(dataset.train))  # what cannot be run leaves no run directory behind
    facts = run_facts(loaded, folder, dataset, runtime, ["netspec", *sys.argv[1:]], _now(), given) | taken
    resumed = _open(run_dir, loaded, facts, runtime, dataset, resume, allow_changes)
    keep_fitted(resumed.run.folder, recipe)
    outcome = _train(loaded, resumed, runtime, dataset, quiet, checkpoint_every)
    click.echo(json.dumps(outcome.document(), indent=2) if format_ == "json" else _closing(outcome))


def _fitted(spec: Spec, dataset: Dataset, resumed: Path | None) -> Recipe:
    """The recipe with what preprocessing learnt: in the run that is gone on with, or now."""
    from netspec.data.preprocess import fit_preprocessing
    from netspec.training.fitted import FITTED, with_kept_numbers

    if resumed is not None and (resumed / FITTED).exists():
        return with_kept_numbers(spec.recipe, resumed)
    return fit_preprocessing(spec.recipe, dataset.train)


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
    from netspec.training.loop import START
    from netspec.training.resume import Resumed, resume_run
    from netspec.training.runs import Run, new_folder

    if resume and run_dir is not None:
        steps = -(-len(dataset.train) // runtime.batch)
        return resume_run(run_dir, resolved_text(spec), facts, runtime, steps, allow_changes)
    folder = run_dir or new_folder(Path("runs"), spec.name, _now())
    return Resumed(Run.create(folder, resolved_text(spec), facts), START, ())


def _train(
    spec: Spec, resumed: Resumed, runtime: Runtime, dataset: Dataset, quiet: bool, checkpoint_every: int | None
) -> Outcome:
    """Train, and write the page about it; where training is interrupted, say how it goes on."""
    from netspec.training.progress import make_progress
    from netspec.training.stopping import StopRequest
    from netspec.training.train import train_into

    if not quiet:
        for note in resumed.notes:
            click.echo(note, err=True)
    progress = make_progress(quiet, sys.stderr)
    try:
        with StopRequest(_say_at_once).listening() as stop:
            outcome = train_into(resumed.run, runtime, dataset, progress, _now, resumed.begin, checkpoint_every, stop)
    except KeyboardInterrupt:
        click.echo(f"interrupted; to go on: {_resuming(sys.argv[1:], resumed.run.folder)}", err=True)
        raise
    report_after_run(outcome.run_dir, spec, runtime, dataset, quiet)
    return outcome


def _say_at_once(text: str) -> None:
    """Write to stderr past Python's buffers, which a signal's handler may find in the midst of their work."""
    with suppress(OSError):
        os.write(2, f"{text}\n".encode())


def _resuming(arguments: list[str], folder: Path) -> str:
    """The command that goes on with the run that this one began."""
    named = any(argument == "--run-dir" or argument.startswith("--run-dir=") for argument in arguments)
    more = [] if named else ["--run-dir", str(folder)]
    again = [] if "--resume" in arguments else ["--resume"]
    kept = [argument for argument in arguments if argument != "--allow-changes"]
    return shlex.join(["netspec", *kept, *more, *again])


def _now() -> datetime:
    return datetime.now().astimezone()


def _plan_text(spec: Spec, dataset: Dataset, runtime: Runtime, format_: str) -> str:
    """What a run would do."""
    plan = runtime.plan("train", runtime.train_type(dataset.train))
    epochs = runtime.recipe.epochs
    document: dict[str, Any] = {
        "version": 1,
        "dry_run": True,
        "name": spec.name,
        "samples": {"train": len(dataset.train), "validation": len(dataset.validation), "test": len(dataset.test)},
        "epochs": epochs,
        "steps": epochs * -(-len(dataset.train) // runtime.batch),
        "batch": runtime.batch,
        "threads": runtime.threads,
        "memory_bytes": plan.total_bytes,
    }
    if format_ == "json":
        return json.dumps(document, indent=2)
    samples = ", ".join(f"{count:,} {part}" for part, count in document["samples"].items())
    return (
        f"{spec.name}: {epochs} epochs, {document['steps']:,} steps of up to {runtime.batch} samples ({samples}), "
        f"{plan.total_bytes / 2**20:.1f} MiB, {runtime.threads} threads; nothing was trained"
    )


def _closing(outcome: Outcome) -> str:
    """The summary of a run that is done."""
    from netspec.training.progress import score_text

    parts = {"train": outcome.train, "validation": outcome.validation, "test": outcome.test}
    lines = [f"{name:<11} {score_text(scores)}" for name, scores in parts.items() if scores is not None]
    epochs = f"{outcome.epochs} epoch{'' if outcome.epochs == 1 else 's'}"
    lines.append(f"{epochs}, {outcome.steps:,} steps in {outcome.seconds:.1f} s")
    lines.append(f"run directory: {outcome.run_dir}")
    return "\n".join(lines)
