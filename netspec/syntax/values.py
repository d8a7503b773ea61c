"""From tree nodes to Python values: expressions are worked out, instances of declarations are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from netspec.core.attributes import Attribute
from netspec.core.declare import Declaration
from netspec.diagnostics import Diagnostic, Diagnostics, Note, Span
from netspec.syntax import tree
from netspec.syntax.environment import Environment
from netspec.syntax.evaluation import FAILED, UNKNOWN, evaluate, mend_names
from netspec.syntax.expressions import ExpressionTree, expression_words, is_expression, parse_expression, plain_text
from netspec.syntax.keys import is_guess
from netspec.syntax.validate import Violations, closest_choice, missing_key, wrong_value
from netspec.syntax.validate import errors as schema_errors

__all__ = ["UNKNOWN", "Values", "Written"]

_WHOLE = "use //, floor, ceil or round"


LayerShapes = Callable[[tree.Node, str], Any]
"""The shape of the layer that a node names, as the attribute of that name wants it; ``UNKNOWN`` if it is not known."""


class Written(NamedTuple):
    """An instance of a declaration with the span of each attribute that was written.

    ``other`` is None where all is as written. Where an attribute had to be guessed, it is the same with other guesses.
    """

    instance: Any
    spans: Mapping[str, Span]
    other: Any = None


class Values:
    """Reads values under the names of an environment; what is wrong goes to ``diagnostics``.

    ``dialect`` gives the defaults of what is not written.
    """

    def __init__(self, violations: Violations, diagnostics: Diagnostics, dialect: str = "textbook") -> None:
        self.violations = violations
        self.diagnostics = diagnostics
        self.dialect = dialect
        self.used: set[str] = set()
        """Names of variables that some expression read."""
        self._guesses: set[int] = set()  # nodes, by identity, whose value rests on one
        self._blamed: set[Span] = set()
        self._fitting: dict[tuple[object, ...], Mapping[str, Any]] = {}
        """Values that a schema allows; it is kept with them, so that its identity stays its own."""
        self._parsed: dict[int, ExpressionTree | None] = {}  # by the identity of the node, which the file's tree keeps

    def is_guess(self, node: tree.Node) -> bool:
        """Whether the value that was read at the node rests on a guess."""
        if isinstance(node, tree.Sequence):
            return any(map(self.is_guess, node.items))
        return id(node) in self._guesses

    def read(self, node: tree.Node, names: Environment) -> Any:
        """The plain value of a node with its expressions worked out; ``UNKNOWN`` if any part is."""
        if isinstance(node, tree.Sequence):
            items = [self.read(item, names) for item in node.items]
            return UNKNOWN if any(item is UNKNOWN for item in items) else items
        if isinstance(node, tree.Mapping):
            found = {entry.name: self.read(entry.value, names) for entry in node.entries}
            return UNKNOWN if any(value is UNKNOWN for value in found.values()) else found
        if not is_expression(node):
            return plain_text(node.value) if isinstance(node.value, str) else node.value
        return self._expression(node, names)

    def _expression(self, node: tree.Scalar, names: Environment) -> Any:
        if id(node) not in self._parsed:
            self._parsed[id(node)] = parse_expression(node, self.diagnostics)
        parsed = self._parsed[id(node)]
        if parsed is None:
            return UNKNOWN
        wanted = parsed.names
        self.used.update(wanted)
        if not names.guessed.isdisjoint(wanted):
            self._guesses.add(id(node))
        values = names.values
        if not values.keys() >= set(wanted):
            guesses = mend_names(parsed, values, self.diagnostics)
            self.used.update(guesses.values())
            self._guesses.add(id(node))
            values = {**values, **{wrong: values[right] for wrong, right in guesses.items()}}
            if not values.keys() >= set(wanted):
                return UNKNOWN
        if parsed.root.kind == "name":  # most are, and nothing can go wrong
            value = values[parsed.root.operator]
            return UNKNOWN if value is FAILED else value
        found = Diagnostics()
        value = evaluate(parsed, values, found)
        for diagnostic in found:
            carried = self._carried(parsed, names) if diagnostic.code == "NS108" else None
            self._refuse(diagnostic, carried or diagnostic.span)
        return UNKNOWN if value is FAILED else value

    def _carried(self, parsed: ExpressionTree, names: Environment) -> Span | None:
        """Where the argument is written in a call that an expression cannot reckon with."""
        for name in parsed.names if names.origins else ():
            if name in names.origins and type(names.values.get(name)) not in (int, float):
                return names.origins[name]
        return None

    def _refuse(self, diagnostic: Diagnostic, place: Span) -> None:
        """Report a wrong value at its place; what an argument of a block carries is reported once."""
        if place != diagnostic.span:
            if place in self._blamed:
                return
            self._blamed.add(place)
            use = Note(diagnostic.span, "goes in here")
            diagnostic = replace(diagnostic, span=place, notes=(*diagnostic.notes, use))
        self.diagnostics.append(diagnostic)

    def place(self, node: tree.Node, names: Environment) -> Span:
        """Where to say that a value is wrong: where it is written, or where the one argument is that it comes from."""
        if names.origins and is_expression(node):
            carriers = [word for word in expression_words(node) if word in names.origins]
            if len(set(carriers)) == 1:
                return names.origins[carriers[0]]
        return node.span

    def checked(self, node: tree.Node, names: Environment, schema: Mapping[str, Any], what: str) -> Any:
        """The plain value of a node under ``schema``; ``UNKNOWN`` where it was refused or cannot be known."""
        if self.violations.within(node):
            return UNKNOWN
        value = self.read(node, names)
        # What was written plainly has been checked by the schema; what an expression comes to has not.
        if value is UNKNOWN or (_holds_expression(node) and not self._allowed(schema, what, node, value, names)):
            return UNKNOWN
        return value

    def _allowed(self, schema: Mapping[str, Any], what: str, node: tree.Node, value: Any, names: Environment) -> bool:
        known = (id(schema), type(value), value if isinstance(value, int | float | str) else None)
        if known in self._fitting:
            return True
        error = next(schema_errors(value, schema), None)
        if error is None:
            if known[2] is not None:
                self._fitting[known] = schema
            return True
        found = error.instance
        if isinstance(found, float) and not found.is_integer() and "integer" in error.schema["type"]:
            fields = {"what": what, "expected": error.schema["title"], "result": found, "advice": _WHOLE}
            self._refuse(Diagnostic("NS108", node.span, fields), self.place(node, names))
        else:
            found_at = tree.find(node, error.absolute_path)
            error.path.appendleft(what)
            wrong = node if found_at is None else found_at.node
            for diagnostic in wrong_value(error, wrong):
                self._refuse(diagnostic, self.place(wrong, names))
        return False

    def make(
        self,
        declaration: Declaration,
        node: tree.Node | None,
        names: Environment,
        place: Span,
        layer_shape: LayerShapes | None = None,
    ) -> Written:
        """An instance of the declaration from what stands behind its key.

        ``place`` is where to say that a required attribute is missing. Where a value is refused or unknown, the closest
        choice, the default or a stand-in takes its place, and another one in ``other``.
        """
        first: dict[str, Any] = {}
        second: dict[str, Any] = {}
        given = _given(declaration, node)
        for attribute in declaration.attributes:
            entry = given.get(attribute.name)
            if entry is not None:
                value = self._attribute(attribute, entry.value, names, layer_shape)
                if value is not UNKNOWN and not self.is_guess(entry.value) and not is_guess(entry):
                    first[attribute.name] = value
                    continue
            elif attribute.required:
                value = UNKNOWN
                if not isinstance(node, tree.Mapping):  # of a mapping the schema said it
                    where = f"'{declaration.name}'"
                    self.diagnostics.append(missing_key(attribute.name, attribute.schema(), where, place))
            else:
                if self.dialect in attribute.dialects:
                    first[attribute.name] = attribute.dialects[self.dialect]
                continue
            first[attribute.name], second[attribute.name] = _guesses(attribute, value, entry)
        spans = {name: self.place(entry.value, names) for name, entry in given.items()}
        return Written(declaration.make(**first), spans, declaration.make(**{**first, **second}) if second else None)

    def _attribute(
        self, attribute: Attribute, node: tree.Node, names: Environment, layer_shape: LayerShapes | None
    ) -> Any:
        """The Python value of an attribute; ``UNKNOWN`` where it was refused or cannot be known."""
        if attribute.kind == "LayerShape" and layer_shape is not None:
            name = self.checked(node, names, attribute.schema(), attribute.name)
            return UNKNOWN if name is UNKNOWN else layer_shape(node, attribute.name)
        if not self.violations.within(node) and not _holds_expression(node):
            return attribute.python(self.read(node, names))
        value = self.checked(node, names, attribute.schema(), attribute.name)
        return value if value is UNKNOWN else attribute.python(value)


def _guesses(attribute: Attribute, value: Any, entry: tree.Entry | None) -> tuple[Any, Any]:
    """Two guesses at an attribute: the value if there is one, the closest choice or a stand-in; and another."""
    from netspec.syntax.guesses import another, stand_in

    if value is UNKNOWN:
        written = entry.value.value if entry is not None and isinstance(entry.value, tree.Scalar) else None
        value = closest_choice(written, attribute.schema()) or stand_in(attribute)
    return value, another(attribute, value)


def _given(declaration: Declaration, node: tree.Node | None) -> Mapping[str, tree.Entry]:
    """Attributes as written: by name, or the main one alone."""
    if node is None or (isinstance(node, tree.Scalar) and node.value is None):
        return {}
    if isinstance(node, tree.Mapping):
        return {e.name: e for e in node.entries if declaration.attribute(e.name) is not None}
    if declaration.main is None:
        return {}
    key = tree.Scalar(declaration.main, node.span, declaration.main, "plain")
    return {declaration.main: tree.Entry(declaration.main, key, node)}


def _holds_expression(node: tree.Node) -> bool:
    """Whether any scalar of the value is an expression."""
    if isinstance(node, tree.Sequence):
        return any(map(_holds_expression, node.items))
    return is_expression(node)
