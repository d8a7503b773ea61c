"""A name of a spec, and a place where it is mentioned."""

from __future__ import annotations

from typing import Literal, NamedTuple

from netspec.diagnostics import Span
from netspec.syntax import tree
from netspec.syntax.expressions import span_within


class Name(NamedTuple):
    """What is named. ``scope`` is the block of an argument or var, the place of the list of a layer, else empty."""

    kind: Literal["block", "argument", "var", "layer"]
    scope: str
    name: str


class Mention(NamedTuple):
    """The letters of a name, without quotes and dollars."""

    span: Span
    name: Name
    is_definition: bool


def text_span(scalar: tree.Scalar, start: int = 0, end: int | None = None) -> Span:
    """The place of a part of a text, by default of all of it inside its quotes."""
    return span_within(scalar, start, len(str(scalar.value)) if end is None else end)
