"""From a trained network to its scores on a part of its data, or of other data."""

from __future__ import annotations

from pathlib import Path

from netspec.data.dataset import PARTS, Dataset, PartName
from netspec.data.download import cache_folder
from netspec.data.read import read_dataset
from netspec.diagnostics.errors import RunError
from netspec.training.evaluate import Evaluation, evaluate
from netspec.training.open_run import OpenRun


def evaluate_run(run: OpenRun, data_dir: Path | None, part: PartName) -> tuple[Dataset, Evaluation]:
    """The network's data, and its scores on a part of it. A RunError where the part is empty."""
    dataset = read_dataset(run.spec, data_dir, run.spec_folder, cache_folder())
    if not len(dataset.part(part)):
        there = [name for name in PARTS if len(dataset.part(name))]
        raise RunError(f"the data '{dataset.name}' has no {part} part in this run: --part {' or '.join(there)}")
    return dataset, evaluate(run.runtime, dataset.part(part))
