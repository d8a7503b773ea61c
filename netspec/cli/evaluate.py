"""``netspec eval``: the scores of a trained network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from netspec.cli.common import format_option, tuned_option
from netspec.cli.tables import columns
from netspec.cli.trained import Trained, open_trained, trained_options
from netspec.diagnostics.text import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netspec.data.dataset import Dataset, PartName
    from netspec.training.evaluate import Evaluation

_CONFUSION_SHOWN = 12
"""Classes up to which the text shows how they are confused; JSON always does."""


@click.command("eval")
@trained_options
@tuned_option
@click.option(
    "--data",
    metavar="SOURCE",
    help="Other data than the run's: a named set, a folder of images, an .npz or .csv, or what a spec would have "
    "behind 'data:'. Paths begin in the current folder.",
)
@click.option("--data-dir", metavar="DIR", help="Folder of the data sets; NETSPEC_DATA if left out.")
@click.option("--part", type=click.Choice(["test", "validation", "train"]), default="test", show_default=True)
@format_option
def command(
    trained: Trained,
    tuned: Path | None,
    data: str | None,
    data_dir: str | None,
    part: PartName,
    format_: Literal["text", "json"],
) -> None:
    """Evaluate a network on data that it did not learn from.

    RUN is a run directory; or a bundle, or a spec, whose weights --weights names.

    \b
    Example:
      netspec eval runs/lenet5-20260131-142500
      netspec eval lenet5.netspec --weights lenet5.safetensors --data mnist
    """
    from netspec.data.read import data_folder
    from netspec.training.evaluate_run import evaluate_run

    dataset, evaluation = evaluate_run(open_trained(trained, data, tuned), data_folder(data_dir), part)
    document = _document(dataset, evaluation)
    click.echo(json.dumps(document, indent=2) if format_ == "json" else _text(document, part))


def _document(dataset: Dataset, evaluation: Evaluation) -> dict[str, Any]:
    """Plain data; ``per_class`` and ``confusion`` are those of the head, or mappings where there are several."""
    from netspec.training.evaluate import per_class

    fields = dataset.train.feed.targets
    confusion = {name: counts.tolist() for name, counts in evaluation.confusion.items()}
    classes = {
        name: per_class(counts, dataset.classes(fields[name]) or tuple(map(str, range(len(counts)))))
        for name, counts in evaluation.confusion.items()
    }
    several = len(fields) > 1
    return {
        "version": 1,
        "samples": evaluation.samples,
        "loss": evaluation.scores.loss,
        "metrics": dict(evaluation.scores.metrics),
        "per_class": classes if several else next(iter(classes.values()), {}),
        "confusion": confusion if several else next(iter(confusion.values()), {}),
    }


def _text(document: Mapping[str, Any], part: str) -> str:
    metrics = "  ".join(f"{name} {value:.4f}" for name, value in document["metrics"].items())
    lines = [f"{part}: {document['samples']:,} samples  loss {document['loss']:.4f}  {metrics}"]
    classes, confusion = document["per_class"], document["confusion"]
    if isinstance(classes, list):
        classes, confusion = {"": classes}, {"": confusion}
    for head, rows in classes.items():
        lines += ["", *([f"{escape(head)}:"] if head else []), *_class_table(rows)]
        if len(rows) <= _CONFUSION_SHOWN:
            lines += ["", *_confusion_table([row["class"] for row in rows], confusion[head])]
    return "\n".join(lines)


def _class_table(rows: list[dict[str, Any]]) -> list[str]:
    table = [("class", "samples", "recall", "precision")]
    for row in rows:
        recall, precision = ("-" if row[key] is None else f"{row[key]:.4f}" for key in ("recall", "precision"))
        table.append((row["class"], f"{row['samples']:,}", recall, precision))
    return columns(table, frozenset({1, 2, 3}))


def _confusion_table(names: list[str], counts: list[list[int]]) -> list[str]:
    """Rows are what a sample is, columns what it was taken for."""
    rows = [(name, *(f"{count:,}" if count else "." for count in row)) for name, row in zip(names, counts, strict=True)]
    return columns([("is, taken for", *names), *rows], frozenset(range(1, len(names) + 1)))
