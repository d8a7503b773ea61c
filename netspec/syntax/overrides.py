"""``--set name=value``: a var of that name, else a key of the spec, dotted where nested (``train.lr``)."""

from __future__ import annotations

from collections.abc import Sequence

from netspec.diagnostics.collector import Diagnostics
from netspec.diagnostics.model import Diagnostic, Span
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
        if value is None or not isinstance(root, tree.Mapping):
            _refuse(override, name, [], diagnostics)
            continue
        path = _path(root, name)
        known = _known(root)
        if path is None:
            _refuse(override, name, known, diagnostics)
            continue
        root = _put(root, path, value, Span.of_file(place.name))
    return root


def _path(root: tree.Mapping, name: str) -> list[str] | None:
    variables = tree.value(root, "vars")
    if variables is not None and tree.entry(variables, name) is not None:
        return ["vars", name]
    path = name.split(".")
    return path if path[0] in spec_schema()["properties"] and path[0] != "netspec" else None


def _known(root: tree.Mapping) -> list[str]:
    variables = tree.value(root, "vars")
    names = [str(e.key.value) for e in variables.entries] if isinstance(variables, tree.Mapping) else []
    return [*names, *(f"train.{key}" for key in spec_schema()["properties"]["train"]["properties"])]


def _refuse(override: str, name: str, known: list[str], diagnostics: Diagnostics) -> None:
    span = Span.of_file(f"--set {override}")
    fields = {"name": name, "guess": closest(name, known), "known": ", ".join(known)}
    diagnostics.append(Diagnostic("NS112", span, fields))


def _put(node: tree.Mapping, path: list[str], value: tree.Node, span: Span) -> tree.Mapping:
    """The mapping with the value at the path; keys on the way are made where they lack."""
    key, *rest = path
    old = tree.value(node, key)
    if rest:
        inner = old if isinstance(old, tree.Mapping) else tree.Mapping((), span)
        value = _put(inner, rest, value, span)
    entries = tuple(tree.Entry(e.key, value) if e.key.value == key else e for e in node.entries)
    if old is None:
        entries = (*entries, tree.Entry(tree.Scalar(key, span, key, ""), value))
    return tree.Mapping(entries, node.span)
