"""The run directory: what was run, how it went, and what came out.

``manifest.json`` names the circumstances and the checkpoints ``best`` and ``last``; ``spec.resolved.yaml`` is the spec;
``metrics.csv`` has a row per epoch and is the same for two equal runs, since wall times stand in ``timings.csv``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from netspec.data.dataset import Array
from netspec.diagnostics.errors import RunError
from netspec.syntax.spec import Spec
from netspec.training.checkpoints import Checkpoint, read_checkpoint, remove_checkpoint, write_checkpoint
from netspec.training.files import write_atomic, write_json
from netspec.training.progress import EpochResult
from netspec.training.scores import Scores

MANIFEST = "manifest.json"
SPEC = "spec.resolved.yaml"
Status = Literal["running", "finished", "failed", "interrupted"]
Kept = Literal["best", "last"]


class Run:
    """A run directory that is being written. Every file in it is replaced as a whole, never half written."""

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self.folder = folder
        self._manifest: dict[str, Any] = {**facts, "status": "running", "ended": None, "best": None, "last": None}
        self._rows: list[dict[str, float]] = []
        self._timings: list[dict[str, float]] = []
        self._lowest = float("inf")

    @classmethod
    def create(cls, folder: Path, spec_text: str, facts: Mapping[str, Any]) -> Run:
        """A new run in ``folder``; a RunError where that already holds something or cannot be made."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise RunError(
                    f"the run directory '{folder}' is not empty: give another --run-dir, or remove what is in it"
                )
            run = cls(folder, facts)
            run._checkpoints.mkdir()
            write_atomic(folder / SPEC, spec_text.encode())
            run._write_manifest()
        except OSError as error:
            raise RunError(f"the run directory '{folder}' cannot be made: {error.strerror or error}") from error
        return run

    @property
    def _checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def record(self, result: EpochResult, weights: Mapping[str, Array], moments: Mapping[str, Array]) -> None:
        """Note an epoch and keep its checkpoint as the last one, and as the best where it is.

        The best has the lowest validation loss; without validation it is the last.
        """
        name = f"epoch-{result.epoch:04d}"
        position = {"epoch": result.epoch, "step": result.step, "seed": int(self._manifest["seed"])}
        write_checkpoint(self._checkpoints, name, weights, moments, position)
        superseded = {self._manifest["last"], self._manifest["best"]} - {None}
        self._manifest["last"] = name
        if result.validation is None or result.validation.loss < self._lowest:
            self._lowest = float("inf") if result.validation is None else result.validation.loss
            self._manifest["best"] = name
        self._rows.append(_row(result))
        self._timings.append(
            {"epoch": result.epoch, "seconds": result.seconds, "samples_per_second": result.samples / result.seconds}
        )
        write_atomic(self.folder / "metrics.csv", _table(self._rows))
        write_atomic(self.folder / "timings.csv", _table(self._timings))
        self._write_manifest()
        for old in superseded - {self._manifest["last"], self._manifest["best"]}:
            remove_checkpoint(self._checkpoints, old)

    def close(self, status: Status, ended: datetime, outcome: Mapping[str, Any]) -> None:
        """Note how the run ended, and its outcome: final metrics, or what went wrong."""
        self._manifest |= {"status": status, "ended": ended.isoformat(timespec="seconds"), **outcome}
        self._write_manifest()

    def _write_manifest(self) -> None:
        write_json(self.folder / MANIFEST, self._manifest)


def new_folder(parent: Path, name: str, now: datetime) -> Path:
    """A folder below ``parent`` that does not exist yet, such as ``runs/lenet5-20260131-142500``."""
    stem = f"{name}-{now:%Y%m%d-%H%M%S}"
    candidate, count = parent / stem, 1
    while candidate.exists():
        count += 1
        candidate = parent / f"{stem}-{count}"
    return candidate


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run; a RunError where ``folder`` is none."""
    try:
        document = json.loads((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise RunError(f"'{folder}' is not a run directory: it has no readable {MANIFEST}") from error
    except ValueError as error:
        raise RunError(f"'{folder / MANIFEST}' is damaged: {error}") from error
    if not isinstance(document, dict):
        raise RunError(f"'{folder / MANIFEST}' is damaged: it does not hold a mapping")
    return document


def find_checkpoint(folder: Path, kept: Kept) -> Checkpoint:
    """The best or the last checkpoint of a run; a RunError where there is none, or it is damaged."""
    name = read_manifest(folder).get(kept)
    if not isinstance(name, str):
        raise RunError(f"the run '{folder}' has no checkpoint: it ended before its first epoch did")
    return read_checkpoint(folder / "checkpoints", Path(name).name)


def _row(result: EpochResult) -> dict[str, float]:
    """A row of metrics.csv."""
    row: dict[str, float] = {"epoch": result.epoch, "step": result.step, "lr": result.rate}
    parts: tuple[tuple[str, Scores | None], ...] = (("train", result.train), ("validation", result.validation))
    for part, scores in parts:
        row |= {f"{part}_{name}": value for name, value in (scores.document() if scores else {}).items()}
    return row


def _table(rows: Sequence[Mapping[str, float]]) -> bytes:
    """Rows as CSV with a header; floats as the shortest text that reads back the same."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def with_settings(spec: Spec, manifest: Mapping[str, Any]) -> Spec:
    """The spec as the run used it: with the epochs, batch and seed that its command line may have set."""
    settings: dict[str, Any] = {key: int(manifest[key]) for key in ("epochs", "batch", "seed")}
    return replace(spec, recipe=replace(spec.recipe, **settings))
