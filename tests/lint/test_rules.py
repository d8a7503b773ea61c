"""Every rule proves the two examples of its own manual page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rule_pages import example, settings

from netspec.diagnostics import Diagnostic
from netspec.diagnostics.catalogue import lookup
from netspec.lint import engine
from netspec.lint.engine import Facts, lint, load_rules
from netspec.lint.settings import Settings
from netspec.syntax.source import Source

RULES = load_rules(plugins=False)


def findings(code: str, head: str, folder: Path, ignore: tuple[str, ...] = ()) -> list[Diagnostic]:
    page = RULES[code].page
    chosen = Settings(ignore=ignore).over(settings(page, folder))
    return lint(Source("example.yaml", example(page, head)), settings=chosen)


@pytest.mark.parametrize("code", RULES)
def test_the_failing_example_fails_for_this_reason_alone(code: str, tmp_path: Path) -> None:
    assert [found.code for found in findings(code, "Fails", tmp_path)] == [code]


@pytest.mark.parametrize("code", RULES)
def test_the_passing_example_passes(code: str, tmp_path: Path) -> None:
    assert [found.code for found in findings(code, "Passes", tmp_path)] == []


@pytest.mark.parametrize("code", RULES)
def test_the_page_says_what_and_why(code: str) -> None:
    what, why, *_ = RULES[code].page.split("\n\n")
    assert what.endswith(".")
    assert "\n" not in what
    assert why.endswith(".")
    assert lookup(code).title


@pytest.mark.parametrize("code", RULES)
def test_an_ignored_rule_does_not_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def check(facts: Facts) -> Iterator[Diagnostic]:
        ran.append(code)
        return RULES[code].check(facts)  # type: ignore[return-value]  # a generator, as every rule's

    check.__module__ = RULES[code].check.__module__
    monkeypatch.setitem(engine.RULES, code, RULES[code]._replace(check=check))
    assert findings(code, "Fails", tmp_path, (code,)) == []
    assert ran == []
    assert len(findings(code, "Fails", tmp_path)) == 1
    assert set(ran) == {code}  # more than once where an input is looked at as it may be meant


@pytest.mark.parametrize("code", RULES)
def test_a_finding_points_into_the_file(code: str, tmp_path: Path) -> None:
    (found,) = findings(code, "Fails", tmp_path)
    lines = example(RULES[code].page, "Fails").split("\n")
    assert lines[found.span.line - 1][found.span.column - 1 : found.span.end_column - 1].strip()
    assert found.message
    assert all(note.span.file == "example.yaml" and note.text for note in found.notes)
