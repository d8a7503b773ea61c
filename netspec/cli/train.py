"""``netspec train``: from a spec to a run directory."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.common import backend_option, find_source, format_option, set_option, spec_argument, threads_option

if TYPE_CHECKING:
    from netspec.data.dataset import Dataset
    from netspec.syntax.spec import Spec
    from netspec.training.runtime import Runtime
    from netspec.training.train import Outcome


@click.command("train")
@spec_argument
@set_option
@click.option("--data-dir", metavar="DIR", help="Folder of the data sets; NETSPEC_DATA if left out.")
@click.option("--run-dir", metavar="DIR", type=click.Path(path_type=Path), help="Where the run goes; new or empty.")
@click.option("--epochs", type=click.IntRange(min=1), help="Epochs; the spec's if left out.")
@click.option("--batch", type=click.IntRange(min=1), help="Samples of one step; the spec's if left out.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of everything random; the spec's if left out.")
@threads_option
@backend_option
@format_option
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--dry-run", is_flag=True, help="Check spec, data and plan, and train nothing.")
def command(
    spec: str,
    overrides: tuple[str, ...],
    data_dir: str | None,
    run_dir: Path | None,
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
    """
    from netspec.backend import find_backend
    from netspec.data.read import data_folder, read_dataset
    from netspec.syntax.load import load_spec
    from netspec.training.facts import run_facts
    from netspec.training.progress import make_progress
    from netspec.training.runs import Run, new_folder
    from netspec.training.runtime import Runtime
    from netspec.training.threads import available_threads
    from netspec.training.train import train_into

    loaded = load_spec(find_source(spec), overrides)
    given: dict[str, Any] = {"epochs": epochs, "batch": batch, "seed": seed}
    recipe = replace(loaded.recipe, **{key: value for key, value in given.items() if value is not None})
    loaded = replace(loaded, recipe=recipe)
    folder = Path(loaded.file).parent
    dataset = read_dataset(loaded, data_folder(data_dir), folder)
    machine = find_backend(backend)
    runtime = Runtime(loaded.graph, recipe, machine, recipe.batch, threads or available_threads())
    if dry_run:
        click.echo(_plan_text(loaded, dataset, runtime, format_))
        return
    now = datetime.now().astimezone()
    facts = run_facts(loaded, folder, dataset, runtime, ["netspec", *sys.argv[1:]], now)
    run = Run.create(run_dir or new_folder(Path("runs"), loaded.name, now), loaded.text, facts)
    progress = make_progress(quiet, sys.stderr)
    outcome = train_into(run, runtime, dataset, progress, lambda: datetime.now().astimezone())
    click.echo(json.dumps(outcome.document(), indent=2) if format_ == "json" else _closing(outcome))


def _plan_text(spec: Spec, dataset: Dataset, runtime: Runtime, format_: str) -> str:
    """What a run would do."""
    from netspec.training.runtime import image_type

    plan = runtime.plan("train", image_type(dataset.train.images))
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
