"""Mends ``{filters: $(min(a, b))}``: without quotes YAML ends the value at the comma, and the rest becomes keys."""

from __future__ import annotations

from netspec.diagnostics import Diagnostic, Diagnostics, Edit, Fix
from netspec.syntax.nodes import Node, Scalar
from netspec.syntax.source import Positions

PIECE_LIMIT = 16
"""Commas of one expression that are looked for; keeps the search linear."""


def join_expressions(children: list[Node], step: int, positions: Positions, diagnostics: Diagnostics) -> list[Node]:
    """The children of a flow collection with every expression that fell apart at its commas put together again.

    ``step`` is 2 in a mapping, where keys and values stand in turn and a piece reads as a key without a value, and 1 in
    a list. Each is reported with the fix, quotes, and goes on as what was meant.
    """
    joined: list[Node] = []
    position = 0
    while position < len(children):
        *key, item = children[position : position + step]
        pieces = _count_pieces(children, position, step) if _is_cut(item) else 0
        if pieces and isinstance(item, Scalar):
            last = children[position + pieces * step]
            item = _join(item, last, "{...}" if key else "[...]", positions, diagnostics)
        joined += [*key, item]
        position += step * (pieces + 1)
    return joined


def _count_pieces(children: list[Node], position: int, step: int) -> int:
    """How many children or pairs behind the one at ``position`` belong to its expression; 0 when it never closes."""
    missing = _open_parentheses(children[position + step - 1])
    for count in range(1, PIECE_LIMIT + 1):
        place = position + count * step
        if place >= len(children):
            return 0
        piece, *value = children[place : place + step]
        if not isinstance(piece, Scalar) or piece.style != "plain" or not all(map(_is_empty, value)):
            return 0
        missing += _open_parentheses(piece)
        if missing <= 0:
            return count
    return 0


def _join(first: Scalar, last: Node, brackets: str, positions: Positions, diagnostics: Diagnostics) -> Scalar:
    span = first.span.until(last.span)
    raw = positions.written(span)
    value = " ".join(raw.split()) if "\n" in raw or "\r" in raw else raw
    quoted = f'"{value}"' if '"' not in value and "\\" not in value else "'" + value.replace("'", "''") + "'"
    fix = Fix("Put the expression in quotes", (Edit(span, quoted),))
    diagnostics.append(Diagnostic("NS115", span, {"brackets": brackets, "quoted": quoted}, fix=fix))
    return Scalar(value, span, raw, "plain")


def _is_cut(node: Node) -> bool:
    return isinstance(node, Scalar) and node.raw.startswith("$") and _open_parentheses(node) > 0


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.raw


def _open_parentheses(node: Node) -> int:
    return node.raw.count("(") - node.raw.count(")") if isinstance(node, Scalar) and node.style == "plain" else 0
