"""A command loads no more than it needs: what only reads a spec must not wait for NumPy or a compiler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ARRAYS = {"numpy", "numba", "llvmlite", "cupy", "scipy", "sklearn", "PIL"}
"""What takes tenths of a second to import, and none of it is needed to read and check a spec."""

PARSERS = {"yaml", "jsonschema"}
"""What reads and checks a spec; it is not needed to say what the commands are."""

REPORT = """
import runpy, sys
sys.argv = ["netspec", *sys.argv[1:]]
status = 0
try:
    runpy.run_module("netspec", run_name="__main__")
except SystemExit as exit:
    status = exit.code or 0
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
sys.exit(status)
"""


def loaded_by(arguments: list[str], repository: Path) -> set[str]:
    """Run ``python -m netspec ARGUMENTS`` and return the top-level names of all modules loaded at its end."""
    run = subprocess.run(
        [sys.executable, "-c", REPORT, *arguments], cwd=repository, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return set(run.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_loads_nothing_but_the_command_line(option: str, repository: Path) -> None:
    loaded = loaded_by([option], repository)
    assert "netspec" in loaded
    assert loaded & (ARRAYS | PARSERS) == set()


def test_lint_loads_no_arrays(repository: Path) -> None:
    loaded = loaded_by(["lint", "specs/lenet5.yaml"], repository)
    assert "yaml" in loaded
    assert loaded & ARRAYS == set()


def test_import_netspec_loads_nothing(repository: Path) -> None:
    code = "import sys, netspec; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
    assert [name for name in loaded if name.startswith("netspec")] == ["netspec"]
    assert ARRAYS.isdisjoint(loaded)
