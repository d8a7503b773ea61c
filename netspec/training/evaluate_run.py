"""From a run directory to the scores of one of its checkpoints."""

from __future__ import annotations

from pathlib import Path

from netspec.data.dataset import Dataset, PartName
from netspec.data.download import cache_folder
from netspec.data.read import read_dataset
from netspec.diagnostics.errors import RunError
from netspec.training.evaluate import Evaluation, evaluate
from netspec.training.open_run import open_run
from netspec.training.runs import Kept


def evaluate_run(
    folder: Path, data_dir: Path | None, part: PartName, kept: Kept, backend: str, threads: int
) -> tuple[Dataset, Evaluation]:
    """The run's data, and the scores of its best or last checkpoint on a part of it.

    A RunError where the folder holds no run, its checkpoint is damaged, or the part is empty.
    """
    run = open_run(folder, kept, backend, threads)
    dataset = read_dataset(run.spec, data_dir, run.spec_folder, cache_folder())
    if not len(dataset.part(part)):
        raise RunError(f"the data '{dataset.name}' has no {part} part in this run")
    return dataset, evaluate(run.runtime, dataset.part(part))
