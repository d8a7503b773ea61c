"""From tree nodes to Python values: expressions are worked out, instances of declarations are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netspec.core.attributes import Attribute
from netspec.core.declare import Declaration
from netspec.diagnostics.collector import Diagnostics
from netspec.diagnostics.model import Diagnostic, Span
from netspec.syntax import expressions, tree
from netspec.syntax.schema import or_expression
from netspec.syntax.validate import Violations, describe


class Unknown:
    """A value that cannot be known: it was refused, or rests on a shape that is unknown. What needs it is silent."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


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
            found = {str(entry.key.value): self.read(entry.value, names) for entry in node.entries}
            return UNKNOWN if any(value is UNKNOWN for value in found.values()) else found
        if not isinstance(node.value, str) or not node.value.startswith("$"):
            return node.value
        if node.value.startswith("$$"):
            return node.value[1:]
        parsed = expressions.parse_expression(node, self.diagnostics)
        if parsed is None:
            return UNKNOWN
        self.used.update(expressions.names(parsed))
        environment = {k: expressions.UNKNOWN if v is UNKNOWN else v for k, v in names.items()}
        value = expressions.evaluate(parsed, environment, self.diagnostics)
        return UNKNOWN if value is expressions.UNKNOWN or value is expressions.FAILED else value

    def attribute(self, attribute: Attribute, node: tree.Node, names: Mapping[str, Any]) -> Any:
        """The Python value of an attribute; ``UNKNOWN`` where it was refused or cannot be known."""
        if any(self.violations.has(part) for part in tree.walk(node)):
            return UNKNOWN
        value = self.read(node, names)
        if value is UNKNOWN:
            return UNKNOWN
        if holds_expression(node) and not self._allowed(attribute, node, value):
            return UNKNOWN
        return attribute.python(value)

    def _allowed(self, attribute: Attribute, node: tree.Node, value: Any) -> bool:
        """Check what an expression came to; what was written plainly has been checked by the schema."""
        from jsonschema import Draft202012Validator  # noqa: PLC0415  # only where there are expressions

        schema = attribute.schema()
        error = next(Draft202012Validator(schema).iter_errors(value), None)
        if error is None:
            return True
        whole = isinstance(value, float) and not value.is_integer() and "integer" in schema["type"]
        fields = {
            "what": repr(attribute.name),
            "arrived": _spell(value),
            "expected": schema["title"],
            "expression": getattr(node, "value", ""),
        }
        limit = error.validator in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
        self.diagnostics.append(Diagnostic("NS109" if limit else "NS108" if whole else "NS102", node.span, fields))
        return False

    def make(
        self, declaration: Declaration, node: tree.Node | None, names: Mapping[str, Any], skip: frozenset[str] = frozenset()
    ) -> Written | None:
        """An instance of the declaration from what stands behind its key; ``None`` if a required value is unknown.

        A refused optional value falls back to the attribute's default, so that the walk can go on.
        """
        values: dict[str, Any] = {}
        spans: dict[str, Span] = {}
        for attribute, given in self._given(declaration, node, skip):
            spans[attribute.name] = given.span
            value = self.attribute(attribute, given, names)
            if value is not UNKNOWN:
                values[attribute.name] = value
        if any(a.required and a.name not in values for a in declaration.attributes):
            if node is None or (isinstance(node, tree.Scalar) and node.value is None):
                return None
            return None
        return Written(declaration.make(**values), spans)

    def _given(
        self, declaration: Declaration, node: tree.Node | None, skip: frozenset[str]
    ) -> list[tuple[Attribute, tree.Node]]:
        if node is None or (isinstance(node, tree.Scalar) and node.value is None):
            return []
        if isinstance(node, tree.Mapping):
            pairs = ((declaration.attribute(str(e.key.value)), e.value) for e in node.entries if e.key.value not in skip)
            return [(attribute, value) for attribute, value in pairs if attribute is not None]
        main = declaration.attribute(declaration.main) if declaration.main else None
        return [(main, node)] if main is not None else []


def holds_expression(node: tree.Node) -> bool:
    """Whether any scalar of the value is an expression."""
    return any(isinstance(p, tree.Scalar) and isinstance(p.value, str) and p.value.startswith("$") for p in tree.walk(node))


def lacks_required(declaration: Declaration, node: tree.Node | None) -> list[str]:
    """Required attributes that a bare op (or one with nothing behind its colon) leaves out."""
    if node is None or (isinstance(node, tree.Scalar) and node.value is None):
        return [a.name for a in declaration.attributes if a.required]
    if isinstance(node, tree.Mapping):
        return []
    return [a.name for a in declaration.attributes if a.required and a.name != declaration.main]


def _spell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


__all__ = ["UNKNOWN", "Unknown", "Values", "Written", "describe", "holds_expression", "lacks_required", "or_expression"]
