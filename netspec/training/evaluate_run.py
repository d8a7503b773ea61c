"""From a run directory to the scores of one of its checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from netspec.backend import find_backend
from netspec.data.dataset import Dataset, PartName
from netspec.data.download import cache_folder
from netspec.data.read import read_dataset
from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import read_weights
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.training.evaluate import Evaluation, evaluate
from netspec.training.fitted import with_kept_numbers
from netspec.training.runs import MANIFEST, SPEC, Kept, find_checkpoint, read_manifest, with_settings
from netspec.training.runtime import Runtime


def evaluate_run(
    folder: Path, data_dir: Path | None, part: PartName, kept: Kept, backend: str, threads: int
) -> tuple[Dataset, Evaluation]:
    """The run's data, and the scores of its best or last checkpoint on a part of it.

    A RunError where the folder holds no run, its checkpoint is damaged, or the part is empty.
    """
    manifest = read_manifest(folder)
    checkpoint = find_checkpoint(folder, kept)
    source = read_source(folder / SPEC)
    if not isinstance(source, Source):
        raise RunError(f"'{folder}' is not a run directory: it has no readable {SPEC}")
    try:
        spec_folder = Path(manifest["spec"]["folder"])
        overrides = tuple(manifest["spec"]["overrides"]) if manifest["version"] == 1 else ()
        settings = {key: manifest[key] for key in ("epochs", "batch", "seed")}
    except (KeyError, TypeError) as error:
        raise RunError(f"'{folder / MANIFEST}' is damaged: it does not tell how the run was started") from error
    spec = with_settings(load_spec(source, overrides), settings)
    dataset = read_dataset(spec, data_dir, spec_folder, cache_folder())
    if not len(dataset.part(part)):
        raise RunError(f"the data '{dataset.name}' has no {part} part in this run")
    spec = replace(spec, recipe=with_kept_numbers(spec.recipe, folder))
    runtime = Runtime(spec.graph, spec.recipe, find_backend(backend), spec.recipe.batch, threads, trains=False)
    shapes = {slot.name: slot.param.shape for slot in runtime.weights}
    for name, array in read_weights(checkpoint.weights, shapes).items():
        runtime.state.write(name, array)
    return dataset, evaluate(runtime, dataset.part(part))
