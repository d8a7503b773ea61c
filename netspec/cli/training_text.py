"""What ``netspec train`` tells beside its progress: a plan, a learning rate, how a run ended and how it goes on."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.text import escape, size

if TYPE_CHECKING:
    from netspec.data.dataset import Dataset
    from netspec.declarations.recipe import Recipe
    from netspec.syntax.spec import Spec
    from netspec.training.memory_check import Demand
    from netspec.training.runtime import Runtime
    from netspec.training.train import Outcome


def plan_text(
    spec: Spec, dataset: Dataset, runtime: Runtime, needed: Demand, data_dir: str | None, format_: str
) -> str:
    """What a run would do, and what it would fetch first."""
    from netspec.data.download import cache_folder
    from netspec.data.read import data_folder
    from netspec.data.stand_in import missing

    epochs = runtime.recipe.epochs
    absent = missing(runtime.recipe.data, data_folder(data_dir), cache_folder())
    document: dict[str, Any] = {
        "version": 1,
        "dry_run": True,
        "name": spec.name,
        "samples": {"train": len(dataset.train), "validation": len(dataset.validation), "test": len(dataset.test)},
        "epochs": epochs,
        "steps": epochs * -(-len(dataset.train) // runtime.split.batch),
        "batch": runtime.split.batch,
        "threads": runtime.threads,
        "memory_bytes": needed.total,
        "memory": needed.document(),
        "fetch": [{**each._asdict(), "file": str(each.file)} for each in absent],
    }
    if format_ == "json":
        return json.dumps(document, indent=2)
    samples = ", ".join(f"{count:,} {part}" for part, count in document["samples"].items())
    memory = ", ".join(f"{name} {size(count)}" for name, count in needed.parts().items())
    threads = f"{runtime.threads} thread{'' if runtime.threads == 1 else 's'}"
    batch = f"up to {document['batch']} samples"
    fetched = [f"would be fetched: {each.address} ({size(each.bytes)}) to {escape(str(each.file))}" for each in absent]
    planned = (
        f"{spec.name}: {_epochs(epochs)}, {document['steps']:,} steps of {batch} ({samples}), "
        f"{size(needed.total)} ({memory}), {threads}; nothing was trained"
    )
    return "\n".join([*fetched, planned])


def rate_text(runtime: Runtime, dataset: Dataset, format_: str) -> str:
    """What the learning-rate finder says."""
    from netspec.cli.plot import plot
    from netspec.training.finder import find_rate

    sweep = find_rate(runtime, dataset.train)
    if format_ == "json":
        return json.dumps(sweep.document(), indent=2)
    if not sweep.rates:
        return "not even the first step had a finite loss: look at the data and its preprocessing"
    lines = plot(sweep.rates, sweep.smoothed, sweep.suggestion, "learning rate")
    if sweep.suggestion is None:
        return "\n".join([*lines, "", "the loss did not fall at any rate: look at the data and its preprocessing"])
    said = f"the loss fell fastest at {sweep.suggestion:g}, and was lowest at {sweep.lowest_at:g}"
    return "\n".join([*lines, "", f"{said}; begin with --set train.lr={sweep.suggestion:g}"])


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"


def closing_text(outcome: Outcome, recipe: Recipe) -> str:
    """The summary of a run that is done."""
    from netspec.training.progress import score_text

    parts = {"train": outcome.train, "validation": outcome.validation, "test": outcome.test}
    lines = [f"{name:<11} {score_text(scores)}" for name, scores in parts.items() if scores is not None]
    epochs = _epochs(outcome.epochs)
    waited = f", {outcome.waited_share:.1%} of the training waiting for data" if outcome.waited_share else ""
    took = f"{outcome.seconds:.1f} s, and {outcome.compile_seconds:.1f} s to compile"
    lines.append(f"{epochs}, {outcome.steps:,} steps in {took}{waited}")
    if outcome.skipped_steps:
        lines.append(f"{outcome.skipped_steps:,} steps were skipped: their numbers were not finite")
    if outcome.epochs < recipe.epochs:
        lines.append(f"stopped early, before {_epochs(recipe.epochs)}: the validation loss had not become lower")
    lines.append(f"run directory: {outcome.run_dir}")
    return "\n".join(lines)


def resuming(arguments: list[str], folder: Path) -> str:
    """The command that goes on with the run that this one began."""
    named = any(argument == "--run-dir" or argument.startswith("--run-dir=") for argument in arguments)
    more = [] if named else ["--run-dir", str(folder)]
    again = [] if "--resume" in arguments else ["--resume"]
    kept = [argument for argument in arguments if argument != "--allow-changes"]
    return shlex.join(["netspec", *kept, *more, *again])
