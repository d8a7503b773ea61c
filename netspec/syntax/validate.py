"""Validation of a positioned tree against the schema: each violation becomes a diagnostic at its own position."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from netspec.diagnostics.collector import Diagnostics
from netspec.diagnostics.model import Diagnostic, Span
from netspec.syntax import tree
from netspec.syntax.schema import MODIFIERS, spec_schema
from netspec.syntax.suggestions import closest

_LIMITS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "minProperties", "maxProperties"}
)
_MERGE_ONLY = frozenset({"items"})


@dataclass(slots=True)
class Violations:
    """Nodes whose value the schema refuses, by identity, so that the expansion goes on with a guess instead."""

    nodes: set[int] = field(default_factory=set)

    def has(self, node: tree.Node) -> bool:
        """Whether this value itself is refused."""
        return id(node) in self.nodes


@lru_cache(maxsize=1)
def _validator() -> Any:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  # lint of a broken file never needs it

    return Draft202012Validator(spec_schema())


def validate(root: tree.Node, diagnostics: Diagnostics) -> Violations:
    """Report everything the schema refuses in the tree."""
    violations = Violations()
    reported: set[tuple[int, str]] = set()
    for error in _validator().iter_errors(tree.to_plain(root)):
        node, span = tree.find(root, list(error.absolute_path))
        kind = "limit" if error.validator in _LIMITS else error.validator
        if (id(node), kind) in reported:
            continue
        reported.add((id(node), kind))
        report = _REPORTS.get(error.validator, _wrong_value)
        for diagnostic in report(error, node, span):
            diagnostics.append(diagnostic)
        if error.validator not in ("additionalProperties", "required"):
            violations.nodes.add(id(node))
    return violations


def _wrong_value(error: Any, node: tree.Node, span: Span) -> Iterator[Diagnostic]:
    what = _subject(list(error.absolute_path))
    fields = {"what": what, "arrived": describe(node), "expected": error.schema.get("title", "something else")}
    number = isinstance(error.instance, int | float) and not isinstance(error.instance, bool)
    yield Diagnostic("NS109" if error.validator in _LIMITS and number else "NS102", span, fields)


def _unknown_keys(error: Any, node: tree.Node, span: Span) -> Iterator[Diagnostic]:
    known = error.schema.get("properties", {})
    is_layer = "conv" in known
    patterns = error.schema.get("additionalProperties")
    assert isinstance(node, tree.Mapping) and patterns is False
    for entry in node.entries:
        key = str(entry.key.value)
        if key in known:
            continue
        candidates = [k for k in known if not (is_layer and k in MODIFIERS)] if is_layer and len(node.entries) == 1 else known
        guess = closest(key, candidates)
        code = "NS104" if is_layer and guess not in MODIFIERS else "NS101"
        fields = {"key": key, "name": key, "guess": guess, "known": ", ".join(sorted(k for k in known if k != "layers"))}
        yield Diagnostic(code, entry.key.span, fields)


def _missing_keys(error: Any, node: tree.Node, span: Span) -> Iterator[Diagnostic]:
    assert isinstance(node, tree.Mapping)
    present = {str(entry.key.value) for entry in node.entries}
    path = list(error.absolute_path)
    for key in error.validator_value:
        if key not in present:
            wanted = error.schema["properties"][key]
            fields = {
                "key": key,
                "what": _subject(path) if path else "the spec",
                "expected": wanted.get("title", ""),
                "doc": wanted.get("description", ""),
            }
            yield Diagnostic("NS103", _head(node, path, span), fields)


_REPORTS: Mapping[str, Callable[[Any, tree.Node, Span], Iterator[Diagnostic]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
}


def _head(node: tree.Node, path: list[str | int], span: Span) -> Span:
    """Where to point when something lacks: the first line of the mapping."""
    return Span(span.file, span.line, span.column, span.line, span.column + 1) if span.end_line != span.line else span


def _subject(path: list[str | int]) -> str:
    """What a path is about, as a person would call it: the key, or the item and its list."""
    if not path:
        return "the spec"
    if isinstance(path[-1], int):
        if path[:-1] and path[-2] == "layers":
            return f"layer {path[-1] + 1}"
        return f"item {path[-1] + 1} of {_subject(path[:-1])}"
    return repr(path[-1])


def describe(node: tree.Node) -> str:
    """What a value is, in words that a person who wrote it recognises."""
    if isinstance(node, tree.Mapping):
        return "a mapping"
    if isinstance(node, tree.Sequence):
        return f"a list of {len(node.items)}"
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text {value!r}" if not re.fullmatch(r"[\w.+-]+", value) else repr(value)
    return str(value)
