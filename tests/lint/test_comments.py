"""Comments that ignore findings, and what is said of those that ignore nothing."""

from __future__ import annotations

import pytest

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import lint
from netspec.lint.fixes import apply
from netspec.lint.settings import Settings
from netspec.syntax.source import Source

HEAD = "netspec: 1\ninput: [8, 8, 3]\nlayers:\n"


def findings(layers: str, settings: Settings = Settings()) -> list[Diagnostic]:  # noqa: B008  # it cannot change
    return lint(Source("spec.yaml", HEAD + layers), settings=settings)


def codes(layers: str) -> list[str]:
    return [diagnostic.code for diagnostic in findings(layers)]


@pytest.mark.parametrize(
    "layers",
    [
        "  - relu\n  - relu  # netspec: ignore[NS302]\n",
        "  - relu\n  - relu  # as published  # netspec: ignore[NS302] the paper has two\n",
        "  - relu\n  # netspec: ignore[NS302]\n  - relu\n",
        "  - relu\n  # netspec: ignore[NS302]\n\n  # why: the paper has two\n  - relu\n",
        "  - relu\n  - relu  #netspec:ignore[ NS302 ]\n",
        "  - relu\n  - relu  # netspec: ignore[NS3]\n",
    ],
)
def test_a_comment_takes_the_findings_of_its_line(layers: str) -> None:
    assert codes(layers) == []


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        ("  - relu  # netspec: ignore[NS302]\n  - relu\n", ["NS129", "NS302"]),
        ("  - relu\n  - relu  # netspec: ignore[NS301]\n", ["NS302", "NS129"]),
        ("  - relu\n  - relu  # netspec: ignore\n", ["NS302", "NS129"]),
        ("  - relu\n  - relu:\n    name: 'a # netspec: ignore[NS302]'\n", ["NS302", "NS102"]),
        ("  - relu\n  - relu  # netspec: ignores[NS302]\n", ["NS302"]),
    ],
)
def test_a_comment_that_takes_nothing(layers: str, found: list[str]) -> None:
    assert codes(layers) == found


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("ignore", "this comment names no code"),
        ("ignore[]", "this comment names no code"),
        ("ignore[NS30x]", "this comment ignores NS30x, which is no code"),
        ("ignore[NS303]", "this comment ignores NS303, but nothing of the kind is found here"),
        ("ignore[NS302, NS303]", "this comment ignores NS303, but nothing of the kind is found here"),
    ],
)
def test_what_is_said_of_it(comment: str, message: str) -> None:
    found = findings(f"  - relu\n  - relu  # netspec: {comment}\n")
    (unused,) = [diagnostic for diagnostic in found if diagnostic.code == "NS129"]
    assert unused.message == message
    assert unused.severity == "warning"


@pytest.mark.parametrize(
    ("layers", "mended"),
    [
        ("  - relu  # netspec: ignore[NS302] why\n", "  - relu\n"),
        ("  # netspec: ignore[NS302]\n  - relu\n", "  - relu\n"),
        ("  - relu\n  - relu  # netspec: ignore[NS301, NS302]\n", "  - relu\n  - relu  # netspec: ignore[NS302]\n"),
    ],
)
def test_the_fix_takes_away_what_is_unused(layers: str, mended: str) -> None:
    fixes = [d.fix for d in findings(layers) if d.fix is not None]
    assert apply(HEAD + layers, fixes) == (HEAD + mended, 1)


def test_after_a_mistake_no_comment_is_called_unused() -> None:
    assert codes("  - rleu\n  - relu  # netspec: ignore[NS302]\n") == ["NS104"]


def test_a_rule_that_does_not_run_makes_no_comment_unused() -> None:
    layers = "  - relu\n  - tanh  # netspec: ignore[NS302]\n"
    assert findings(layers, Settings(ignore=("NS302",))) == []
    assert findings(layers, Settings(select=("NS2", "NS129"))) == []
    assert findings("  - relu  # netspec: ignore[NS302]\n", Settings(ignore=("NS129",))) == []
