"""The YAML 1.2 core schema."""

from __future__ import annotations

import math

import pytest

from netspec.syntax.scalars import describe, resolve_plain, resolve_tagged


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, None) for text in ("", "~", "null", "Null", "NULL")),
        *((text, True) for text in ("true", "True", "TRUE")),
        *((text, False) for text in ("false", "False", "FALSE")),
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("0xff", 255),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("2.", 2.0),
        ("1e-3", 1e-3),
        ("5e-4", 5e-4),
        ("5.0e-4", 5e-4),
        ("1E3", 1000.0),
        ("+1.5e+2", 150.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("+.Inf", math.inf),
        *((text, text) for text in ("no", "yes", "on", "off", "y", "nULL", "tRue", "inf", "nan", "Infinity", "-inf")),
        *((text, text) for text in ("1_000", "0b11", "0o8", "0x", "0o", "0xG", "-0x1F", "1:30", "1e", "e5", ".", "-")),
        *((text, text) for text in ("+", "--1", "1.2.3", "1e5.0", ".e5", "2001-01-01", "1 2", "٣", "1²", "=", "<<")),
    ],
)
def test_plain_scalars(text: str, value: object) -> None:
    resolved = resolve_plain(text)
    assert resolved == value
    assert type(resolved) is type(value)


def test_not_a_number() -> None:
    for text in (".nan", ".NaN", ".NAN"):
        value = resolve_plain(text)
        assert isinstance(value, float)
        assert math.isnan(value)


@pytest.mark.parametrize("text", ["9" * 101, "0x" + "f" * 100, "-" + "1" * 100, "1" * 10_000])
def test_numbers_of_too_many_digits_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="digits"):
        resolve_plain(text)


def test_numbers_beyond_every_float_are_refused() -> None:
    assert resolve_plain("1e308") == 1e308
    with pytest.raises(ValueError, match="largest"):
        resolve_plain("1e309")


@pytest.mark.parametrize(
    ("text", "tag", "value"),
    [
        ("12", "str", "12"),
        ("12", "int", 12),
        ("12", "float", 12.0),
        ("1.5", "float", 1.5),
        ("true", "bool", True),
        ("", "null", None),
        ("", "str", ""),
    ],
)
def test_core_tags(text: str, tag: str, value: object) -> None:
    resolved = resolve_tagged(text, tag)
    assert resolved == value
    assert type(resolved) is type(value)


@pytest.mark.parametrize(
    ("text", "tag"), [("x", "int"), ("1.5", "int"), ("true", "int"), ("1", "bool"), ("x", "null"), ("x", "float")]
)
def test_core_tags_that_do_not_fit(text: str, tag: str) -> None:
    with pytest.raises(ValueError, match=r"number|true|'x'"):
        resolve_tagged(text, tag)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing (null)"),
        (True, "true"),
        (3, "the number 3"),
        (0.5, "the number 0.5"),
        ("big", "'big'"),
        ("x" * 99, "'" + "x" * 39 + "…'"),
        ([1], "a list"),
        ({"a": 1}, "a mapping"),
    ],
)
def test_describe(value: object, text: str) -> None:
    assert describe(value) == text
