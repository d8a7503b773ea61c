"""What a person gets to read: the report on each spec of ``cases/``, word by word as it stands beside it.

After a change that is meant, ``python tests/lint_cases/test_cases.py`` writes the reports anew; read them before they
are committed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.diagnostics.render import count_line, render_text
from netspec.lint.engine import lint
from netspec.syntax.source import Source

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


def report(path: Path) -> str:
    """What ``netspec lint`` prints."""
    source = Source(path.name, path.read_text(encoding="utf-8"))
    found = lint(source)
    return f"{render_text(found, {source.name: source.text}, color=False)}\n{count_line(found)}\n"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_report_is_as_it_stands(path: Path) -> None:
    assert report(path) == path.with_suffix(".txt").read_text(encoding="utf-8")


if __name__ == "__main__":
    for case in CASES:
        case.with_suffix(".txt").write_text(report(case), encoding="utf-8")
