"""How a training went, epoch by epoch: data for a program, a table and a curve for a notebook."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, overload

from netspec.analysis.notebook import table
from netspec.diagnostics.markup import as_markup

_WIDTH, _HEIGHT, _MARGIN = 480, 160, 8
_COLORS = {"train": "#4477aa", "validation": "#cc6677", "averaged": "#228833"}


class History(Sequence[dict[str, Any]]):
    """An entry for each epoch; see :meth:`netspec.Model.fit`."""

    def __init__(self, entries: Sequence[dict[str, Any]] = ()) -> None:
        self._entries = tuple(entries)

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, place: slice) -> History: ...

    def __getitem__(self, place: int | slice) -> dict[str, Any] | History:
        return History(self._entries[place]) if isinstance(place, slice) else self._entries[place]

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __hash__(self) -> int:
        raise TypeError("a history holds dictionaries, and cannot be hashed")

    def __repr__(self) -> str:
        return f"History({list(self._entries)!r})"

    def _repr_html_(self) -> str:
        """A curve of the losses, and all scores as a table."""
        if not self._entries:
            return "<p>no epochs</p>"
        rows = [{"epoch": str(entry["epoch"]), **_cells(entry)} for entry in self._entries]
        head = list(rows[0])
        return f"{_curves(self._entries)}\n{table(head, [[row[key] for key in head] for row in rows], numbers=0)}"


def _parts(entry: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The scores of an entry by part."""
    return {"train": entry, **{name: entry[name] for name in ("validation", "averaged") if name in entry}}


def _cells(entry: dict[str, Any]) -> dict[str, str]:
    return {
        f"{part} {name}": f"{value:.4f}"
        for part, scores in _parts(entry).items()
        for name, value in {"loss": scores["loss"], **scores["metrics"]}.items()
    }


def _curves(entries: Sequence[dict[str, Any]]) -> str:
    """The losses of the parts as lines, the lowest at the bottom."""
    courses = {part: [_parts(entry)[part]["loss"] for entry in entries] for part in _parts(entries[0])}
    known = [loss for course in courses.values() for loss in course if math.isfinite(loss)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    lines = []
    for place, (part, course) in enumerate(courses.items()):
        points = " ".join(
            f"{_at(number, 0, len(course) - 1, _WIDTH):.1f},{_HEIGHT - _at(loss, low, high, _HEIGHT):.1f}"
            for number, loss in enumerate(course)
            if math.isfinite(loss)
        )
        color = _COLORS[part]
        lines.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>')
        lines.append(f'<text x="{_WIDTH - 110}" y="{20 + 16 * place}" fill="{color}">{as_markup(part)} loss</text>')
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    label = f'role="img" aria-label="losses from {high:.4g} to {low:.4g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {label} font-size="13">{"".join(lines)}</svg>'


def _at(value: float, low: float, high: float, length: int) -> float:
    """Where a value between two bounds lies on an axis of this length, within its margins."""
    share = (value - low) / (high - low) if high > low else 0.5
    return _MARGIN + share * (length - 2 * _MARGIN)
