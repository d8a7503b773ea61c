"""``--set name=value``: a var of that name, else a key of the spec, dotted where nested (``train.lr``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from netspec.diagnostics import Diagnostic, Diagnostics, Span
from netspec.syntax import tree
from netspec.syntax.schema import spec_schema
from netspec.syntax.source import Source
from netspec.syntax.suggestions import closest


def override_sources(overrides: Iterable[str]) -> dict[str, str]:
    """The texts that assignments bring, by the name that diagnostics call them: ``--set train.lr``. The last counts."""
    assignments = (override.partition("=") for override in overrides)
    return {f"--set {name}": text for name, _, text in assignments}


def apply_overrides(root: tree.Node, overrides: Sequence[str], diagnostics: Diagnostics) -> tree.Node:
    """The tree with each assignment put in; an assignment that names nothing is NS112."""
    if not isinstance(root, tree.Mapping):
        return root
    for place, text in override_sources(overrides).items():
        name = place.removeprefix("--set ")
        path = _path(root, name)
        if path is None:
            known = [*_variables(root), *_keys(spec_schema())]
            fields = {"target": name, "suggestion": closest(name, known) or _ending_in(name, known), "known": known}
            diagnostics.append(Diagnostic("NS112", Span.of_file(place), fields))
            continue
        value = tree.parse(Source(place, text or "~"), diagnostics)
        if value is not None:
            root = _put(root, path, value.root, Span.of_file(place))
    return root


def _variables(root: tree.Mapping) -> Mapping[str, tree.Entry]:
    entry = root.by_name.get("vars")
    return entry.value.by_name if entry is not None and isinstance(entry.value, tree.Mapping) else {}


def _path(root: tree.Mapping, name: str) -> list[str] | None:
    """The keys from the root to what ``name`` names; None where the language has no such key."""
    if name in _variables(root):
        return ["vars", name]
    path = name.split(".")
    schema: Any = spec_schema()
    for key in path:
        if not isinstance(schema, dict) or "object" not in schema.get("type", ["object"]):
            return None
        known = schema.get("properties", {})
        if key not in known and schema.get("additionalProperties", True) is False:
            return None
        schema = known.get(key, schema.get("additionalProperties", {}))
    return path


def _keys(schema: Mapping[str, Any]) -> Iterator[str]:
    """The keys that are worth naming: those of the root, and those one level below."""
    for key, inner in schema["properties"].items():
        yield key
        if inner.get("type") == ["object"]:
            yield from (f"{key}.{below}" for below in inner.get("properties", ()))


def _ending_in(name: str, known: Iterable[str]) -> str | None:
    """The key that is called so, one level below the root: ``train.epochs`` for ``epochs``."""
    return next((key for key in known if key.endswith(f".{name}")), None)


def _put(node: tree.Mapping, path: list[str], value: tree.Node, span: Span) -> tree.Mapping:
    """The mapping with the value at the path; keys on the way are made where they lack."""
    key, *rest = path
    old = node.by_name.get(key)
    if rest:
        inner = old.value if old is not None and isinstance(old.value, tree.Mapping) else tree.Mapping((), span, {})
        value = _put(inner, rest, value, span)
    written = old.key if old is not None else tree.Scalar(key, span, key, "plain")
    by_name = {**node.by_name, key: tree.Entry(key, written, value)}
    return tree.Mapping(tuple(by_name.values()), node.span, by_name)
