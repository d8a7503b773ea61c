"""Broken specs of the zoo, 500 in every run, 20,000 in the long one: always an answer, soon, in little space."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from netspec.lint.engine import lint
from netspec.syntax.source import Source

PROGRAM = Path(__file__).with_name("mutants.py")


def what_came_of(first: int, last: int) -> dict[str, object]:
    """The report of a process of its own, whose memory is that of the mutants alone."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(first), str(last)], capture_output=True, text=True, check=True
    )
    report: dict[str, object] = json.loads(done.stdout)
    return report


@pytest.mark.slow
def test_five_hundred_mutants() -> None:
    report = what_came_of(0, 500)
    assert report["failures"] == []
    codes = report["codes"]
    assert isinstance(codes, list)
    assert len(codes) > 40  # what is broken is of many kinds


@pytest.mark.long
@pytest.mark.parametrize("first", range(500, 20_000, 500))
def test_twenty_thousand_mutants(first: int) -> None:
    assert what_came_of(first, first + 500)["failures"] == []


def test_an_unknown_total_of_the_heads_that_are_left_out_after_training() -> None:
    text = "netspec: 1\ninput: [4]\nlayers: [{dense: 3}]\nexpect: {train_only: {dense: 3}}\n"
    assert [(d.code, d.span.line) for d in lint(Source("s.yaml", text)) if d.severity == "error"] == [("NS101", 4)]
