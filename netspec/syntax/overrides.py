"""``--set name=value``: a var of that name, else a key of the spec, dotted where nested (``train.lr``)."""

from __future__ import annotations

from collections.abc import Sequence

from netspec.diagnostics import Diagnostic, Diagnostics, Span
from netspec.syntax import tree
from netspec.syntax.schema import spec_schema
from netspec.syntax.source import Source
from netspec.syntax.suggestions import closest


def apply_overrides(root: tree.Node, overrides: Sequence[str], diagnostics: Diagnostics) -> tree.Node:
    """The tree with each assignment put in; an assignment that names nothing is NS112."""
    for override in overrides:
        name, equals, text = override.partition("=")
        place = Source(f"--set {name}", text or "~")
        value = tree.parse(place, diagnostics) if equals else None
        path = _path(root, name) if isinstance(root, tree.Mapping) else None
        if path is None or value is None or not isinstance(root, tree.Mapping):
            known = _known(root) if isinstance(root, tree.Mapping) else []
            fields = {"target": name, "suggestion": closest(name, known), "known": known or None}
            diagnostics.append(Diagnostic("NS112", Span.of_file(f"--set {override}"), fields))
            continue
        root = _put(root, path, value.root, Span.of_file(place.name))
    return root


def _path(root: tree.Mapping, name: str) -> list[str] | None:
    variables = root.by_name.get("vars")
    if variables is not None and isinstance(variables.value, tree.Mapping) and name in variables.value.by_name:
        return ["vars", name]
    path = name.split(".")
    return path if path[0] in spec_schema()["properties"] and path[0] != "netspec" else None


def _known(root: tree.Mapping) -> list[str]:
    variables = root.by_name.get("vars")
    names = variables.value.by_name if variables is not None and isinstance(variables.value, tree.Mapping) else ()
    return [*names, *(f"train.{key}" for key in spec_schema()["properties"]["train"]["properties"])]


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
