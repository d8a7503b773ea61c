"""The circumstances of a run, for its manifest: what would have to be the same for the same bits to come out."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from netspec import __version__
from netspec.data.dataset import Dataset
from netspec.syntax.spec import Spec
from netspec.training.hashes import network_sha256, sha256
from netspec.training.runtime import Runtime

MANIFEST_VERSION = 2
"""Since version 2 the spec of a run is the resolved one, in which the overrides have been put in."""
RECIPE = (
    *("validation", "preprocess", "augment", "loss", "metrics", "optimizer", "lr"),
    *("accumulate", "sync_batch_norm", "average", "prune", "quantize", "heads", "on_nan", "early_stopping"),
)
"""What of ``train:`` decides the weights, or when they are done, and is not a number of its own in the manifest."""


def run_facts(
    spec: Spec,
    spec_folder: Path,
    dataset: Dataset,
    runtime: Runtime,
    command: Sequence[str],
    now: datetime,
    given: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The manifest of a run that begins ``now`` with this command line; relative paths begin in ``spec_folder``.

    ``given`` are the epochs, batch and seed that the command line sets over the spec's.
    """
    recipe = runtime.recipe
    plan = runtime.plan("train", runtime.train_type(dataset.train))
    return {
        "version": MANIFEST_VERSION,
        "name": spec.name,
        "command": list(command),
        "started": now.isoformat(timespec="seconds"),
        "seed": recipe.seed,
        "epochs": recipe.epochs,
        "batch": runtime.split.batch,
        "given": dict(given or {}),
        "recipe": {name: repr(getattr(recipe, name)) for name in RECIPE},
        "threads": runtime.threads,
        "backend": runtime.backend.name,
        "spec": {
            "file": spec.file,
            "folder": str(spec_folder.resolve()),
            "overrides": list(spec.overrides),
            "sha256": sha256("".join(spec.texts.values()).encode()),
        },
        "data": {
            "name": dataset.name,
            "sha256": dataset.sha256(),
            "classes": {head: dataset.classes(field) for head, field in dataset.train.feed.targets.items()},
            "samples": {"train": len(dataset.train), "validation": len(dataset.validation), "test": len(dataset.test)},
        },
        "plan_sha256": sha256(json.dumps([plan.target, plan.batch, plan.computation()], sort_keys=True).encode()),
        "network_sha256": network_sha256(runtime.network),
        **({} if runtime.tuned is None else {"tuned_sha256": runtime.tuned.sha256()}),
        "versions": {
            "netspec": __version__,
            "python": platform.python_version(),
            **{name: _installed(name) for name in ("numpy", "numba", "llvmlite")},
        },
        "machine": {"platform": platform.platform(), "processor": processor()},
        "resumed": [],
    }


def processor(file: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name where Linux tells it, else what Python knows."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
