"""Runs side by side: what they did differently, and what came of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.analysis.diff import Difference, compare
from netspec.diagnostics.errors import RunError
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.syntax.spec import Spec
from netspec.training.runs import MANIFEST, SPEC, read_manifest, read_table, refuse_quantized, with_settings
from netspec.training.scores import named_metrics

_PARTS = ("train", "validation", "averaged", "test")
_CIRCUMSTANCES = ("threads", "backend", "init", "data.name", "data.samples", "data.sha256", "machine", "versions")
"""What of a manifest is compared; the network and its training are compared as specs."""
_SETTINGS = frozenset({"epochs", "batch", "seed"})
"""What of the recipe may differ between runs that are the same but for chance and length."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a run directory tells: its manifest, its spec as it was used, and a row of scores per epoch."""

    folder: Path
    manifest: Mapping[str, Any]
    spec: Spec
    rows: tuple[Mapping[str, float], ...]
    seconds: float

    @property
    def final(self) -> dict[str, float]:
        """The scores of the last epoch, and of the test part where the run came to its end."""
        test = self.manifest.get("metrics", {}).get("test", {})
        return {**self.rows[-1], **{f"test_{name}": value for name, value in test.items()}}


@dataclass(frozen=True, slots=True)
class Score:
    """What the runs came to in one quantity, a value per run; ``None`` where a run lacks it.

    ``best`` and ``best_epoch`` are those of all epochs; ``reached`` is the first epoch at which a run was as good as
    ``target``, the best that all of them came to. None of them are known of a test part, which is scored once.
    """

    name: str
    more_is_better: bool
    last: tuple[float | None, ...]
    best: tuple[float | None, ...]
    best_epoch: tuple[int | None, ...]
    target: float | None
    reached: tuple[int | None, ...]

    @property
    def median(self) -> float | None:
        """The median of the last values, where every run has one."""
        known = [value for value in self.last if value is not None]
        return statistics.median(known) if len(known) == len(self.last) else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs side by side. ``specs`` says what each run but the first has other than the first."""

    runs: tuple[Record, ...]
    circumstances: Mapping[str, tuple[Any, ...]]
    specs: tuple[Difference, ...]
    scores: tuple[Score, ...]
    notes: tuple[str, ...]

    @property
    def repeats(self) -> bool:
        """Whether the runs are one experiment under several seeds, so that medians say something."""
        changed = {change.what.partition(".")[0] for found in self.specs for change in found.recipe}
        seeds = {run.manifest["seed"] for run in self.runs}
        return (
            len(seeds) == len(self.runs) and changed <= {"seed"} and not any(d.layers or d.network for d in self.specs)
        )


def compare_runs(folders: Sequence[Path]) -> Comparison:
    """Two or more runs side by side; NS921 where one has nothing to compare, or they learn different things."""
    runs = tuple(_record(folder) for folder in folders)
    first = runs[0]
    for other in runs[1:]:
        reason = _incomparable(first, other)
        if reason is not None:
            raise RunError.of("NS921", first=str(first.folder), second=str(other.folder), reason=reason)
    specs = tuple(compare(first.spec, other.spec) for other in runs[1:])
    left_out, notes = _left_out(runs)
    return Comparison(runs, _differing(runs), specs, tuple(_scores(runs, left_out)), notes)


def _record(folder: Path) -> Record:
    manifest = read_manifest(folder)
    refuse_quantized(folder, manifest)
    source = read_source(folder / SPEC)
    if not isinstance(source, Source):
        raise RunError(f"'{folder}' is not a run directory: it has no readable {SPEC}")
    rows = read_table(folder / "metrics.csv")
    if not rows:
        raise RunError.of("NS921", first=str(folder), reason="it has no finished epoch")
    try:
        spec = with_settings(load_spec(source), {key: manifest[key] for key in _SETTINGS})
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"'{folder / MANIFEST}' is damaged: it does not tell how the run was started") from error
    seconds = math.fsum(row.get("seconds", math.nan) for row in read_table(folder / "timings.csv"))
    return Record(folder, manifest, spec, rows, seconds)


def _incomparable(a: Record, b: Record) -> str | None:
    """Why the scores of two runs say nothing about one another, if they do not."""
    data = [str(run.manifest.get("data", {}).get("name")) for run in (a, b)]
    if data[0] != data[1]:
        return f"one learns '{data[0]}', the other '{data[1]}'"
    heads = [{name: str(head.type) for name, head in run.spec.graph.heads.items()} for run in (a, b)]
    if heads[0] != heads[1]:
        texts = [", ".join(f"{name} {type}" for name, type in each.items()) for each in heads]
        return f"their heads are not the same: {texts[0]} and {texts[1]}"
    return None


def _left_out(runs: Sequence[Record]) -> tuple[frozenset[str], tuple[str, ...]]:
    """The quantities that are not compared, and what has to be said of those that are."""
    notes = []
    left_out: frozenset[str] = frozenset()
    if len({_losses(run) for run in runs}) > 1:
        left_out = frozenset({"loss"})
        notes.append("the losses are not compared: the runs learn by different ones")
    if len({str(run.manifest.get("data", {}).get("sha256")) for run in runs}) > 1:
        notes.append("the runs did not learn from the same samples: other files, or another part kept for validation")
    return left_out, tuple(notes)


def _losses(run: Record) -> str:
    heads = ((name, run.spec.recipe.head(name)) for name in run.spec.graph.heads)
    return repr([(name, repr(head.loss), head.weight) for name, head in heads])


def _differing(runs: Sequence[Record]) -> dict[str, tuple[Any, ...]]:
    """The circumstances in which the runs differ, a value per run."""
    tables = [dict(_flat(run.manifest)) for run in runs]
    names = dict.fromkeys(name for table in tables for name in table)
    found = {name: tuple(table.get(name) for table in tables) for name in names}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}


def _flat(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in _CIRCUMSTANCES:
        value: Any = manifest
        for key in name.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", each) for key, each in value.items() if not isinstance(each, (list, dict)))
        elif value is not None:
            yield name, value


def _scores(runs: Sequence[Record], left_out: frozenset[str]) -> Iterator[Score]:
    """What was measured in at least one run, in the order of the tables, the test part last."""
    finals = [run.final for run in runs]
    better = {"loss": False}
    for run in runs:
        named = named_metrics(run.spec.graph, run.spec.recipe, run.spec.graph.heads)
        better |= {name: getattr(m, "more_is_better", True) for metrics in named.values() for name, m in metrics}
    for column in dict.fromkeys(name for final in finals for name in final):
        part, _, name = column.partition("_")
        if part in _PARTS and name in better and name not in left_out:
            yield _score(column, better[name], [final.get(column) for final in finals], [run.rows for run in runs])


def _score(column: str, more: bool, last: list[float | None], tables: Sequence[Sequence[Mapping[str, float]]]) -> Score:
    sign = 1 if more else -1
    courses = [[(row[column], int(row["epoch"])) for row in rows if column in row] for rows in tables]
    courses = [[(value, epoch) for value, epoch in course if not math.isnan(value)] for course in courses]
    best = [max(course, key=lambda pair: sign * pair[0], default=None) for course in courses]
    values = [pair[0] for pair in best if pair is not None]
    target = min(values, key=lambda value: sign * value) if len(values) == len(tables) else None
    reached = (
        None if target is None else next(epoch for value, epoch in course if sign * value >= sign * target)
        for course in courses
    )
    return Score(
        column,
        more,
        tuple(last),
        tuple(None if pair is None else pair[0] for pair in best),
        tuple(None if pair is None else pair[1] for pair in best),
        target,
        tuple(reached),
    )
