"""``netspec draw``: formats, files, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

Netspec = Callable[..., Any]
Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.svg", "<svg "), ("a.SVG", "<svg "), ("a.mmd", "flowchart TB\n"), ("a.dot", "digraph "), ("a.gv", "digraph ")],
)
def test_the_ending_says_the_format(netspec: Netspec, write: Write, name: str, start: str) -> None:
    assert netspec("draw", write(), "-o", name) == (0, "", f"wrote {name}\n")
    assert Path(name).read_text(encoding="utf-8").startswith(start)


def test_stdout(netspec: Netspec, write: Write) -> None:
    status, out, err = netspec("draw", write())
    assert (status, err) == (0, "")
    ElementTree.fromstring(out)
    assert netspec("draw", write(), "--format", "dot").out.startswith('digraph "tiny" {')


def test_the_format_outdoes_the_ending(netspec: Netspec, write: Write) -> None:
    netspec("draw", write(), "-o", "picture.txt", "--format", "mermaid")
    assert Path("picture.txt").read_text(encoding="utf-8").startswith("flowchart")


def test_an_ending_that_says_nothing(netspec: Netspec, write: Write) -> None:
    status, out, err = netspec("draw", write(), "-o", "picture.png")
    assert (status, out) == (2, "")
    assert "'picture.png' does not say its format: end it in .svg, .mmd, .mermaid, .dot, .gv, or give --format" in err


def test_a_file_that_cannot_be_written(netspec: Netspec, write: Write) -> None:
    result = netspec("draw", write(), "-o", "no/such/folder.svg")
    assert result.status == 2
    assert "cannot be written: No such file or directory" in result.err


def test_every_layer_for_itself(netspec: Netspec, write: Write) -> None:
    folded, apart = (netspec("draw", write(), "--format", "mermaid", f).out for f in ("--fold", "--no-fold"))
    assert "relu<br/>" in folded
    assert "n2[" in apart
    assert folded.count("-->") + 1 == apart.count("-->")
