"""Markdown from plain text: what stands in a declaration is shown as it is, whatever characters it holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from netspec.core.attributes import DIALECTS
from netspec.core.declare import Declaration
from netspec.core.expression import Expression

_LONG = re.compile(r"\d+\.\d{10,}(?:e-?\d+)?")
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")

GENERATED = "<!-- Generated from the declarations by tools/generate.py, never edited. -->"


def escaped(text: str) -> str:
    """The text without meaning to Markdown."""
    return _SPECIAL.sub(r"\\\1", text)


def code(text: object) -> str:
    """The text as code, in a table as well."""
    return f"`{str(text).replace('|', chr(0xA6)).replace('`', chr(0x2BC))}`"


def block(language: str, text: str) -> str:
    """Lines of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def written(value: Any) -> str:
    """A value as a spec would have it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(written, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def formula(expression: Expression) -> str:
    """An expression to be read: a constant such as 1 − 0.9 without the rounding error that it has in binary."""
    return _LONG.sub(lambda match: f"{float(match[0]):.10g}", str(expression))


def attribute_table(declaration: Declaration) -> str:
    """The attributes with what they take and what holds where nothing is said, in other dialects too."""
    rows = []
    for attribute in declaration.attributes:
        name = f"**{code(attribute.name)}**" if attribute.name == declaration.main else code(attribute.name)
        default = "required" if attribute.required else code(written(attribute.default))
        others = [(d, attribute.dialects[d]) for d in DIALECTS if d in attribute.dialects]
        default += "".join(f"; {dialect}: {code(written(value))}" for dialect, value in others)
        rows.append((name, escaped(attribute.doc), escaped(attribute.schema()["title"]), default))
    return table(("attribute", "meaning", "takes", "default"), rows)
