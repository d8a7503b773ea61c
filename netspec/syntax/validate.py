"""Validation of a positioned tree against the schema: each violation becomes a diagnostic at its own position."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from netspec.diagnostics import Diagnostic, Diagnostics, Span
from netspec.syntax import tree
from netspec.syntax.scalars import describe
from netspec.syntax.schema import ALIASES, MODIFIERS, spec_schema
from netspec.syntax.suggestions import closest

Path = list[str | int]

_BOUNDS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
}
"""Schema keywords that bound a number, and the field that the wording calls the bound by."""


@dataclass(slots=True)
class Violations:
    """Nodes whose value the schema refuses, by identity, so that the expansion goes on with a guess instead."""

    nodes: set[int] = field(default_factory=set)

    def has(self, node: tree.Node) -> bool:
        """Whether this value itself is refused."""
        return id(node) in self.nodes

    def within(self, node: tree.Node) -> bool:
        """Whether this value or anything in it is refused."""
        if self.has(node):
            return True
        if isinstance(node, tree.Sequence):
            return any(self.within(item) for item in node.items)
        return isinstance(node, tree.Mapping) and any(self.within(entry.value) for entry in node.entries)


@lru_cache(maxsize=1)
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(spec_schema())


def validate(root: tree.Node, diagnostics: Diagnostics) -> Violations:
    """Report everything the schema refuses in the tree."""
    violations = Violations()
    reported: set[tuple[int, str]] = set()
    for error in _validator().iter_errors(tree.to_plain(root)):
        found = tree.find(root, error.absolute_path)
        assert found is not None  # the path comes from this very tree
        node, kind = found.node, "value" if error.validator not in _REPORTS else error.validator
        if (id(node), kind) in reported:
            continue
        reported.add((id(node), kind))
        diagnostics.extend(_REPORTS.get(error.validator, wrong_value)(error, node))
        if kind == "value":
            violations.nodes.add(id(node))
    return violations


def wrong_value(error: Any, node: tree.Node) -> Iterator[Diagnostic]:
    """A value of the wrong type, not among the choices, or out of bounds."""
    schema = error.schema
    fields: dict[str, object] = {"what": _subject(list(error.absolute_path)), "found": describe(error.instance)}
    if error.validator in _BOUNDS and isinstance(error.instance, int | float):
        fields |= {name: schema[keyword] for keyword, name in _BOUNDS.items() if keyword in schema}
        fields["found"] = error.instance
        yield Diagnostic("NS109", node.span, fields)
    elif "choices" in schema and isinstance(error.instance, str):
        fields |= {"choices": schema["choices"], "suggestion": closest(error.instance, schema["choices"])}
        yield Diagnostic("NS109", node.span, fields)
    else:
        yield Diagnostic("NS102", node.span, fields | {"expected": schema.get("title", "something else")})


def _unknown_keys(error: Any, node: tree.Node) -> Iterator[Diagnostic]:
    known = error.schema["properties"]
    is_layer = "conv" in known
    assert isinstance(node, tree.Mapping)
    candidates = known if not is_layer or len(node.entries) > 1 else [k for k in known if k not in MODIFIERS]
    for entry in node.entries:
        if entry.name in known:
            continue
        suggestion = closest(entry.name, candidates, ALIASES)
        if is_layer and suggestion not in MODIFIERS:
            yield Diagnostic("NS104", entry.key.span, {"name": entry.name, "suggestion": suggestion})
        else:
            path = list(error.absolute_path)
            fields = {"key": entry.name, "suggestion": suggestion, "known": sorted(known), "where": _where(path)}
            yield Diagnostic("NS101", entry.key.span, fields)


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


_REPORTS: Mapping[str, Callable[[Any, tree.Node], Iterator[Diagnostic]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
}


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
