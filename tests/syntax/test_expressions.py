"""Expressions: what is one, what cannot be read, and where a mistake is said to be."""

from __future__ import annotations

import pytest

from netspec.diagnostics import Diagnostics, Span
from netspec.diagnostics.render import render_text
from netspec.syntax.evaluation import FAILED, evaluate
from netspec.syntax.expressions import is_expression, parse_expression, plain_text
from netspec.syntax.nodes import Mapping, Scalar
from netspec.syntax.source import Source
from netspec.syntax.tree import parse


def scalar_of(text: str) -> Scalar:
    """The value of ``x`` in a spec of the one line ``x: TEXT``."""
    tree = parse(Source("f.yaml", f"x: {text}\n"), Diagnostics())
    assert tree is not None
    assert isinstance(tree.root, Mapping)
    value = tree.root.by_name["x"].value
    assert isinstance(value, Scalar)
    return value


def mistakes_of(text: str) -> list[tuple[str, int, int, str, str | None]]:
    """Code, first and end column of the place, message and help of what an expression cannot be read for."""
    bag = Diagnostics()
    assert parse_expression(scalar_of(text), bag) is None
    return [(one.code, one.span.column, one.span.end_column, one.message, one.help_text) for one in bag]


def test_what_is_an_expression() -> None:
    assert is_expression(scalar_of("$x"))
    assert is_expression(scalar_of("'$(1)'"))
    assert not is_expression(scalar_of("$$x"))
    assert not is_expression(scalar_of("x$"))
    assert not is_expression(scalar_of("5"))
    assert plain_text("$$x") == "$x"
    assert plain_text("x$$") == "x$$"


@pytest.mark.parametrize(
    ("text", "place", "problem", "help_text"),
    [
        ("$", (4, 5), "nothing follows the '$'", "a plain dollar is written $$"),
        ("$5", (5, 6), "what is more than a name stands in parentheses", "write $(5), or $$ for a plain dollar"),
        (
            "$width * 2",
            (5, 14),
            "what is more than a name stands in parentheses",
            "write $(width * 2), or $$ for a plain dollar",
        ),
        (
            "$min(1)",
            (5, 11),
            "what is more than a name stands in parentheses",
            "write $(min(1)), or $$ for a plain dollar",
        ),
        ("${width}", (5, 12), "a name stands in no braces", "write $width"),
        ("$true", (5, 9), "'true' is a word of the language", "write $(true)"),
        ("$()", (6, 7), "a value is wanted here, not ')'", None),
        ("$(1 +)", (9, 10), "a value is wanted here, not ')'", None),
        ("$(1", (7, 7), "')' is missing", None),
        ("$(1 2)", (8, 9), "an operator or ')' is wanted here, not '2'", None),
        ("$(1, 2)", (7, 8), "an operator or ')' is wanted here, not ','", None),
        (
            "$(1) + 2",
            (9, 12),
            "something stands behind the closing ')'",
            "an expression is the whole value: write one $(...) around all of it",
        ),
        ("$(3x)", (6, 8), "'3x' is neither number nor name", "write 3 * x"),
        ("$(wide && wide)", (11, 13), "there is no '&&'", "write 'and'"),
        ("$(width = 3)", (12, 13), "there is no '='", "write '=='"),
        ("$(2 ^ 3)", (8, 9), "there is no '^'", "write '**'"),
        ("$(!wide)", (6, 7), "there is no '!'", "write 'not'"),
        ("$(width.x)", (11, 12), "'.' means nothing here", None),
        (
            "$(width[0])",
            (11, 12),
            "'[' means nothing here",
            "an expression takes nothing out of a list: give what you need a name of its own under 'vars'",
        ),
        ("$(1 + not wide)", (10, 13), "a value is wanted here, not 'not'", "put it in parentheses: (not ...)"),
        ("$(1 if wide)", (15, 16), "'else' is missing: a if condition else b", None),
        (
            "$(sqrt(4))",
            (6, 10),
            "there is no function 'sqrt'",
            "known: min, max, floor, ceil, abs, round, multiple",
        ),
        ("$(min(1))", (6, 12), "'min' takes 2 values or more, but 1 given", None),
        ("$(abs())", (6, 11), "'abs' takes 1 value, but 0 given", None),
        ("$(round(1, 2))", (6, 17), "'round' takes 1 value, but 2 given", None),
        ("$(min(1, ))", (13, 14), "a value is wanted here, not ')'", None),
    ],
)
def test_what_cannot_be_read(text: str, place: tuple[int, int], problem: str, help_text: str | None) -> None:
    assert mistakes_of(text) == [("NS106", *place, f"cannot read the expression: {problem}", help_text)]


@pytest.mark.parametrize(
    "body",
    [
        "1" + " + 1" * 200,
        "(" * 200 + "1" + ")" * 200,
        "-" * 200 + "1",
        "not " * 200 + "true",
        "2" + " ** 1" * 180,
        "1 if true else " * 60 + "1" + "+(" * 60 + "1" + ")" * 60,
        "abs(" * 180 + "1" + ")" * 180,
        "1" + "+ 1" * 400,
    ],
)
def test_depth_and_length_are_bounded(body: str) -> None:
    assert [mistake[0] for mistake in mistakes_of(f"$({body})")] == ["NS110"]


def test_names() -> None:
    tree = parse_expression(scalar_of("$(b + a * min(b, c) if true else d)"), Diagnostics())
    assert tree is not None
    assert tree.names == ("b", "a", "c", "d")


@pytest.mark.parametrize("text", ["'$(''x)'", '"$(1 +\\tx)"', "$(1 +\n  x)"])
def test_where_escapes_or_line_ends_move_the_columns_the_whole_value_is_marked(text: str) -> None:
    scalar, bag = scalar_of(text), Diagnostics()
    tree = parse_expression(scalar, bag)
    if tree:
        assert evaluate(tree, {}, bag) is FAILED
    assert [diagnostic.span for diagnostic in bag] == [scalar.span]


def test_an_alias_is_marked_where_it_is_used() -> None:
    bag = Diagnostics()
    tree = parse(Source("f.yaml", "a: &a $(nonsense)\nb: *a\n"), bag)
    assert tree is not None
    assert isinstance(tree.root, Mapping)
    scalar = tree.root.by_name["b"].value
    assert isinstance(scalar, Scalar)
    expression = parse_expression(scalar, bag)
    assert expression is not None
    evaluate(expression, {}, bag)
    assert [diagnostic.span for diagnostic in bag] == [Span("f.yaml", 2, 4, 2, 6)]


def test_a_mistake_is_shown_at_its_column() -> None:
    text, bag = "x: '$(2 * widht)'\n", Diagnostics()
    expression = parse_expression(scalar_of("'$(2 * widht)'"), bag)
    assert expression is not None
    evaluate(expression, {"width": 3}, bag)
    assert render_text(bag, {"f.yaml": text}) == (
        "f.yaml:1:11: error[NS107] the expression uses 'widht', which is not known here\n"
        "  |\n"
        "1 | x: '$(2 * widht)'\n"
        "  |           ^^^^^\n"
        "  help: did you mean 'width'?\n"
    )
