"""What holds for every spec that ships, besides its figures: clean, short, and no rule ignored without a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netspec.lint.engine import lint
from netspec.syntax.source import Source, read_source
from netspec.zoo import zoo_path

SPECS = zoo_path("lenet5").parent
FILES = sorted(SPECS.rglob("*.yaml"))
IGNORE = re.compile(r"# netspec: ignore\[(NS\d{3})\] ?(.*)")
LENGTH_LIMIT = 145

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SPECS)))


@every_file
def test_lints_clean(path: Path) -> None:
    source = read_source(path)
    assert isinstance(source, Source)
    assert [str(found) for found in lint(source) if found.severity != "info"] == []


@every_file
def test_what_is_ignored_has_a_reason(path: Path) -> None:
    marks = re.findall(r"netspec: ignore.*", path.read_text(encoding="utf-8"))
    reasons = [IGNORE.search(f"# {mark}") for mark in marks]
    assert all(reason is not None and len(reason[2]) > 20 for reason in reasons)


@every_file
def test_can_be_read_at_one_sitting(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LENGTH_LIMIT
    assert max(map(len, lines)) <= 150
