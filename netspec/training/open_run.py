"""From a run directory to its network with the weights of one of its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netspec.backend import find_backend
from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import read_weights
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.syntax.spec import Spec
from netspec.training.fitted import with_kept_numbers
from netspec.training.runs import MANIFEST, SPEC, Kept, find_checkpoint, read_manifest, with_settings
from netspec.training.runtime import Runtime


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that is to be used, not gone on with. Relative paths of its spec begin in ``spec_folder``."""

    spec: Spec
    spec_folder: Path
    runtime: Runtime
    manifest: Mapping[str, Any]

    def class_names(self, head: str) -> tuple[str, ...]:
        """The names of the classes that a head tells apart; none where it gives other numbers."""
        return tuple(self.manifest["data"].get("classes", {}).get(head, ()))


def open_run(folder: Path, kept: Kept, backend: str, threads: int, trains: bool = False) -> OpenRun:
    """The run with the weights of its best or last checkpoint; with ``trains`` in the form that gradients need.

    A RunError where the folder holds no run, or the checkpoint is damaged.
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
    spec = replace(spec, recipe=with_kept_numbers(spec.recipe, folder))
    runtime = Runtime(spec.graph, spec.recipe, find_backend(backend), spec.recipe.batch, threads, trains)
    for name, array in read_weights(checkpoint.weights, runtime.weight_shapes, runtime.unused_weights).items():
        runtime.state.write(name, array)
    return OpenRun(spec, spec_folder, runtime, manifest)
