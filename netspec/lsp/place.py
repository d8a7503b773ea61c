"""Where in a spec a cursor is: the values around it, each with its part of the JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from netspec.diagnostics import Span
from netspec.syntax import tree

Schema = Mapping[str, Any]


class Step(NamedTuple):
    """A value, what the schema says of it, and the entry whose value it is; an item of a list has none."""

    node: tree.Node
    schema: Schema
    entry: tree.Entry | None = None
    position: int = 0
    """Which item of its list it is."""


class Place(NamedTuple):
    """The values around a cursor, the outermost first. ``key`` is the entry on whose key it is, in the last of them."""

    steps: tuple[Step, ...]
    key: tree.Entry | None = None

    @property
    def value(self) -> tree.Scalar | None:
        """The scalar that the cursor is on, if it is no key."""
        node = self.steps[-1].node
        return node if self.key is None and isinstance(node, tree.Scalar) else None

    @property
    def span(self) -> Span:
        """The key or value that the cursor is on."""
        return self.steps[-1].node.span if self.key is None else self.key.key.span

    def names(self) -> tuple[str, ...]:
        """The keys around the cursor, the outermost first."""
        return tuple(step.entry.name for step in self.steps if step.entry is not None)

    def block(self) -> str | None:
        """The block in whose definition the cursor is."""
        names = self.names()
        return names[1] if len(names) > 1 and names[0] == "blocks" else None

    def key_schema(self) -> Schema:
        """What the schema says of the value of the key that the cursor is on."""
        return inner_schema(self.steps[-1].schema, self.key.name, self.steps[0].schema) if self.key else {}

    def op(self) -> tuple[str, Schema] | None:
        """The op whose attributes the cursor is among, with its schema."""
        for outer, inner in zip(reversed(self.steps[:-1]), reversed(self.steps[1:]), strict=True):
            if outer.schema is layer_schema(self.steps[0].schema) and inner.entry is not None:
                return inner.entry.name, inner.schema
        return None


def layer_schema(schema: Schema) -> Schema:
    """The schema of one layer."""
    found: Schema = schema["$defs"]["layer"]
    return found


def inner_schema(schema: Schema, key: str | None, whole: Schema) -> Schema:
    """What the schema says of the value under a key, or of an item of a list where there is no key."""
    found = schema.get("items", {}) if key is None else schema.get("properties", {}).get(key)
    if found is None:
        found = schema.get("additionalProperties", {})
    if isinstance(found, Mapping) and "$ref" in found:
        return layer_schema(whole)
    return found if isinstance(found, Mapping) else {}


def locate(root: tree.Node, schema: Schema, line: int, column: int) -> Place:
    """The place of a cursor, which stands on a word or right behind it."""
    steps = [Step(root, schema)]
    while True:
        node, part = steps[-1].node, steps[-1].schema
        inner: Step | None = None
        if isinstance(node, tree.Mapping):
            for entry in node.entries:
                if touches(entry.key.span, line, column):
                    return Place(tuple(steps), entry)
                if touches(entry.value.span, line, column):
                    inner = Step(entry.value, inner_schema(part, entry.name, schema), entry)
        elif isinstance(node, tree.Sequence):
            for position, item in enumerate(node.items):
                if touches(item.span, line, column):
                    inner = Step(item, inner_schema(part, None, schema), None, position)
        if inner is None:
            return Place(tuple(steps))
        steps.append(inner)


def touches(span: Span, line: int, column: int) -> bool:
    """Whether a place lies in a span or right behind it, where a cursor stands after the word was typed."""
    return (span.line, span.column) <= (line, column) <= (span.end_line, span.end_column)
