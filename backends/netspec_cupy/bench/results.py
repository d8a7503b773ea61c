"""Where the results lie: a JSON file for each stage, written when it is over, and one table of all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

COLUMNS = ("what", "size", "precision", "netspec ms", "PyTorch ms", "its best form", "ratio")
RULE = "|---|---|---|---:|---:|---|---:|"


class Folder:
    """A folder of results."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(parents=True, exist_ok=True)

    def has(self, stage: str) -> bool:
        """Whether the stage was run to its end."""
        return bool(self.read(stage).get("done"))

    def read(self, stage: str) -> Mapping[str, Any]:
        """The results of a stage; empty where there are none."""
        file = self._path / f"{stage}.json"
        found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return found

    def write(self, stage: str, results: Mapping[str, Any]) -> None:
        """Put the results of a stage in place at once, and the table of all anew."""
        self._replace(f"{stage}.json", json.dumps(results, indent=1, default=str))
        self._replace("table.md", self.table())

    def _replace(self, name: str, text: str) -> None:
        new = self._path / f"{name}.new"
        new.write_text(text, encoding="utf-8")
        os.replace(new, self._path / name)

    def path(self, name: str) -> Path:
        """A file in the folder."""
        return self._path / name

    def table(self) -> str:
        """The rows of the stages that measure, as docs/performance.md has them."""
        rows = [row for stage in ("layers", "steps") for row in self.read(stage).get("rows", ())]
        return "".join(f"{line}\n" for line in (_line(COLUMNS), RULE, *map(row_line, rows)))


def row_line(row: Mapping[str, Any]) -> str:
    """One row of the table. The ratio is PyTorch's best time over netspec's: above 1 netspec is ahead."""
    peers = {name: seconds for name, seconds in row["peers"].items() if seconds is not None}
    best = min(peers, key=lambda name: peers[name], default=None)
    ours = row["seconds"]
    theirs = None if best is None else peers[best]
    ratio = "" if theirs is None or not ours else f"{theirs / ours:.2f}"
    return _line(
        (row["what"], row["size"], row["precision"], _milliseconds(ours), _milliseconds(theirs), best or "", ratio)
    )


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e3:.3f}"


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
