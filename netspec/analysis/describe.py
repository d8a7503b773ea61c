"""A layer in a few words, as pictures and comparisons show it."""

from __future__ import annotations

from typing import Any

from netspec.core.declare import attributes_of, declaration_of


def describe(attrs: Any) -> str:
    """An op with its main attribute and those that are not as by default: ``conv 64, kernel 3, padding same``."""
    declaration = declaration_of(attrs)
    words: list[str] = []
    for attribute, value in zip(declaration.attributes, attributes_of(attrs).values(), strict=True):
        if attribute.name == declaration.main and not isinstance(value, bool):
            words.insert(0, show_value(value))
        elif attribute.required or value != attribute.default:
            words.append(_attribute(attribute.name, value))
    return f"{declaration.name} {', '.join(words)}".rstrip()


def _attribute(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return f"{name} {show_value(value)}"


def show_value(value: Any) -> str:
    """The value of an attribute: numbers without needless zeros, tuples as ``3x3``, true and false as in YAML."""
    if isinstance(value, tuple):
        return "x".join(f"({show_value(part)})" if isinstance(part, tuple) else show_value(part) for part in value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
