"""Validation of a positioned tree against the schema: each violation becomes a diagnostic at its own position."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from netspec.diagnostics import Diagnostic, Diagnostics, Span
from netspec.syntax import tree
from netspec.syntax.keys import mend_keys
from netspec.syntax.scalars import describe
from netspec.syntax.schema import spec_schema
from netspec.syntax.suggestions import closest
from netspec.syntax.vocabulary import ALIASES, GROUP

Path = list[str | int]

_ANYTHING: dict[str, Any] = {}
"""The schema of what is looked at later."""

_KEYS = "additionalProperties"
"""The schema's keyword about unknown keys; these have been reported when the keys were mended."""

_BOUNDS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
}
"""Schema keywords that bound a number, and the field that the wording calls the bound by."""

_TRUTHS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""Words that YAML 1.1 reads as true and false, and 1.2 as texts."""


class Violations:
    """Nodes whose value the schema refuses, by identity, so that the expansion goes on with a guess instead."""

    __slots__ = ("_nodes",)

    def __init__(self) -> None:
        self._nodes: set[int] = set()

    def add(self, node: tree.Node) -> None:
        """Note a refused value."""
        self._nodes.add(id(node))

    def update(self, other: Violations) -> None:
        """Note all that another holds."""
        self._nodes |= other._nodes

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
    """The validator of specs without blocks of their own: to make one takes longer than to use it on a small spec."""
    return _validator_of(spec_schema())


def _validator_of(schema: Mapping[str, Any]) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema)


class _NotFinite(NamedTuple):
    """NaN or infinity, which no schema takes for a number: no bound would refuse NaN."""

    value: float

    def __str__(self) -> str:
        return f"the number {self.value}"


def _finite(value: object) -> object:
    """The plain value with NaN and infinity as what is no number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else _NotFinite(value)
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list) else value


def errors(value: object, schema: Mapping[str, Any]) -> Iterator[Any]:
    """What jsonschema has against a plain value under a part of the schema without layers."""
    found: Iterator[Any] = _validator().evolve(schema=schema).iter_errors(_finite(value))
    return found


class Checker:
    """Holds trees against the schema of a spec with its blocks, and reports what the schema refuses."""

    def __init__(self, diagnostics: Diagnostics, schema: Mapping[str, Any] | None = None) -> None:
        self._diagnostics = diagnostics
        self._schema = spec_schema() if schema is None else schema
        self._validator = _validator() if self._schema is spec_schema() else _validator_of(self._schema)
        self._behind: dict[tuple[str, int], tuple[tree.Node, Checked]] = {}

    def whole(self, root: tree.Node) -> Checked:
        """A spec: with unknown keys mended, and what is refused."""
        return self._checked(root, self._schema)

    def behind(self, op: str, value: tree.Node) -> Checked:
        """What stands behind an op or block that is named by an expression."""
        key = (op, id(value))
        if key not in self._behind:
            part = self._schema["$defs"]["layer"]["properties"][op]
            self._behind[key] = (
                value,
                self._checked(value, part, op),
            )  # with the node, so that its identity stays its own
        return self._behind[key][1]

    def top(self, root: tree.Node) -> tree.Node:
        """A spec with the keys at its top and in its blocks mended, which say how the rest is to be read."""
        names = self._schema["properties"]
        block = names["blocks"]["additionalProperties"]
        blocks = {"additionalProperties": {**block, "properties": dict.fromkeys(block["properties"], _ANYTHING)}}
        shallow = {**self._schema, "properties": dict.fromkeys(names, _ANYTHING) | {"blocks": blocks}}
        return self._mended(root, shallow)

    def _mended(self, root: tree.Node, part: Mapping[str, Any]) -> tree.Node:
        def fits(value: object, schema: Mapping[str, Any]) -> bool:
            return bool(self._validator.evolve(schema=schema).is_valid(value))

        return mend_keys(root, self._schema, fits, self._diagnostics, part)

    def _checked(self, root: tree.Node, part: Mapping[str, Any], name: str | None = None) -> Checked:
        root = self._mended(root, part)
        found = self._validator.evolve(schema=part).iter_errors(_finite(tree.to_plain(root)))
        refused = [error for error in found if error.validator != _KEYS]
        paths = {tuple(error.absolute_path) for error in refused}
        violations = Violations()
        reported: set[tuple[int, str]] = set()
        for error in refused:
            path = tuple(error.absolute_path)
            if path and isinstance(path[-1], int) and path[:-1] in paths:
                continue  # an item of a list that is refused as a whole
            place = tree.find(root, path)
            assert place is not None  # the path comes from this very tree
            node, kind = place.node, "missing" if error.validator == "required" else "value"
            if (id(node), kind) in reported:
                continue
            reported.add((id(node), kind))
            if name is not None:
                error.path.appendleft(name)
            if kind == "missing":
                self._diagnostics.extend(_missing_keys(error, node))
            else:
                self._diagnostics.extend(wrong_value(error, node))
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
        fields["advice"] = _as_share(error.instance, schema)
        yield Diagnostic("NS109", node.span, fields)
    elif guess is not None or (
        isinstance(error.instance, str) and "choices" in schema and schema["type"] == ["string"]
    ):
        yield Diagnostic("NS109", node.span, fields | {"choices": schema["choices"], "suggestion": guess})
    else:
        if error.validator in ("minProperties", "maxProperties"):
            names = " and ".join(error.instance)
            fields["found"] = f"several: {names}" if names else "an empty mapping"
        fields["suggestion"] = _as_core_schema(error.instance, schema)
        fields["expected"] = schema.get("title", "something else")
        fields["advice"] = _advice(error.instance, schema)
        if not error.absolute_path:
            del fields["what"]
            fields |= {"expected": "a mapping of keys", "advice": "begin with 'netspec: 1', 'input:' and 'layers:'"}
        yield Diagnostic("NS102", node.span, fields)


