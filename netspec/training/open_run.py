"""From a run directory, or a spec and a file of weights, to a network that is put to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netspec.backend import find_backend
from netspec.data.dataset import Array
from netspec.diagnostics.errors import RunError
from netspec.interop.safetensors import read_weights
from netspec.passes.quantization import Ranges
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.syntax.spec import Spec
from netspec.training.average import read_average
from netspec.training.fitted import with_kept_numbers
from netspec.training.quantized import WEIGHTS, is_quantized, read_ranges, refuse_without_bytes
from netspec.training.runs import MANIFEST, SPEC, Kept, find_checkpoint, read_manifest, with_settings
from netspec.training.runtime import Runtime
from netspec.training.state import read_state, starts_alike
from netspec.training.tuned import Tuned, kept_tuned


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A trained network that is to be used, not gone on with. Relative paths of its spec begin in ``spec_folder``.

    ``manifest`` is that of the run which the weights are of; empty where no run is known.
    """

    spec: Spec
    spec_folder: Path
    runtime: Runtime
    manifest: Mapping[str, Any]

    def class_names(self, head: str) -> tuple[str, ...]:
        """The names of the classes that a head tells apart; none where it gives other numbers."""
        return tuple(self.manifest.get("data", {}).get("classes", {}).get(head, ()))


def open_run(
    folder: Path,
    kept: Kept,
    backend: str,
    threads: int,
    changes: Sequence[str] = (),
    averaged: bool = False,
    trains: bool = False,
    tuned: Tuned | None = None,
) -> OpenRun:
    """The run with the weights of its best or last checkpoint, or with their average.

    ``changes`` are ``name=value``, as behind ``--set``; with ``trains`` it has the form that gradients need. A RunError
    where the folder holds no run, the checkpoint is damaged, or there is no average in it.

    It computes with the algorithms that are ``tuned``, else with those that the run began with.

    Of a folder that ``netspec quantize`` wrote there is one set of weights, and the network is computed in bytes.
    """
    spec, spec_folder, manifest = spec_of_run(folder, changes)
    if is_quantized(folder):
        if averaged or trains:
            raise RunError.of("NS862", path=str(folder))
        runtime = _with_weights(spec, folder / WEIGHTS, backend, threads, ranges=read_ranges(folder))
        return OpenRun(spec, spec_folder, runtime, manifest)
    checkpoint = find_checkpoint(folder, kept)
    tuned = kept_tuned(folder, manifest) if tuned is None else tuned
    runtime = _with_weights(spec, checkpoint.weights, backend, threads, trains, tuned=tuned)
    if averaged:
        for name, array in read_average(checkpoint, read_state(runtime.state, runtime.weights)).items():
            runtime.state.write(name, array)
    return OpenRun(spec, spec_folder, runtime, manifest)


def spec_of_run(folder: Path, changes: Sequence[str] = ()) -> tuple[Spec, Path, Mapping[str, Any]]:
    """The spec of a run as it was trained, the folder in which its relative paths begin, and the manifest.

    ``changes`` as for :func:`open_run`. A RunError where the folder holds no run.
    """
    manifest = read_manifest(folder)
    source = read_source(folder / SPEC)
    if not isinstance(source, Source):
        raise RunError(f"'{folder}' is not a run directory: it has no readable {SPEC}")
    try:
        spec_folder = Path(manifest["spec"]["folder"])
        overrides = tuple(manifest["spec"]["overrides"]) if manifest["version"] == 1 else ()
        settings = {key: manifest[key] for key in ("epochs", "batch", "seed")}
    except (KeyError, TypeError) as error:
        raise RunError(f"'{folder / MANIFEST}' is damaged: it does not tell how the run was started") from error
    spec = with_settings(load_spec(source, (*overrides, *changes)), settings)
    return replace(spec, recipe=with_kept_numbers(spec.recipe, folder)), spec_folder, manifest


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """A trained network that is to be changed, not run: its spec, and all that it has learnt, by name.

    Relative paths of its spec begin in ``spec_folder``. ``manifest`` as for :class:`OpenRun`.
    """

    spec: Spec
    spec_folder: Path
    weights: Mapping[str, Array]
    manifest: Mapping[str, Any]


