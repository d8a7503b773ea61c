"""How a run went, from its tables: metrics.csv, and timings.csv for what differs between two equal runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from netspec.declarations.recipe import Recipe
from netspec.diagnostics.errors import RunError
from netspec.training.report.content import Curve, Figure, History
from netspec.training.runs import read_table

RATES = 240
"""Points of the curve of the learning rate at most."""

Row = Mapping[str, float | None]


def read_history(folder: Path, recipe: Recipe | None = None, steps_per_epoch: int = 0) -> History:
    """The tables of a run directory; a table that is not there, or cannot be read, leaves its curves out.

    With the recipe and the number of steps of an epoch, the learning rate is that of every step, where it depends on
    nothing but the step; else it is that of each epoch's last.
    """
    rows, timings = _table(folder / "metrics.csv"), _table(folder / "timings.csv")
    epochs = tuple(int(row.get("epoch") or place) for place, row in enumerate(rows, 1))
    names = [name.removeprefix("train_") for name in (rows[0] if rows else ()) if name.startswith("train_")]
    curves = tuple(Curve(name, _column(rows, f"train_{name}"), _column(rows, f"validation_{name}")) for name in names)
    seconds, waiting = _column(timings, "seconds"), _column(timings, "waited_seconds")
    shares = tuple(
        None if wait is None or not whole else wait / whole for wait, whole in zip(waiting, seconds, strict=False)
    )
    rates = _rates(rows, recipe, steps_per_epoch)
    waited = shares if any(share is not None for share in shares) else ()
    skipped = tuple(int(count or 0) for count in _column(rows, "skipped_steps"))
    return History(epochs, curves, rates, seconds, waited, skipped)


def figures(history: History, test: Mapping[str, Any]) -> tuple[tuple[Figure, ...], int | None]:
    """Every loss and metric, and the epoch with the lowest validation loss; ``None`` without validation."""
    losses = next((curve.validation for curve in history.curves if curve.name == "loss"), ())
    known = [(loss, place) for place, loss in enumerate(losses) if loss is not None]
    best = min(known)[1] if known else None
    found = []
    for curve in history.curves:
        score = test.get(curve.name)
        tested = float(score) if isinstance(score, int | float) and math.isfinite(score) else None
        at_best = None if best is None else curve.validation[best]
        found.append(Figure(curve.name, _last(curve.train), _last(curve.validation), at_best, tested))
    return tuple(found), None if best is None else history.epochs[best]


def _last(values: Sequence[float | None]) -> float | None:
    return values[-1] if values else None


def _table(path: Path) -> list[Row]:
    """The rows of a table; what is no finite number is ``None``."""
    try:
        rows = read_table(path)
    except RunError:
        return []
    return [{name: value if math.isfinite(value) else None for name, value in row.items()} for row in rows]


def _column(rows: Sequence[Row], name: str) -> tuple[float | None, ...]:
    return tuple(row.get(name) for row in rows)


def _rates(rows: Sequence[Row], recipe: Recipe | None, steps: int) -> tuple[tuple[float, float], ...]:
    """Rates by epoch. A plateau's go by the losses, so they are taken as they were noted."""
    if not rows:
        return ()
    noted = ((row.get("epoch"), row.get("lr")) for row in rows)
    if recipe is None or not steps or hasattr(recipe.lr, "after"):
        return tuple((epoch, rate) for epoch, rate in noted if epoch is not None and rate is not None)
    done = len(rows) * steps
    places = sorted({round(place * (done - 1) / (RATES - 1)) for place in range(RATES)})
    return tuple((place / steps, float(recipe.lr.at(place, steps, recipe.epochs))) for place in places)
