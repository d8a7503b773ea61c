"""The contracts of pyproject.toml on who may import whom, and what the lowest floor may rest on."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

FLOOR_ZERO = ["netspec/diagnostics", "netspec/zoo.py", "netspec/__init__.py"]


def test_imports_point_down(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setattr(sys, "path", list(sys.path))  # import-linter adds the working directory to it
    status = lint_imports(no_cache=True, no_logo=True)
    assert status == 0, capsys.readouterr().out


def imported_packages(path: Path) -> set[str]:
    """Top-level names of all that a file imports, wherever in the file the import stands."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("place", FLOOR_ZERO)
def test_floor_zero_rests_on_the_standard_library(place: str, repository: Path) -> None:
    root = repository / place
    files = [root] if root.is_file() else sorted(root.rglob("*.py"))
    assert files
    for file in files:
        strangers = imported_packages(file) - sys.stdlib_module_names - {"netspec"}
        assert not strangers, f"{file.relative_to(repository)} imports {sorted(strangers)}"
