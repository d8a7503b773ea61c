"""Expansion of ``expect:``: what the spec says of itself, for the linter to check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from netspec.core.quantities import quantity
from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.syntax import tree
from netspec.syntax.environment import Environment
from netspec.syntax.scalars import describe
from netspec.syntax.spec import Expectation
from netspec.syntax.values import UNKNOWN, Values
from netspec.syntax.vocabulary import TOTALS


def expectations(
    node: tree.Node | None, values: Values, variables: Environment, diagnostics: Diagnostics
) -> tuple[Expectation, ...]:
    """Every expectation that can be read; a number that is none is NS102 at its place."""
    if not isinstance(node, tree.Mapping):
        return ()
    found: list[Expectation] = []
    for entry in node.entries:
        key, value = entry.name, entry.value
        if values.violations.within(value):
            continue
        if key == "output" and isinstance(value, tree.Mapping):
            for head in value.entries:
                found.extend(_shape("output", head.name, head.value, values, variables))
        elif key == "output":
            found.extend(_shape("output", "main", value, values, variables))
        elif key == "shapes" and isinstance(value, tree.Mapping):
            for layer in value.entries:
                found.extend(_shape("shape", layer.name, layer.value, values, variables))
        elif key == "train_only" and isinstance(value, tree.Mapping):
            for total in (each for each in value.entries if each.name in TOTALS):
                found.extend(_total("train_only", total.name, total.value, values, variables, diagnostics))
        elif key in TOTALS:
            found.extend(_total("total", key, value, values, variables, diagnostics))
    return tuple(found)


def _shape(
    kind: Literal["output", "shape"], subject: str, node: tree.Node, values: Values, variables: Environment
) -> Iterator[Expectation]:
    shape = values.checked(node, variables, _SHAPE, subject)
    if shape is not UNKNOWN and not values.is_guess(node):
        yield Expectation(kind, subject, None, None, tuple(int(side) for side in shape), node.span)


def _total(
    kind: Literal["total", "train_only"],
    key: str,
    node: tree.Node,
    values: Values,
    variables: Environment,
    diagnostics: Diagnostics,
) -> Iterator[Expectation]:
    if isinstance(node, tree.Mapping):
        bounds = [(node.by_name[name].value if name in node.by_name else None) for name in ("min", "max")]
    else:
        bounds = [node, node]
    low, high = (None if b is None else _number(key, b, values, variables, diagnostics) for b in bounds)
    if low is not None and high is not None and low > high:
        fields = {"what": key, "minimum": f"{low:,}", "maximum": f"{high:,}"}
        diagnostics.append(Diagnostic("NS242", node.span, fields))
    elif low is not None or high is not None:
        yield Expectation(kind, key, low, high, None, node.span)


def _number(
    key: str, node: tree.Node, values: Values, variables: Environment, diagnostics: Diagnostics
) -> float | None:
    """A number, maybe with k, M or G behind it."""
    value = values.read(node, variables)
    if value is UNKNOWN or values.is_guess(node):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    number = quantity(str(value))
    if number is None:
        fields = {"what": key, "found": describe(value), "expected": "a number such as 61706 or 1.2M"}
        diagnostics.append(Diagnostic("NS102", node.span, fields))
    return number


_SHAPE = {
    "type": ["array"],
    "title": "a shape: a list of whole numbers",
    "items": {"type": ["integer"], "title": "a whole number"},
}
