"""What docs/api.md shows is run as it stands there, as one program."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "api.md"
EXAMPLES = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)


def test_every_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    program = ""
    for example in EXAMPLES.finditer(text):
        program += "\n" * (text.count("\n", 0, example.start(1)) - program.count("\n"))  # lines stay those of the page
        program += example.group(1)
    assert program.count("assert") > 20
    (tmp_path / "api_page.py").write_text(program, encoding="utf-8")
    runpy.run_path("api_page.py")
