"""Running the program inside of the test's own process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from netspec.cli.main import main
from netspec.lint import configuration


class Result(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


@pytest.fixture
def netspec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """``netspec("lint", path)``: run the program in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["netspec", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        status = ended.value.code
        assert status is None or isinstance(status, int)
        return Result(status or 0, *capsys.readouterr())

    return run


CLEAN = """\
netspec: 1
name: tiny
vars: {classes: 3}
input: [8, 8, 1]
layers:
  - conv: {filters: 4, kernel: 3}
  - relu
  - flatten
  - dense: $classes
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write(text, name)``: a file in that folder; without a text, a clean spec."""

    def writing(text: str = CLEAN, name: str = "spec.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return writing


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """``stdin(text)``: what the next command reads there."""

    def giving(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    return giving


@pytest.fixture(autouse=True)
def _fresh_settings() -> None:
    """What was read of other folders' settings is forgotten: here a file comes and goes within one process."""
    configuration._in_folder.cache_clear()
