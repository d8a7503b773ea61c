"""The names that a program may import from ``netspec``."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import netspec

PUBLIC = ["InputError", "InputWarning", "Model", "NetspecError", "RunError", "Spec", "SpecError", "__version__", "load"]


def test_the_list_is_what_was_promised() -> None:
    assert netspec.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(netspec))


def test_a_type_checker_sees_what_a_program_gets() -> None:
    tree = ast.parse(Path(netspec.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    homes = {alias.name: node.module for node in imports for alias in node.names}
    assert {name: home for name, home in homes.items() if name in PUBLIC} == netspec._HOMES
    assert {*netspec._HOMES, "__version__"} == set(PUBLIC)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'netspec' has no attribute 'lode'"):
        _ = netspec.lode


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(netspec, name)
    assert value is getattr(netspec, name)
    assert name == "__version__" or value.__doc__
