"""From text to a :class:`Spec`: parse, override, validate, expand. Everything that is wrong is collected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import netspec.declarations  # noqa: F401  # declares every op, loss, optimiser, ...
from netspec.core.builder import Builder
from netspec.core.graph import Value
from netspec.core.types import TensorType
from netspec.diagnostics import Diagnostic, Diagnostics, SpecError
from netspec.syntax import tree
from netspec.syntax.expectations import expectations
from netspec.syntax.layers import LayerExpansion
from netspec.syntax.overrides import apply_overrides
from netspec.syntax.schema import LANGUAGE_VERSION, LATER_TOP_KEYS
from netspec.syntax.scope import Scope
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec
from netspec.syntax.training import RecipeExpansion
from netspec.syntax.validate import validate
from netspec.syntax.values import UNKNOWN, Values


def read_spec(source: Source, overrides: Sequence[str], diagnostics: Diagnostics) -> Spec | None:
    """The spec in ``source`` with ``name=value`` overrides; ``None`` if the text is not YAML at all.

    A spec with mistakes is returned as far as it could be understood, and ``diagnostics`` says what is wrong.
    """
    parsed = tree.parse(source, diagnostics)
    if parsed is None:
        return None
    root = apply_overrides(parsed.root, overrides, diagnostics)
    violations = validate(root, diagnostics)
    if not isinstance(root, tree.Mapping):
        return None
    values = Values(violations, diagnostics, set())
    _check_top(root, diagnostics)
    variables = _variables(root, values)
    builder = Builder(_text(root, "name") or source.name)
    scope = Scope("", _input(root, values, variables, builder))
    expansion = LayerExpansion(builder, values, diagnostics, variables)
    layers = _value(root, "layers")
    output = None if layers is None else expansion.layers(layers, scope.input, scope)
    heads = {} if output is None else {"main": output}
    recipe, spans = RecipeExpansion(values, diagnostics, variables).recipe(_value(root, "train"))
    expected = expectations(_value(root, "expect"), values, variables, diagnostics)
    _unused_variables(root, values, diagnostics)
    return Spec(
        name=builder.name,
        doc=_text(root, "doc") or "",
        file=source.name,
        text=source.text,
        graph=builder.graph(heads, heads),
        recipe=recipe,
        expectations=expected,
        layers=tuple(expansion.lines),
        recipe_spans=spans,
        overrides=tuple(overrides),
        vars=variables,
        input_span=None if (given := _value(root, "input")) is None else given.span,
    )


def load_spec(source: Source, overrides: Sequence[str] = ()) -> Spec:
    """The spec in ``source``; a ``SpecError`` with every mistake if it has any."""
    diagnostics = Diagnostics()
    spec = read_spec(source, overrides, diagnostics)
    if spec is None or diagnostics.has_errors:
        raise SpecError(diagnostics, {source.name: source.text})
    return spec


def _value(root: tree.Mapping, key: str) -> tree.Node | None:
    entry = root.by_name.get(key)
    return None if entry is None else entry.value


def _check_top(root: tree.Mapping, diagnostics: Diagnostics) -> None:
    for entry in root.entries:
        if entry.name in LATER_TOP_KEYS:
            diagnostics.append(Diagnostic("NS113", entry.key.span, {"feature": entry.name}))
        if entry.name == "netspec" and isinstance(entry.value, tree.Scalar):
            version = entry.value.value
            if isinstance(version, int) and version != LANGUAGE_VERSION:
                fields = {"found": version, "expected": LANGUAGE_VERSION}
                diagnostics.append(Diagnostic("NS114", entry.value.span, fields))


def _text(root: tree.Mapping, key: str) -> str | None:
    node = _value(root, key)
    return node.value if isinstance(node, tree.Scalar) and isinstance(node.value, str) else None


def _variables(root: tree.Mapping, values: Values) -> dict[str, Any]:
    """``vars`` in order; each may use those before it."""
    found: dict[str, Any] = {}
    node = _value(root, "vars")
    for entry in node.entries if isinstance(node, tree.Mapping) else ():
        refused = values.violations.within(entry.value)
        found[entry.name] = UNKNOWN if refused else values.read(entry.value, found)
    return found


def _input(root: tree.Mapping, values: Values, variables: Mapping[str, Any], builder: Builder) -> Value | None:
    node = _value(root, "input")
    if node is None or values.violations.within(node):
        return None
    shape = values.read(node, variables)
    if shape is UNKNOWN or not all(isinstance(side, int | float) and side == int(side) and side > 0 for side in shape):
        return None
    return builder.input("input", TensorType(tuple(int(side) for side in shape)))


def _unused_variables(root: tree.Mapping, values: Values, diagnostics: Diagnostics) -> None:
    node = _value(root, "vars")
    for entry in node.entries if isinstance(node, tree.Mapping) else ():
        if entry.name not in values.used:
            diagnostics.append(Diagnostic("NS117", entry.key.span, {"name": entry.name}))
