"""From a trained network to its scores on a part of its data, or of other data."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from netspec.data.dataset import PARTS, Dataset, Part, PartName
from netspec.data.download import cache_folder
from netspec.data.read import read_dataset
from netspec.diagnostics.errors import RunError
from netspec.training.evaluate import Evaluation, evaluate
from netspec.training.open_run import OpenRun


def evaluate_run(
    run: OpenRun, data_dir: Path | None, part: PartName, workers: int | None = None
) -> tuple[Dataset, Evaluation]:
    """The network's data, and its scores on a part of it; a RunError as :func:`part_of` says.

    So many ``workers``, or as many as the recipe says, make the batches where they have to be decoded.
    """
    dataset, found = part_of(run, data_dir, part)
    runtime = run.runtime
    with closing(runtime.supply({part: runtime.augmenter(found, evaluation=True)}, 1, workers)) as supply:
        return dataset, evaluate(runtime, found, batches=supply.batches(part, runtime.batch))


def part_of(run: OpenRun, data_dir: Path | None, part: PartName) -> tuple[Dataset, Part]:
    """The network's data, and a part of it.

    Its classes are numbered as the network has learnt them. A RunError where the part is empty, or a class is none of
    those (NS949).
    """
    learnt = {head: run.class_names(head) for head in run.spec.graph.heads}
    dataset = read_dataset(run.spec, data_dir, run.spec_folder, cache_folder(), learnt=learnt)
    if not len(dataset.part(part)):
        there = [name for name in PARTS if len(dataset.part(name))]
        raise RunError(f"the data '{dataset.name}' has no {part} part: --part {' or '.join(there)}")
    return dataset, dataset.part(part)
