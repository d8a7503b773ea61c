"""From text to a :class:`Spec`: parse, override, validate, expand. Everything that is wrong is collected."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import netspec.declarations  # noqa: F401  # declares every op, loss, optimiser, ...
from netspec.core.builder import Builder
from netspec.core.declare import declaration_of
from netspec.core.op import ShapeError
from netspec.core.types import TensorType
from netspec.declarations.recipe import Recipe
from netspec.diagnostics import Diagnostic, Diagnostics, Span, SpecError
from netspec.syntax import tree
from netspec.syntax.expectations import expectations
from netspec.syntax.expressions import is_expression
from netspec.syntax.keys import is_guess
from netspec.syntax.layers import LayerExpansion
from netspec.syntax.schema import LANGUAGE_VERSION, LATER_TOP_KEYS, spec_schema
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec
from netspec.syntax.training import RecipeExpansion
from netspec.syntax.validate import validate
from netspec.syntax.values import UNKNOWN, Values

_NAME = re.compile(r"[^\W\d]\w*")
_GUESSED_SIDE = 720
"""What is taken for a side of the input that is unknown: large enough for most windows, and divided by most strides."""


def read_spec(source: Source, overrides: Sequence[str], diagnostics: Diagnostics) -> Spec | None:
    """The spec in ``source`` with ``name=value`` overrides; ``None`` if the text is not YAML at all.

    A spec with mistakes is returned as far as it could be understood, and ``diagnostics`` says what is wrong.
    """
    parsed = tree.parse(source, diagnostics)
    if parsed is None:
        return None
    root = parsed.root
    if overrides:
        from netspec.syntax.overrides import apply_overrides

        root = apply_overrides(root, overrides, diagnostics)
    root, violations = validate(root, diagnostics)
    if not isinstance(root, tree.Mapping):
        return None
    values = Values(violations, diagnostics)
    _check_top(root, diagnostics)
    variables = _variables(root, values)
    builder = Builder(_text(root, "name") or source.name)
    expansion = LayerExpansion(builder, values, diagnostics, variables, _blocks(root))
    shape, other = _input(_value(root, "input"), values, variables)
    layers = _value(root, "layers")
    network_input = None if shape is None else builder.input("input", shape)
    output = None if layers is None else expansion.network(layers, network_input, other)
    heads = {} if output is None else {"main": output}
    recipe, spans = RecipeExpansion(values, diagnostics, variables).recipe(_value(root, "train"))
    if network_input is not None and other is None and "preprocess" in spans:
        _check_preprocessing(recipe, network_input.type, spans["preprocess"], diagnostics)
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
        complete=expansion.complete and output is not None,
        guessed=frozenset(expansion.others),
        cut=frozenset(expansion.cut),
    )


def load_spec(source: Source, overrides: Sequence[str] = ()) -> Spec:
    """The spec in ``source``; a ``SpecError`` with every mistake if it has any."""
    diagnostics = Diagnostics()
    spec = read_spec(source, overrides, diagnostics)
    if spec is None or diagnostics.has_errors:
        from netspec.syntax.overrides import override_sources

        raise SpecError(diagnostics, {source.name: source.text, **override_sources(overrides)})
    assert spec.complete, "a layer was left out, but no mistake was reported"
    return spec


def _value(root: tree.Mapping, key: str) -> tree.Node | None:
    entry = root.by_name.get(key)
    return None if entry is None else entry.value


def _check_top(root: tree.Mapping, diagnostics: Diagnostics) -> None:
    for entry in root.entries:
        if entry.name in LATER_TOP_KEYS and not is_guess(entry):
            diagnostics.append(Diagnostic("NS113", entry.key.span, {"feature": entry.name}))
        if entry.name == "netspec" and isinstance(entry.value, tree.Scalar):
            version = entry.value.value
            if isinstance(version, int) and version != LANGUAGE_VERSION:
                fields = {"found": version, "expected": LANGUAGE_VERSION}
                diagnostics.append(Diagnostic("NS114", entry.value.span, fields))


def _check_preprocessing(recipe: Recipe, input: TensorType, place: Span, diagnostics: Diagnostics) -> None:
    """Try the transforms on an input of this type: they meet it in the graph only when a step is built."""
    builder = Builder("preprocessing")
    flow = builder.input("input", input)
    for transform in recipe.preprocess:
        try:
            flow = transform.apply(builder, flow)
        except ShapeError as error:
            fields = {"transform": declaration_of(transform).name, **error.fields}
            diagnostics.append(Diagnostic(error.code, place, fields))
            return


def _text(root: tree.Mapping, key: str) -> str | None:
    node = _value(root, key)
    return node.value if isinstance(node, tree.Scalar) and isinstance(node.value, str) else None


def _blocks(root: tree.Mapping) -> frozenset[str]:
    node = _value(root, "blocks")
    return frozenset(node.by_name if isinstance(node, tree.Mapping) else ())


def _variables(root: tree.Mapping, values: Values) -> dict[str, Any]:
    """``vars`` in order; each may use those before it."""
    found: dict[str, Any] = {}
    node = _value(root, "vars")
    for entry in node.entries if isinstance(node, tree.Mapping) else ():
        refused = values.violations.within(entry.value)
        found[entry.name] = UNKNOWN if refused else values.read(entry.value, found)
        if values.is_guess(entry.value):
            values.guessed.add(entry.name)
    return found


def _input(
    node: tree.Node | None, values: Values, variables: Mapping[str, Any]
) -> tuple[TensorType | None, TensorType | None]:
    """The type that ``input`` gives, and another one where some of its sides had to be guessed."""
    if not isinstance(node, tree.Sequence) or values.violations.has(node):
        return None, None
    schema = spec_schema()["properties"]["input"]["items"]
    sides = [values.checked(item, variables, schema, f"input[{i}]") for i, item in enumerate(node.items)]
    known = [side is not UNKNOWN and not values.is_guess(item) for side, item in zip(sides, node.items, strict=True)]
    first = TensorType(tuple(_GUESSED_SIDE if side is UNKNOWN else int(side) for side in sides))
    if all(known):
        return first, None
    second = (side if sure else side + 1 for side, sure in zip(first.shape, known, strict=True))
    return first, TensorType(tuple(second))


def _unused_variables(root: tree.Mapping, values: Values, diagnostics: Diagnostics) -> None:
    """Names that no expression anywhere in the file holds; a refused value, which is not worked out, uses its names."""
    node = _value(root, "vars")
    if not isinstance(node, tree.Mapping):
        return
    used = values.used.union(_names_in_expressions(root))
    for entry in node.entries:
        if entry.name not in used:
            diagnostics.append(Diagnostic("NS117", entry.key.span, {"name": entry.name}))


def _names_in_expressions(node: tree.Node) -> Iterator[str]:
    if isinstance(node, tree.Scalar):
        if is_expression(node):
            yield from _NAME.findall(str(node.value))
    elif isinstance(node, tree.Sequence):
        for item in node.items:
            yield from _names_in_expressions(item)
    else:
        for entry in node.entries:
            yield from _names_in_expressions(entry.key)
            yield from _names_in_expressions(entry.value)
