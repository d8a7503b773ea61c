"""What expressions are worth: values, the unknown, kinds, bounds on magnitude."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netspec.diagnostics import Diagnostics, Span
from netspec.syntax.evaluation import FAILED, UNKNOWN, evaluate, nearest_multiple, whole_number
from netspec.syntax.expressions import parse_expression
from netspec.syntax.nodes import Mapping, Scalar
from netspec.syntax.source import Source
from netspec.syntax.tree import parse

ENVIRONMENT: dict[str, object] = {
    "width": 16,
    "rate": 0.5,
    "wide": True,
    "act": "relu",
    "sizes": [3, 3],
    "i": 0,
    "channels": UNKNOWN,
    "broken": FAILED,
    "huge": 10**16,
}


def scalar_of(text: str) -> Scalar:
    """The value of ``x`` in a spec of the one line ``x: TEXT``."""
    tree = parse(Source("f.yaml", f"x: {text}\n"), Diagnostics())
    assert tree is not None
    assert isinstance(tree.root, Mapping)
    value = tree.root.by_name["x"].value
    assert isinstance(value, Scalar)
    return value


def value_of(text: str) -> object:
    """The value of an expression without mistakes."""
    bag = Diagnostics()
    tree = parse_expression(scalar_of(text), bag)
    value = evaluate(tree, ENVIRONMENT, bag) if tree else FAILED
    assert not len(bag), [diagnostic.message for diagnostic in bag]
    return value


def mistakes_of(text: str) -> list[tuple[str, int, int, str, str | None]]:
    """Code, first and end column of the place, message and help of each mistake."""
    bag = Diagnostics()
    tree = parse_expression(scalar_of(text), bag)
    if tree:
        assert evaluate(tree, ENVIRONMENT, bag) is FAILED
    return [(one.code, one.span.column, one.span.end_column, one.message, one.help_text) for one in bag]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$width", 16),
        ("$act", "relu"),
        ("$sizes", [3, 3]),
        ("$huge", 10**16),
        ("$(act)", "relu"),
        ("$(2 * width)", 32),
        ("$(1 + 2 * 3)", 7),
        ("$((1 + 2) * 3)", 9),
        ("$(7 - 2 - 1)", 4),
        ("$(2 ** 3 ** 2)", 512),
        ("$(-2 ** 2)", -4),
        ("$(2 ** -1)", 0.5),
        ("$(- -3)", 3),
        ("$(+3)", 3),
        ("$(6 / 2)", 3.0),
        ("$(7 // 2)", 3),
        ("$(-7 // 2)", -4),
        ("$(-7 % 3)", 2),
        ("$(7.5 // 2)", 3.0),
        ("$(1e3)", 1000.0),
        ("$(.5 + 2.)", 2.5),
        ("$(012)", 12),
        ("$(0 ** 0)", 1),
        ("$(1 < 2 < 3)", True),
        ("$(1 < 2 > 3)", False),
        ("$(1 == 1.0)", True),
        ("$(true == 1)", False),
        ("$(true != 1)", True),
        ("$(act == act)", True),
        ("$(sizes == 3)", False),
        ("$(not wide or width != 16)", False),
        ("$(not width == 16)", False),
        ("$(true and false or true)", True),
        ("$(2 if i == 0 else 1)", 2),
        ("$(1 if false else 2 if false else 3)", 3),
        ("$(1 + 1 if wide else 0)", 2),
        ("$(min(3, 1, 2))", 1),
        ("$(max(3, 4.5))", 4.5),
        ("$(floor(-1.5))", -2),
        ("$(ceil(1.2))", 2),
        ("$(abs(-3))", 3),
        ("$(round(2.5))", 3),
        ("$(round(-2.5))", -2),
        ("$(round(0.49999999999999994))", 0),
        ("$(multiple(3 * width, 32))", 64),
        ("'$(min(1, 2))'", 1),
        ('"$(width)  "', 16),
        ("$(10 ** 15)", 10**15),
        ("$(2 ** 0.5 > 1.41)", True),
        ("$(false and act == 1)", False),
    ],
)
def test_values(text: str, value: object) -> None:
    result = value_of(text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("number", "divisor", "expected"),
    [
        # Channel counts of MobileNetV2 at width 0.35, 0.75 and 1.4.
        (16 * 0.35, 8, 8),
        (24 * 0.35, 8, 8),
        (32 * 0.35, 8, 16),
        (64 * 0.35, 8, 24),
        (96 * 0.35, 8, 32),
        (24 * 0.75, 8, 24),
        (1280 * 1.4, 8, 1792),
        (1, 8, 8),
        (-5, 8, 8),
        (11, 8, 16),
        (12, 8, 16),
        (100, 1, 100),
    ],
)
def test_nearest_multiple_is_the_rule_of_mobilenet(number: float, divisor: int, expected: int) -> None:
    assert nearest_multiple(number, divisor) == expected


@given(st.floats(0, 1e6), st.integers(1, 512))
@settings(max_examples=50, derandomize=True, deadline=None)
def test_nearest_multiple_keeps_its_promises(number: float, divisor: int) -> None:
    result = nearest_multiple(number, divisor)
    assert result % divisor == 0
    assert result >= divisor
    assert result >= 0.9 * number


@pytest.mark.parametrize(
    "text",
    [
        "$channels",
        "$(channels // 2)",
        "$(i if channels == 3 else 1)",
        "$(1 < channels)",
        "$(not (channels == 1))",
        "$(wide and channels == 1)",
        "$(channels == 1 or false)",
        "$(min(1, channels))",
        "$(-channels)",
        "$(1 if channels == 2 else 3)",
    ],
)
def test_what_rests_on_the_unknown_is_unknown_and_silent(text: str) -> None:
    assert value_of(text) is UNKNOWN


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$(false and channels == 1)", False),
        ("$(channels == 1 and false)", False),
        ("$(true or channels == 1)", True),
        ("$(channels == 1 or true)", True),
        ("$(channels < 3 > 4)", False),
        ("$(1 if true else channels)", 1),
    ],
)
def test_what_is_decided_without_the_unknown_is_known(text: str, value: object) -> None:
    assert value_of(text) == value


def test_what_rests_on_a_mistake_is_silent() -> None:
    assert mistakes_of("$broken") == []
    assert mistakes_of("$(2 * broken + nonsense)") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$widht", ("NS107", 5, 10, "did you mean 'width'?")),
        ("$(2 * widht)", ("NS107", 10, 15, "did you mean 'width'?")),
        ("'$(2 * widht)'", ("NS107", 11, 16, "did you mean 'width'?")),
        ('"$(2 * widht)"', ("NS107", 11, 16, "did you mean 'width'?")),
        ("$(1 if wide else widht)", ("NS107", 21, 26, "did you mean 'width'?")),
        ("$(True)", ("NS107", 6, 10, "did you mean 'true'?")),
        ("$(2 * min)", ("NS107", 10, 13, "'min' is a function: write min(...)")),
    ],
)
def test_unknown_names(text: str, expected: tuple[str, int, int, str]) -> None:
    [(code, start, end, _, help_text)] = mistakes_of(text)
    assert (code, start, end, help_text) == expected


def test_every_unknown_name_is_reported() -> None:
    assert [mistake[1] for mistake in mistakes_of("$(aa + bb if cc else aa)")] == [6, 11, 17, 25]


@pytest.mark.parametrize(
    ("text", "place", "message", "help_text"),
    [
        ("$(1 + act)", (10, 13), "'+' wants numbers, but 'act' is 'relu'", None),
        ("$(1 + true)", (10, 14), "'+' wants numbers, but got true", None),
        ("$(act < 3)", (6, 9), "'<' wants numbers, but 'act' is 'relu'", None),
        ("$(-sizes)", (7, 12), "'-' wants numbers, but 'sizes' is a list", None),
        ("$(not i)", (10, 11), "'not' wants true or false, but 'i' is the number 0", "compare it: i != 0"),
        ("$(1 if i else 2)", (11, 12), "'if' wants true or false, but 'i' is the number 0", "compare it: i != 0"),
        ("$(wide and act)", (15, 18), "'and' wants true or false, but 'act' is 'relu'", None),
        ("$(multiple(9, 0))", (18, 19), "'multiple' wants a whole number of at least 1, but got the number 0", None),
        (
            "$(multiple(9, i + 2.5))",
            (18, 25),
            "'multiple' wants a whole number of at least 1, but 'i + 2.5' is the number 2.5",
            None,
        ),
    ],
)
def test_values_of_the_wrong_kind(text: str, place: tuple[int, int], message: str, help_text: str | None) -> None:
    assert mistakes_of(text) == [("NS108", *place, message, help_text)]


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("$(1 / 0)", (6, 11), "nothing can be divided by 0"),
        ("$(1 % (i * 2))", (6, 17), "'(i * 2)' is 0, and nothing can be divided by 0"),
        ("$(0 ** -1)", (6, 13), "a negative power of 0 divides by 0"),
        ("$((-8) ** 0.5)", (6, 17), "a negative number has no power that is not whole"),
    ],
)
def test_expressions_without_a_value(text: str, place: tuple[int, int], problem: str) -> None:
    assert mistakes_of(text) == [("NS116", *place, f"the expression has no value: {problem}", None)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("$(9**9**9)", (6, 13)),
        ("$(10 ** 10 ** 10)", (6, 20)),
        ("$(10.0 ** 400)", (6, 17)),
        ("$(1e308 * 10)", (6, 16)),
        ("$(1000000000000000 + 1)", (6, 26)),
        ("$(1000000000000001)", (6, 22)),
        ("$(1e999)", (6, 11)),
        ("$(huge - 1)", (6, 10)),
        ("$(floor(1e300))", (6, 18)),
        ("$((0 - 3) ** 99999999)", (6, 25)),
    ],
)
def test_magnitudes_are_bounded_before_anything_is_computed(text: str, place: tuple[int, int]) -> None:
    start = time.perf_counter()
    assert [mistake[:3] for mistake in mistakes_of(text)] == [("NS110", *place)]
    # 9**9**9 has 370 million digits: to compute it takes minutes, to refuse it microseconds.
    assert time.perf_counter() - start < 5


def test_a_long_sum_within_the_bounds() -> None:
    assert value_of("$(" + " + ".join(["1"] * 100) + ")") == 100


def test_whole_number() -> None:
    assert whole_number(3) == 3
    assert whole_number(3.0) == 3
    assert isinstance(whole_number(3.0), int)
    for value in (3.5, float("inf"), float("nan"), True, "3", None):
        assert whole_number(value) is None


WORDS = (
    "and",
    "or",
    "not",
    "if",
    "else",
    "true",
    "false",
    "min(",
    "max(",
    "round(",
    "multiple(",
    "width",
    "wide",
    "act",
)
SIGNS = ("(", ")", "+", "-", "*", "/", "//", "%", "**", "==", "<", ">=", ",", "&", "=", ".", "²", "é")
TOKENS = st.sampled_from((*WORDS, *SIGNS, "1", "2", "0", "8", "0.5", "1e9", "rate", "channels", "x"))


@given(st.lists(TOKENS, max_size=25).map(" ".join))
@example("9 ** 9 ** 9 ** 9")
@settings(max_examples=300, derandomize=True, deadline=None)
def test_any_expression_ends_with_a_value_or_a_diagnostic(body: str) -> None:
    text = f"$({body})"
    bag = Diagnostics()
    tree = parse_expression(Scalar(text, Span("f", 1, 1, 1, len(text) + 1), text, "plain"), bag)
    value = evaluate(tree, ENVIRONMENT, bag) if tree else FAILED
    assert (value is FAILED) == (len(bag) > 0)
    for diagnostic in bag:
        assert diagnostic.message
        assert 1 <= diagnostic.span.column <= diagnostic.span.end_column <= len(text) + 1


INTEGERS = st.integers(-9, 9).map(lambda number: f"({number})")
ARITHMETIC = st.recursive(
    INTEGERS,
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%"]), inner).map(
        lambda p: f"({' '.join(p)})"
    ),
    max_leaves=8,
)


@given(ARITHMETIC)
@settings(max_examples=100, derandomize=True, deadline=None)
def test_arithmetic_agrees_with_python(body: str) -> None:
    text = f"$({body})"
    bag = Diagnostics()
    tree = parse_expression(Scalar(text, Span("f", 1, 1, 1, len(text) + 1), text, "plain"), bag)
    assert tree is not None
    try:
        expected = eval(body)  # noqa: S307  # of digits and operators only, see above
    except ZeroDivisionError:
        expected = FAILED
    assert evaluate(tree, {}, bag) == expected
