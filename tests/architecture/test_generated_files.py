"""The generator writes what is missing, leaves what is right, and its check finds drift."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def generate(repository: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location("generate", repository / "tools" / "generate.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


PAGES = {"docs/one.md": lambda: "one\n", "docs/two.md": lambda: "two\n"}


def test_committed_files_are_up_to_date(generate: ModuleType) -> None:
    assert generate.stale_files(generate.REPOSITORY, generate.GENERATED) == {}


def test_write_then_check(generate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.check(tmp_path, PAGES) == 1
    assert generate.write(tmp_path, PAGES) == 0
    assert (tmp_path / "docs" / "two.md").read_text() == "two\n"
    capsys.readouterr()
    assert generate.check(tmp_path, PAGES) == 0
    assert capsys.readouterr().out == "2 generated files are up to date\n"


def test_drift_is_shown(generate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate.write(tmp_path, PAGES)
    (tmp_path / "docs" / "two.md").write_text("tow\n")
    capsys.readouterr()
    assert generate.check(tmp_path, PAGES) == 1
    shown = capsys.readouterr().out
    assert "-tow\n+two" in shown
    assert shown.endswith("not up to date: docs/two.md; run: python tools/generate.py\n")
    assert "one.md" not in shown
