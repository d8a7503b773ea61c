"""The tree that YAML text becomes: plain values, each with the place where it stands.

The nodes are named tuples because one is made for every value of a file: a frozen dataclass takes three times as long.
An alias shares the node of its anchor, so that the tree is bounded by the text and not by what it expands to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from netspec.diagnostics import Span
from netspec.syntax.scalars import ScalarValue

Style = Literal["plain", "single", "double", "literal", "folded"]


class Scalar(NamedTuple):
    """One value. ``raw`` is how it is written, quotes included; an alias of a scalar is one, written ``*name``."""

    value: ScalarValue
    span: Span
    raw: str
    style: Style


class Sequence(NamedTuple):
    """A list, in blocks or brackets."""

    items: tuple[Node, ...]
    span: Span


class Mapping(NamedTuple):
    """A mapping. ``entries`` are in the order of the file, ``by_name`` finds them by key; no key is there twice."""

    entries: tuple[Entry, ...]
    span: Span
    by_name: dict[str, Entry]


class Entry(NamedTuple):
    """A key and its value. ``name`` is the text of the key, or what a misspelt one is taken for."""

    name: str
    key: Scalar
    value: Node


Node = Scalar | Sequence | Mapping


class Tree(NamedTuple):
    """The one document of a file."""

    root: Node
    file: str


class Found(NamedTuple):
    """What stands at a path, and the key it stands under; an item of a list has none."""

    node: Node
    key_span: Span | None


def to_plain(node: Node) -> object:
    """The value as dicts, lists and scalars. Recursion is bounded by the nesting that `parse` accepts."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [to_plain(item) for item in node.items]
    return {entry.name: to_plain(entry.value) for entry in node.entries}


def find(node: Node, path: Iterable[str | int]) -> Found | None:
    """What a JSON path such as ``["layers", 0, "conv"]`` leads to; None when it leads nowhere."""
    found = Found(node, None)
    for step in path:
        if isinstance(found.node, Mapping) and step in found.node.by_name:
            entry = found.node.by_name[str(step)]
            found = Found(entry.value, entry.key.span)
        elif isinstance(found.node, Sequence) and isinstance(step, int) and 0 <= step < len(found.node.items):
            found = Found(found.node.items[step], None)
        else:
            return None
    return found


def key_span(mapping: Mapping, key: str) -> Span | None:
    """Where a key of the mapping is written: a path of jsonschema ends at the parent of a bad key."""
    entry = mapping.by_name.get(key)
    return entry.key.span if entry else None
