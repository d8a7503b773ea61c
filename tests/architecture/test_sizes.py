"""Files and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

# The rule says about 400 lines a file, about 40 a function and 120 a kernel. These are the lines at which
# "about" is used up.
FILE = 450
FUNCTION = 60
KERNEL = 130


def sources(repository: Path) -> Iterator[Path]:
    for folder in ("netspec", "backends", "tools"):
        yield from sorted((repository / folder).rglob("*.py"))


def test_no_file_is_too_long(repository: Path) -> None:
    lengths = {
        str(path.relative_to(repository)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources(repository)
    }
    assert lengths
    assert {path: length for path, length in lengths.items() if length > FILE} == {}


def test_no_function_is_too_long(repository: Path) -> None:
    too_long = {}
    for path in sources(repository):
        limit = KERNEL if "kernels" in path.parts else FUNCTION
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > limit:
                    too_long[f"{path.relative_to(repository)}:{node.lineno} {node.name}"] = length
    assert too_long == {}
