"""The YAML 1.2 core schema: which plain words are null, true, false or numbers, and that all others are text.

https://yaml.org/spec/1.2.2/#103-core-schema. PyYAML follows YAML 1.1, where ``no`` is false, ``012`` is ten and
``1e-3`` is text; nothing of its resolution is used here.
"""

from __future__ import annotations

import math

ScalarValue = bool | int | float | str | None

CORE_TAGS = ("str", "int", "float", "bool", "null", "seq", "map")
DIGIT_LIMIT = 100
"""Digits of a number that are read; Python's own bound of 4,300 would surface as an exception."""

_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_NUMBER_STARTS = frozenset("+-.0123456789")
_DIGITS = frozenset("0123456789")
_FLOAT_CHARACTERS = frozenset("+-.eE0123456789")
_BASES = {"0o": (8, frozenset("01234567")), "0x": (16, frozenset("0123456789abcdefABCDEF"))}


def resolve_plain(text: str) -> ScalarValue:
    """The value of an unquoted scalar. Raises ValueError for a number that is too long or too large to hold."""
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in _NUMBER_STARTS else text


def resolve_tagged(text: str, tag: str) -> ScalarValue:
    """The value of a scalar under a core tag such as ``int``. Raises ValueError when the text is no such thing."""
    if tag == "str":
        return text
    value = resolve_plain(text)
    if tag == "float" and type(value) is int:
        return float(value)
    if type(value).__name__ != {"null": "NoneType"}.get(tag, tag):
        raise ValueError(describe(value))
    return value


def describe(value: object) -> str:
    """A value as a message names it: ``'big'``, ``the number 3``, ``true``, ``a list``."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 40 else f"'{value[:39]}…'"
    return "a mapping" if isinstance(value, dict) else "a list" if type(value) in (list, tuple) else str(value)


def _number(text: str) -> int | float | str:
    """The number that ``text`` is written as, else the text itself."""
    unsigned = text[1:] if text[0] in "+-" else text
    if unsigned and _DIGITS.issuperset(unsigned):
        return int(_bounded(text))
    base, digits = _BASES.get(text[:2], (0, _DIGITS))
    if base and len(text) > 2 and digits.issuperset(text[2:]):
        return int(_bounded(text)[2:], base)
    if not _FLOAT_CHARACTERS.issuperset(text):
        return text
    try:
        value = float(text)  # among these characters Python's grammar of floats is that of the core schema
    except ValueError:
        return text
    if math.isinf(value):
        raise ValueError(f"the number {_bounded(text)} is larger than a computer's largest, about 1.8e308")
    return value


def _bounded(text: str) -> str:
    if len(text) > DIGIT_LIMIT:
        raise ValueError(f"this number has {len(text)} digits, more than the {DIGIT_LIMIT} that are read")
    return text
