"""From a run directory to what a report says. A part that cannot be had is missing, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from netspec.analysis.cost import cost
from netspec.analysis.draw.picture import picture
from netspec.analysis.draw.svg import svg
from netspec.data.dataset import Dataset
from netspec.data.download import cache_folder
from netspec.data.read import read_dataset
from netspec.diagnostics.errors import NetspecError, RunError
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.syntax.spec import Spec
from netspec.training.open_run import open_run
from netspec.training.report.answers import find_answers, scored_part
from netspec.training.report.content import History, Layer, Network, Report, listed, mapping_in
from netspec.training.report.history import figures, read_history
from netspec.training.report.inside import find_features, find_filters, find_spreads
from netspec.training.report.times import measure_times
from netspec.training.runs import SPEC, read_manifest
from netspec.training.runtime import Runtime
from netspec.training.threads import available_threads

DRAWN = 400
"""Layers of a network that is drawn: a larger picture is a page of its own, by `netspec draw`."""

T = TypeVar("T")
F = TypeVar("F")


class _Missing:
    """Notes why a part of the report could not be had."""

    def __init__(self) -> None:
        self.why: dict[str, str] = {}

    def tried(self, name: str, find: Callable[[], T], otherwise: F) -> T | F:
        """What ``find`` gives; ``otherwise``, with a note under ``name``, where it cannot be had."""
        try:
            return find()
        except NetspecError as error:
            self.why[name] = str(error)
        except (OSError, MemoryError) as error:
            self.why[name] = f"{type(error).__name__}: {error}".rstrip(": ")
        return otherwise


def report_of_folder(folder: Path, data_dir: Path | None, backend: str, threads: int | None) -> Report:
    """The report of a run directory, with the weights of its last checkpoint.

    Times are measured with as many ``threads`` as the run had, unless others are given. A RunError where the folder
    holds no run. Where it has no checkpoint yet, or its data is gone, what needs them is missing from the report.
    """
    manifest = read_manifest(folder)
    used = threads or int(manifest.get("threads") or available_threads())
    missing = _Missing()
    opened = missing.tried("checkpoint", lambda: open_run(folder, "last", backend, used, trains=True), None)
    if opened is None:
        spec = missing.tried("network", lambda: _spec_of(folder), None)
        return _report(folder, manifest, spec, None, None, missing)
    dataset = missing.tried(
        "data", lambda: read_dataset(opened.spec, data_dir, opened.spec_folder, cache_folder()), None
    )
    return _report(folder, manifest, opened.spec, opened.runtime, dataset, missing)


def _spec_of(folder: Path) -> Spec:
    """The spec of a run that has no checkpoint."""
    source = read_source(folder / SPEC)
    if not isinstance(source, Source):
        raise RunError(f"it has no readable {SPEC}")
    return load_spec(source)


def report_of_run(folder: Path, spec: Spec, runtime: Runtime, dataset: Dataset) -> Report:
    """The report of a run that has just ended, with its network and data as they are in memory."""
    return _report(folder, read_manifest(folder), spec, runtime, dataset, _Missing())


def _report(
    folder: Path,
    manifest: Mapping[str, Any],
    spec: Spec | None,
    runtime: Runtime | None,
    dataset: Dataset | None,
    missing: _Missing,
) -> Report:
    steps = -(-len(dataset.train) // runtime.batch) if dataset and runtime else 0
    history = read_history(folder, runtime.recipe if runtime else None, steps)
    found, best = figures(history, mapping_in(manifest, "metrics", "test"))
    inside: dict[str, Any] = {}
    epochs = manifest.get("epochs")
    if spec is not None:
        inside["network"] = _network(spec)
    if runtime is not None:
        inside["filters"] = missing.tried("filters", lambda: find_filters(runtime), ())
    if runtime is not None and dataset is not None:
        inside |= _with_data(runtime, dataset, (history.epochs[-1] if history.epochs else 0) * steps + 1, missing)
    return Report(
        name=str(manifest.get("name", folder.name)),
        doc=spec.doc if spec else "",
        status=str(manifest.get("status", "unknown")),
        command=tuple(map(str, listed(manifest, "command"))),
        epochs=epochs if isinstance(epochs, int) else len(history.epochs),
        best_epoch=best,
        figures=found,
        history=history,
        manifest=manifest,
        events=_events(manifest, history),
        missing=missing.why,
        **inside,
    )


def _with_data(runtime: Runtime, dataset: Dataset, step: int, missing: _Missing) -> dict[str, Any]:
    """What needs samples."""
    answers = missing.tried("answers", lambda: find_answers(runtime, dataset), None)
    _, part = scored_part(dataset)
    pictures, features = missing.tried("features", lambda: find_features(runtime, part), ((), ()))
    spreads, more, samples = missing.tried("spreads", lambda: find_spreads(runtime, dataset.train, step), ((), 0, 0))
    return {
        "answers": answers,
        "feature_input": pictures,
        "features": features,
        "spreads": spreads,
        "more_spreads": more,
        "gradient_samples": samples,
        "times": missing.tried("times", lambda: measure_times(runtime, dataset.train, step), None),
    }


def _network(spec: Spec) -> Network:
    table = cost(spec.graph, spec.train_only)
    drawing = svg(picture(spec.graph)) if len(spec.graph.nodes) <= DRAWN else ""
    layers = tuple(
        Layer(row.name, row.op, row.output, row.params, row.macs, row.activation_bytes) for row in table.layers
    )
    return Network(drawing, layers, table.params, table.params_trained, table.macs)


def _events(manifest: Mapping[str, Any], history: History) -> tuple[str, ...]:
    """What happened on the way, in words."""
    found = [f"The run went on: {_words(each)}" for each in listed(manifest, "resumed")]
    count = sum(history.skipped)
    if count:
        where = ", ".join(str(epoch) for epoch, each in zip(history.epochs, history.skipped, strict=True) if each)
        steps = "1 step was" if count == 1 else f"{count:,} steps were"
        found.append(f"{steps} left out, since a number was not finite: epochs {where}")
    if manifest.get("error"):
        found.append(f"The run failed: {manifest['error']}")
    if manifest.get("status") == "interrupted":
        found.append("The run was interrupted before its last epoch.")
    return tuple(found)


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {each}" for key, each in value.items() if each not in (None, [], {}))
    return str(value)
