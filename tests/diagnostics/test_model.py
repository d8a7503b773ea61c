"""Spans, the bag of diagnostics, the exceptions, and the text helpers below them."""

from __future__ import annotations

import pickle

import pytest

from netspec.diagnostics import Diagnostic, Diagnostics, NetspecError, RunError, Span, SpecError
from netspec.diagnostics.text import cells, escape, line_starts, split_lines


def found(line: int, column: int = 1, message: str = "no", file: str = "f.yaml", code: str = "NS200") -> Diagnostic:
    return Diagnostic(code, Span(file, line, column, line, column + 1), {"message": message, "problem": message})


def test_span_until() -> None:
    assert Span("f", 1, 2, 1, 5).until(Span("f", 3, 1, 3, 4)) == Span("f", 1, 2, 3, 4)
    assert Span.of_file("f") == Span("f", 1, 1, 1, 1)


def test_the_bag_sorts_by_place_and_keeps_each_once() -> None:
    bag = Diagnostics([found(10), found(2, 5)])
    bag.append(found(2, 3))
    bag.extend([found(2, 5), found(2, 5, "other"), found(1, file="a.yaml"), found(2, 5, code="NS001")])
    assert [(one.span.file, one.span.line, one.span.column, one.message) for one in bag] == [
        ("a.yaml", 1, 1, "no"),
        ("f.yaml", 2, 3, "no"),
        ("f.yaml", 2, 5, "this is not valid YAML: no"),
        ("f.yaml", 2, 5, "no"),
        ("f.yaml", 2, 5, "other"),
        ("f.yaml", 10, 1, "no"),
    ]
    assert tuple(bag) == bag.sorted()
    assert len(bag) == 7


def test_of_two_alike_the_first_is_kept() -> None:
    first, second = found(1), Diagnostic("NS200", Span("f.yaml", 1, 1, 1, 2), {"message": "no"}, help="more")
    assert Diagnostics([first, second]).sorted() == (first,)


def test_has_errors() -> None:
    warning = Diagnostic("NS302", Span.of_file("f"), {"first": "a", "second": "b"})
    assert not Diagnostics().has_errors
    assert not Diagnostics([warning]).has_errors
    assert Diagnostics([warning, found(1)]).has_errors


def test_a_refusal_shows_its_diagnostics() -> None:
    error = SpecError([found(2), found(1)])
    assert isinstance(error, NetspecError)
    assert [one.span.line for one in error.diagnostics] == [1, 2]
    assert str(error) == "f.yaml:1:1: error[NS200] no\nf.yaml:2:1: error[NS200] no\n"
    assert str(SpecError([found(2)], {"f.yaml": "a\nb\n"})) == "f.yaml:2:1: error[NS200] no\n  |\n2 | b\n  | ^\n"


def test_a_failed_run() -> None:
    error = RunError("the disk is full", found(1))
    assert isinstance(error, NetspecError)
    assert str(error) == "the disk is full"
    assert error.diagnostic == found(1)
    assert RunError("stopped").diagnostic is None


@pytest.mark.parametrize("error", [SpecError([found(1)], {"f.yaml": "a"}), RunError("stopped", found(1))])
def test_exceptions_cross_process_borders(error: NetspecError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)


def test_diagnostics_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        found(1).code = "NS001"  # type: ignore[misc]  # that it is refused is what is tested


@pytest.mark.parametrize(
    "text", ["", "a", "a\n", "a\nb", "a\r\nb\r\n", "a\rb", "\r\n\n\r", "a\u2028b\x85c\nd", "é\r\n日"]
)
def test_line_starts_agree_with_the_lines(text: str) -> None:
    starts, lines = line_starts(text), split_lines(text)
    assert len(starts) == len(lines)
    assert [text[start : start + len(line)] for start, line in zip(starts, lines, strict=True)] == lines


def test_escape() -> None:
    assert escape("naïve 日本 ✓") == "naïve 日本 ✓"
    assert escape("\n\r\t\x00\x9b\u200b\U000e0001") == "\\n\\r\\t\\x00\\x9b\\u200b\\U000e0001"
    assert escape("\ud800") == "\\ud800"


def test_cells() -> None:
    assert cells("abc") == 3
    assert cells("日本") == 4
    assert cells("e\u0301x") == 2