def _advice(value: object, schema: Mapping[str, Any]) -> str | None:
    """The way out for what other languages write otherwise: a tuple, a branch by its name, keys as items of a list."""
    types = schema.get("type", ())
    if schema.get("required") == [GROUP] and isinstance(value, str):
        return "a branch is a list of layers, as in [relu]; named outputs are merged by 'from: [a, b]' beside the op"
    if "array" in types and isinstance(value, str) and value.startswith("("):
        return "a list is written in brackets, such as [5, 5]"
    if "object" in types and isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return "write its keys without '- ' before them: a mapping is wanted, not a list"
    return None


def _as_share(value: float, schema: Mapping[str, Any]) -> str | None:
    """What to write for a share that was written in per cent or in pixels."""
    top = schema.get("maximum", schema.get("exclusiveMaximum"))
    if top != 1 or value < 2:
        return None
    described = (schema, *schema.get("properties", {}).values())  # a main attribute stands for its mapping
    of_what = re.search(r"\bshare of the (?:side|image)\b", " ".join(each.get("description", "") for each in described))
    if of_what:
        return f"a {of_what[0]} is wanted, not pixels: 0.1 is a tenth"
    return f"{value:g} per cent is {value / 100:g}" if value <= 100 else None


def _as_core_schema(value: object, schema: Mapping[str, Any]) -> str | None:
    """What a text was meant to be: a truth of YAML 1.1, sides written with an x, a number with a unit or in quotes."""
    types, text = schema.get("type", ()), str(value) if isinstance(value, str) else ""
    if "boolean" in types and text.lower() in _TRUTHS:
        return _TRUTHS[text.lower()]
    if "array" in types and re.fullmatch(r"\d{1,6}( ?[x×*,] ?\d{1,6}){1,3}", text):
        return f"[{', '.join(re.findall(r'[0-9]+', text))}]"
    number = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(?: ?[A-Za-z%]+)?", text)
    if number is not None and text.endswith("%") and schema.get("maximum", schema.get("exclusiveMaximum")) == 1:
        return f"{float(number[1]) / 100:g}"
    whole = number is not None and "." not in number[1]
    return number[1] if number is not None and ("number" in types or ("integer" in types and whole)) else None


def closest_choice(value: object, schema: Mapping[str, Any]) -> str | None:
    """The word of the schema that a misspelt one most likely stands for."""
    return closest(value, schema["choices"], ALIASES) if isinstance(value, str) and "choices" in schema else None


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
