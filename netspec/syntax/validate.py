"""Validation of a positioned tree against the schema: each violation becomes a diagnostic at its own position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from netspec.diagnostics import Diagnostic, Diagnostics, Span
from netspec.syntax import tree
from netspec.syntax.keys import mend_keys
from netspec.syntax.scalars import describe
from netspec.syntax.schema import spec_schema
from netspec.syntax.suggestions import closest

Path = list[str | int]

_KEYS = "additionalProperties"
"""The schema's keyword about unknown keys; these have been reported when the keys were mended."""

_BOUNDS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
}
"""Schema keywords that bound a number, and the field that the wording calls the bound by."""


class Violations:
    """Nodes whose value the schema refuses, by identity, so that the expansion goes on with a guess instead."""

    __slots__ = ("_nodes",)

    def __init__(self) -> None:
        self._nodes: set[int] = set()

    def add(self, node: tree.Node) -> None:
        """Note a refused value."""
        self._nodes.add(id(node))

    def has(self, node: tree.Node) -> bool:
        """Whether this value itself is refused."""
        return id(node) in self._nodes

    def within(self, node: tree.Node) -> bool:
        """Whether this value or anything in it is refused."""
        if not self._nodes:
            return False
        if self.has(node):
            return True
        if isinstance(node, tree.Sequence):
            return any(self.within(item) for item in node.items)
        return isinstance(node, tree.Mapping) and any(self.within(entry.value) for entry in node.entries)


class Checked(NamedTuple):
    """A tree that was validated: with unknown keys mended where they could be guessed, and what was refused."""

    root: tree.Node
    violations: Violations


@lru_cache(maxsize=1)
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(spec_schema())


def errors(value: object, schema: Mapping[str, Any]) -> Iterator[Any]:
    """What jsonschema has against a plain value under a part of the schema."""
    found: Iterator[Any] = _validator().evolve(schema=schema).iter_errors(value)
    return found


def validate(root: tree.Node, diagnostics: Diagnostics) -> Checked:
    """Report everything the schema refuses in the tree."""
    root = mend_keys(root, spec_schema(), lambda value, schema: not any(errors(value, schema)), diagnostics)
    violations = Violations()
    reported: set[tuple[int, str]] = set()
    refused = [error for error in _validator().iter_errors(tree.to_plain(root)) if error.validator != _KEYS]
    paths = {tuple(error.absolute_path) for error in refused}
    for error in refused:
        path = tuple(error.absolute_path)
        if path and isinstance(path[-1], int) and path[:-1] in paths:
            continue  # an item of a list that is refused as a whole
        found = tree.find(root, error.absolute_path)
        assert found is not None  # the path comes from this very tree
        node, kind = found.node, "missing" if error.validator == "required" else "value"
        if (id(node), kind) in reported:
            continue
        reported.add((id(node), kind))
        if kind == "missing":
            diagnostics.extend(_missing_keys(error, node))
        else:
            diagnostics.extend(wrong_value(error, node))
            violations.add(node)
    return Checked(root, violations)


def wrong_value(error: Any, node: tree.Node) -> Iterator[Diagnostic]:
    """A value of the wrong type, not among the choices, or out of bounds."""
    schema = error.schema
    fields: dict[str, object] = {"what": _subject(list(error.absolute_path)), "found": describe(error.instance)}
    guess = closest_choice(error.instance, schema)
    if error.validator in _BOUNDS and isinstance(error.instance, int | float):
        fields |= {name: schema[keyword] for keyword, name in _BOUNDS.items() if keyword in schema}
        fields["found"] = error.instance
        yield Diagnostic("NS109", node.span, fields)
    elif guess is not None or (
        isinstance(error.instance, str) and "choices" in schema and schema["type"] == ["string"]
    ):
        yield Diagnostic("NS109", node.span, fields | {"choices": schema["choices"], "suggestion": guess})
    else:
        if error.validator in ("minProperties", "maxProperties"):
            names = " and ".join(error.instance)
            fields["found"] = f"several: {names}" if names else "an empty mapping"
        yield Diagnostic("NS102", node.span, fields | {"expected": schema.get("title", "something else")})


def closest_choice(value: object, schema: Mapping[str, Any]) -> str | None:
    """The word of the schema that a misspelt one most likely stands for."""
    return closest(value, schema["choices"]) if isinstance(value, str) and "choices" in schema else None


def _missing_keys(error: Any, node: tree.Node) -> Iterator[Diagnostic]:
    assert isinstance(node, tree.Mapping)
    path = list(error.absolute_path)
    span = node.span
    if span.end_line != span.line:
        span = Span(span.file, span.line, span.column, span.line, span.column + 1)
    for key in error.validator_value:
        if key not in node.by_name:
            yield missing_key(key, error.schema["properties"][key], _where(path) or "the spec", span)


def missing_key(key: str, schema: Mapping[str, Any], where: str, span: Span) -> Diagnostic:
    """What to say of a key that must be there and is not."""
    return Diagnostic("NS103", span, {"key": key, "where": where, "example": schema.get("example")})


def _where(path: Path) -> str | None:
    return f"'{path[-1]}'" if path and isinstance(path[-1], str) else None


def _subject(path: Path) -> str:
    """What a path is about, as a person would call it: the key, or the item of its list."""
    if not path:
        return "spec"
    if isinstance(path[-1], int):
        owner = _subject(path[:-1])
        return f"layer {path[-1] + 1}" if owner == "layers" else f"{owner}[{path[-1]}]"
    return str(path[-1])
