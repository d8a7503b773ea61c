"""From a trained network to its scores on a part of its data, or of other data."""

from __future__ import annotations

from pathlib import Path

from netspec.data.dataset import PARTS, Dataset, Part, PartName
from netspec.data.download import cache_folder
from netspec.data.read import read_dataset
from netspec.diagnostics.errors import RunError
from netspec.training.evaluate import Evaluation, evaluate
from netspec.training.open_run import OpenRun

SHOWN = 12
"""Names of classes that a message lists."""


def evaluate_run(run: OpenRun, data_dir: Path | None, part: PartName) -> tuple[Dataset, Evaluation]:
    """The network's data, and its scores on a part of it; a RunError as :func:`part_of` says."""
    dataset, found = part_of(run, data_dir, part)
    return dataset, evaluate(run.runtime, found)


def part_of(run: OpenRun, data_dir: Path | None, part: PartName) -> tuple[Dataset, Part]:
    """The network's data, and a part of it.

    A RunError where the part is empty, or its classes are not those that the network has learnt (NS949): they would be
    taken for others, since a class is told by its number.
    """
    dataset = read_dataset(run.spec, data_dir, run.spec_folder, cache_folder())
    return dataset, checked_part(run, dataset, part)


def checked_part(run: OpenRun, dataset: Dataset, part: PartName) -> Part:
    """A part of data, to score a network on; a RunError as of :func:`part_of`."""
    for head, field in dataset.train.feed.targets.items():
        learnt, found = run.class_names(head), dataset.classes(field)
        if learnt and found and learnt != found:
            raise RunError.of("NS949", data=dataset.name, found=_listed(found), learnt=_listed(learnt))
    if not len(dataset.part(part)):
        there = [name for name in PARTS if len(dataset.part(name))]
        raise RunError(f"the data '{dataset.name}' has no {part} part: --part {' or '.join(there)}")
    return dataset.part(part)


def _listed(names: tuple[str, ...]) -> str:
    """The names, the first of many."""
    return ", ".join(names[:SHOWN]) + (f", … ({len(names)} in all)" if len(names) > SHOWN else "")
