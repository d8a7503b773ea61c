"""A server that the tests of this folder share, and a fresh one for those that change what it is told at its start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lsp_editor import Editor


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """An editor whose server must end well and must not have logged a word."""
    editor = Editor(tmp_path_factory.mktemp("project"))
    yield editor
    assert editor.stop() == 0
    assert editor.errors == ""
    assert editor.messages == []


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Editor]]:
    """Starts editors that end with the test."""
    started: list[Editor] = []

    def begin(*arguments: object) -> Editor:
        started.append(Editor(tmp_path, *arguments))  # type: ignore[arg-type]  # as the test gives them
        return started[-1]

    yield begin
    for editor in started:
        assert editor.stop() == 0
        assert editor.errors == ""