def stored_run(folder: Path, kept: Kept, averaged: bool = False) -> StoredNetwork:
    """The network of a run, with the weights of its best or last checkpoint or their average; see :func:`open_run`."""
    spec, spec_folder, manifest = spec_of_run(folder)
    checkpoint = find_checkpoint(folder, kept)
    weights = _all_weights(spec, checkpoint.weights)
    return StoredNetwork(spec, spec_folder, read_average(checkpoint, weights) if averaged else weights, manifest)


def stored_weights(spec: Spec, weights: Path) -> StoredNetwork:
    """The network of a spec with the weights in a file or a run directory; see :func:`open_weights`."""
    file, spec, manifest = _located(spec, weights)
    return StoredNetwork(spec, Path(spec.file).parent, _all_weights(spec, file), manifest)


def running(stored: StoredNetwork, backend: str, threads: int) -> OpenRun:
    """A stored network, to be used."""
    spec = stored.spec
    runtime = Runtime(spec.graph, spec.recipe, find_backend(backend), spec.recipe.batch, threads, trains=False)
    for name in runtime.weight_shapes:
        runtime.state.write(name, stored.weights[name])
    return OpenRun(spec, stored.spec_folder, runtime, stored.manifest)


def _all_weights(spec: Spec, file: Path) -> dict[str, Array]:
    return read_weights(file, {slot.name: slot.param.shape for slot in spec.graph.slots})


def open_weights(spec: Spec, weights: Path, backend: str, threads: int, tuned: Tuned | None = None) -> OpenRun:
    """The network of a spec with the weights in a safetensors file, or of the last checkpoint of a run directory.

    What the weights' run knows beside, the names of the classes, what preprocessing learnt and measured algorithms, is
    taken too. A RunError
    where the weights cannot be read or are not those of the network, or its preprocessing was fitted and no run says to
    what.
    """
    file, spec, manifest = _located(spec, weights)
    run = _run_of(weights)
    if tuned is None and run is not None:
        tuned = kept_tuned(run, manifest)
    return OpenRun(spec, Path(spec.file).parent, _with_weights(spec, file, backend, threads, tuned=tuned), manifest)


def open_as_drawn(spec: Spec, backend: str, threads: int, tuned: Tuned | None = None) -> OpenRun | None:
    """The network of a spec as it starts, where that follows from the spec alone; ``None`` where chance is in it."""
    if spec.recipe.init or not starts_alike(spec.graph.slots):
        return None
    machine, batch = find_backend(backend), spec.recipe.batch
    runtime = Runtime(spec.graph, spec.recipe, machine, batch, threads, trains=False, tuned=tuned)
    return OpenRun(spec, Path(spec.file).parent, runtime, {})


def _located(spec: Spec, weights: Path) -> tuple[Path, Spec, Mapping[str, Any]]:
    """The file of weights that are meant; the spec with what their run has learnt beside, and that run's manifest."""
    run = _run_of(weights)
    if run is None:
        return weights, spec, {}
    file = find_checkpoint(weights, "last").weights if run == weights else weights
    return file, replace(spec, recipe=with_kept_numbers(spec.recipe, run)), read_manifest(run)


def _run_of(weights: Path) -> Path | None:
    """The run directory that weights are of: itself, the one they lie in, or in whose ``checkpoints`` they do."""
    above = weights.absolute().parent
    known = weights, above, *([above.parent] if above.name == "checkpoints" else [])
    return next((folder for folder in known if (folder / MANIFEST).is_file()), None)


def _with_weights(
    spec: Spec,
    weights: Path,
    backend: str,
    threads: int,
    trains: bool = False,
    ranges: Ranges | None = None,
    tuned: Tuned | None = None,
) -> Runtime:
    """The network with these weights; a RunError lists what does not fit it."""
    found = find_backend(backend)
    if ranges is not None:
        refuse_without_bytes(found)
    # Without the ranges, which are the optimiser's to keep: the network is the float32 one that bytes are made of.
    recipe = replace(spec.recipe, quantize=None)
    runtime = Runtime(spec.graph, recipe, found, recipe.batch, threads, trains, ranges=ranges, tuned=tuned)
    for name, array in read_weights(weights, runtime.weight_shapes, runtime.unused_weights).items():
        runtime.state.write(name, array)
    return runtime
