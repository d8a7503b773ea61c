"""The language is proved by networks that do not ship: each is said in YAML alone, from its paper, and comes out exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.lint.engine import lint
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source

FILES = sorted((Path(__file__).resolve().parent / "language").glob("*.yaml"))
LINES = 140

every_network = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def read(path: Path) -> Source:
    source = read_source(path)
    assert isinstance(source, Source)
    return source


@every_network
def test_it_is_as_published(path: Path) -> None:
    """Its ``expect:`` holds the figures; whence they are stands in its first lines."""
    text = path.read_text(encoding="utf-8")
    assert "Figure" in text.partition("netspec: 1")[0]
    assert [str(found) for found in lint(read(path)) if found.severity != "info"] == []
    assert len(text.splitlines()) <= LINES


@every_network
def test_its_figures_leave_no_room(path: Path) -> None:
    """Parameters to the last one, or every shape of the paper; sums of MACs as closely as they are published."""
    said = load_spec(read(path)).expectations
    exact = {e.subject for e in said if e.kind == "total" and e.minimum == e.maximum}
    shapes = [e for e in said if e.kind == "shape"]
    assert exact & {"params", "params_trained"} or len(shapes) >= 10
    for each in said:
        if each.kind == "total" and each.minimum is not None and each.maximum is not None:
            assert each.maximum - each.minimum <= 0.01 * each.maximum
