"""``netspec eval``: the scores of a finished run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from netspec.cli.common import backend_option, format_option, threads_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netspec.data.dataset import Dataset
    from netspec.training.evaluate import Evaluation


@click.command("eval")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data-dir", metavar="DIR", help="Folder of the data sets; NETSPEC_DATA if left out.")
@click.option("--part", type=click.Choice(["test", "validation", "train"]), default="test", show_default=True)
@click.option(
    "--checkpoint",
    "kept",
    type=click.Choice(["last", "best"]),
    default="last",
    show_default=True,
    help="The weights of the last epoch, or of the one with the lowest validation loss.",
)
@threads_option
@backend_option
@format_option
def command(
    run: Path,
    data_dir: str | None,
    part: Literal["test", "validation", "train"],
    kept: Literal["last", "best"],
    threads: int | None,
    backend: str,
    format_: str,
) -> None:
    """Evaluate a run on data that it did not learn from.

    \b
    Example:
      netspec eval runs/lenet5-20260131-142500
    """
    from netspec.data.read import data_folder
    from netspec.training.evaluate_run import evaluate_run
    from netspec.training.threads import available_threads

    dataset, evaluation = evaluate_run(run, data_folder(data_dir), part, kept, backend, threads or available_threads())
    document = _document(dataset, evaluation)
    click.echo(json.dumps(document, indent=2) if format_ == "json" else _text(document, part))


def _document(dataset: Dataset, evaluation: Evaluation) -> dict[str, Any]:
    """Plain data; ``per_class`` and ``confusion`` are those of the head, or mappings where there are several."""
    from netspec.training.evaluate import per_class

    confusion = {name: counts.tolist() for name, counts in evaluation.confusion.items()}
    classes = {name: per_class(counts, dataset.class_names) for name, counts in evaluation.confusion.items()}
    return {
        "version": 1,
        "samples": evaluation.samples,
        "loss": evaluation.scores.loss,
        "metrics": dict(evaluation.scores.metrics),
        "per_class": _alone(classes),
        "confusion": _alone(confusion),
    }


def _alone(by_head: Mapping[str, Any]) -> Any:
    return next(iter(by_head.values())) if len(by_head) == 1 else dict(by_head)


def _text(document: Mapping[str, Any], part: str) -> str:
    metrics = "  ".join(f"{name} {value:.4f}" for name, value in document["metrics"].items())
    lines = [f"{part}: {document['samples']:,} samples  loss {document['loss']:.4f}  {metrics}"]
    if isinstance(document["per_class"], list):
        lines += ["", f"{'class':<12} {'samples':>8} {'recall':>8} {'precision':>10}"]
        for row in document["per_class"]:
            recall, precision = ("-" if row[key] is None else f"{row[key]:.4f}" for key in ("recall", "precision"))
            lines.append(f"{row['class']:<12} {row['samples']:>8,} {recall:>8} {precision:>10}")
    return "\n".join(lines)
