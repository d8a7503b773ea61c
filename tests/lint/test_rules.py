"""Every rule proves the two examples of its own manual page."""

from __future__ import annotations

import pytest
from rule_pages import example

from netspec.diagnostics.catalogue import lookup
from netspec.lint.engine import lint, load_rules
from netspec.lint.settings import Settings
from netspec.syntax.source import Source

RULES = load_rules(plugins=False)


def codes(text: str) -> list[str]:
    return [diagnostic.code for diagnostic in lint(Source("example.yaml", text))]


@pytest.mark.parametrize("code", RULES)
def test_the_failing_example_fails_for_this_reason_alone(code: str) -> None:
    assert codes(example(RULES[code].page, "Fails")) == [code]


@pytest.mark.parametrize("code", RULES)
def test_the_passing_example_passes(code: str) -> None:
    assert codes(example(RULES[code].page, "Passes")) == []


@pytest.mark.parametrize("code", RULES)
def test_the_page_says_what_and_why(code: str) -> None:
    what, why, *_ = RULES[code].page.split("\n\n")
    assert what.endswith(".")
    assert "\n" not in what
    assert why.endswith(".")
    assert lookup(code).title


@pytest.mark.parametrize("code", RULES)
def test_an_ignored_rule_does_not_run(code: str) -> None:
    text = example(RULES[code].page, "Fails")
    assert lint(Source("example.yaml", text), settings=Settings(ignore=(code,))) == []


@pytest.mark.parametrize("code", RULES)
def test_a_finding_points_into_the_file(code: str) -> None:
    text = example(RULES[code].page, "Fails")
    (found,) = lint(Source("example.yaml", text))
    lines = text.split("\n")
    assert lines[found.span.line - 1][found.span.column - 1 : found.span.end_column - 1].strip()
    assert found.message
    assert all(note.span.file == "example.yaml" and note.text for note in found.notes)
