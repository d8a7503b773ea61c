"""From tree nodes to Python values: expressions are worked out, instances of declarations are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netspec.core.attributes import Attribute
from netspec.core.declare import Declaration
from netspec.diagnostics import Diagnostic, Diagnostics, Span
from netspec.syntax import tree
from netspec.syntax.evaluation import FAILED, UNKNOWN, evaluate
from netspec.syntax.expressions import is_expression, parse_expression, plain_text
from netspec.syntax.expressions import names as expression_names
from netspec.syntax.validate import Violations, missing_key, wrong_value

__all__ = ["UNKNOWN", "Values", "Written"]


@dataclass(frozen=True, slots=True)
class Written:
    """An instance of a declaration with the span of each attribute that was written."""

    instance: Any
    spans: Mapping[str, Span]


@dataclass(slots=True)
class Values:
    """Reads values in a scope of names; what is wrong goes to ``diagnostics``."""

    violations: Violations
    diagnostics: Diagnostics
    used: set[str]
    """Names of variables that some expression read."""

    def read(self, node: tree.Node, names: Mapping[str, Any]) -> Any:
        """The plain value of a node with its expressions worked out; ``UNKNOWN`` if any part is."""
        if isinstance(node, tree.Sequence):
            items = [self.read(item, names) for item in node.items]
            return UNKNOWN if any(item is UNKNOWN for item in items) else items
        if isinstance(node, tree.Mapping):
            found = {entry.name: self.read(entry.value, names) for entry in node.entries}
            return UNKNOWN if any(value is UNKNOWN for value in found.values()) else found
        if not is_expression(node):
            return plain_text(node.value) if isinstance(node.value, str) else node.value
        parsed = parse_expression(node, self.diagnostics)
        if parsed is None:
            return UNKNOWN
        self.used.update(expression_names(parsed))
        value = evaluate(parsed, names, self.diagnostics)
        return UNKNOWN if value is FAILED else value

    def attribute(self, attribute: Attribute, node: tree.Node, names: Mapping[str, Any]) -> Any:
        """The Python value of an attribute; ``UNKNOWN`` where it was refused or cannot be known."""
        if self.violations.within(node):
            return UNKNOWN
        value = self.read(node, names)
        if value is UNKNOWN or (_holds_expression(node) and not self._allowed(attribute, node, value)):
            return UNKNOWN
        return attribute.python(value)

    def _allowed(self, attribute: Attribute, node: tree.Node, value: Any) -> bool:
        """Check what an expression came to; what was written plainly has been checked by the schema."""
        from jsonschema import Draft202012Validator

        schema = attribute.schema()
        error = next(Draft202012Validator(schema).iter_errors(value), None)
        if error is None:
            return True
        if isinstance(value, float) and not value.is_integer() and "integer" in schema["type"]:
            fields = {"what": attribute.name, "expected": schema["title"], "result": value, "advice": _WHOLE}
            self.diagnostics.append(Diagnostic("NS108", node.span, fields))
        else:
            error.path.appendleft(attribute.name)
            self.diagnostics.extend(wrong_value(error, node))
        return False

    def make(
        self, declaration: Declaration, node: tree.Node | None, names: Mapping[str, Any], place: Span
    ) -> Written | None:
        """An instance of the declaration from what stands behind its key; ``None`` if a required value is unknown.

        ``place`` is where to say that one is missing. A refused optional value falls back to its default, so that
        the walk can go on.
        """
        values: dict[str, Any] = {}
        spans: dict[str, Span] = {}
        given = _given(declaration, node)
        for attribute in declaration.attributes:
            if attribute.name not in given:
                if attribute.required and not isinstance(node, tree.Mapping):  # of a mapping the schema said it
                    where = f"'{declaration.name}'"
                    self.diagnostics.append(missing_key(attribute.name, attribute.schema(), where, place))
                continue
            written = given[attribute.name]
            spans[attribute.name] = written.span
            value = self.attribute(attribute, written, names)
            if value is not UNKNOWN:
                values[attribute.name] = value
        if any(a.required and a.name not in values for a in declaration.attributes):
            return None
        return Written(declaration.make(**values), spans)


_WHOLE = "use //, floor, ceil or round"


def _given(declaration: Declaration, node: tree.Node | None) -> dict[str, tree.Node]:
    """Attribute values as written: by name, or the main one alone."""
    if node is None or (isinstance(node, tree.Scalar) and node.value is None):
        return {}
    if isinstance(node, tree.Mapping):
        return {e.name: e.value for e in node.entries if declaration.attribute(e.name) is not None}
    return {declaration.main: node} if declaration.main is not None else {}


def _holds_expression(node: tree.Node) -> bool:
    """Whether any scalar of the value is an expression."""
    if isinstance(node, tree.Sequence):
        return any(_holds_expression(item) for item in node.items)
    return is_expression(node)
