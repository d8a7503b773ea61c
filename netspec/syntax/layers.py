"""Expansion of layer lists: one walk that names, types and adds every layer, and collects what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.core.builder import Builder
from netspec.core.declare import REGISTRIES, Declaration
from netspec.core.graph import Node, Value, Where
from netspec.core.op import ShapeError
from netspec.diagnostics.collector import Diagnostics
from netspec.diagnostics.model import Diagnostic, Note, Span
from netspec.syntax import tree
from netspec.syntax.schema import LATER_LAYER_KEYS, MODIFIERS
from netspec.syntax.scope import Scope
from netspec.syntax.spec import LayerLine
from netspec.syntax.suggestions import closest
from netspec.syntax.values import Values, Written, lacks_required

GROUP = "layers"


class LayerExpansion:
    """Walks layer lists and grows the graph in ``builder``."""

    def __init__(self, builder: Builder, values: Values, diagnostics: Diagnostics, variables: Mapping[str, Any]) -> None:
        self._builder = builder
        self._values = values
        self._diagnostics = diagnostics
        self._variables = variables
        self._producers: dict[Value, Node] = {}
        self.lines: list[LayerLine] = []

    def layers(self, node: tree.Node, flow: Value | None, scope: Scope) -> Value | None:
        """Expand a list of layers on ``flow``; returns what leaves it, ``None`` if its shape is unknown."""
        if not isinstance(node, tree.Sequence):
            return None
        for item in node.items:
            flow = self._layer(item, flow, scope)
        return flow

    def _layer(self, node: tree.Node, flow: Value | None, scope: Scope) -> Value | None:
        key, value = self._op_key(node)
        if key is None:
            return None
        name = self._name(node, str(key.value), scope)
        sources = self._sources(node, flow, scope)
        if key.value == GROUP:
            inner = Scope(scope.join(name), sources[0], scope)
            output = self.layers(value, sources[0], inner) if value is not None else sources[0]
            scope.absorb(inner, name)
        else:
            output = self._op(node, key, value, name, sources, scope)
        scope.outputs[name] = output
        return output

    def _op_key(self, node: tree.Node) -> tuple[tree.Scalar | None, tree.Node | None]:
        """The op's key and what stands behind it; none where the layer cannot be read at all."""
        if isinstance(node, tree.Scalar):
            return (node, None) if isinstance(node.value, str) else (None, None)
        if not isinstance(node, tree.Mapping):
            return None, None
        ops = [entry for entry in node.entries if entry.key.value not in MODIFIERS]
        for entry in node.entries:
            if entry.key.value in LATER_LAYER_KEYS:
                self._report("NS113", entry.key.span, key=entry.key.value)
        if not ops:
            self._report("NS103", node.span, key="op", what="the layer", expected="an op such as conv or relu", doc="")
            return None, None
        if len(ops) > 1:
            keys = [str(entry.key.value) for entry in ops]
            self._report("NS105", ops[1].key.span, first=keys[0], second=keys[1], keys=", ".join(keys))
        return ops[0].key, ops[0].value

    def _name(self, node: tree.Node, op: str, scope: Scope) -> str:
        written = tree.entry(node, "name")
        if written is None:
            return scope.name(op)
        value = written.value
        name = str(value.value) if isinstance(value, tree.Scalar) else op
        if self._values.violations.has(value):
            return scope.name(op)
        if name in scope.outputs or name == "input":
            self._report("NS111", value.span, name=name)
            return scope.name(op)
        return name

    def _sources(self, node: tree.Node, flow: Value | None, scope: Scope) -> list[Value | None]:
        """What the layer takes: the flow, or the outputs that ``from`` names."""
        written = tree.entry(node, "from")
        if written is None or self._values.violations.has(written.value):
            return [flow]
        names = written.value.items if isinstance(written.value, tree.Sequence) else (written.value,)
        found: list[Value | None] = []
        for item in names:
            name = str(item.value) if isinstance(item, tree.Scalar) else ""
            if scope.holds(name):
                found.append(scope.look_up(name))
            elif not self._values.violations.has(item):
                guess = closest(name, scope.visible())
                self._report("NS206", item.span, name=name, guess=guess, known=", ".join(scope.visible()[:12]))
                found.append(None)
        return found or [flow]

    def _declaration(self, key: tree.Scalar) -> Declaration | None:
        """The op of that name; a name that is not one was reported by the schema (or is, when it stands bare)."""
        name = str(key.value)
        found = REGISTRIES["op"].get(name)
        if found is not None and found.public:
            return found
        known = [d.name for d in REGISTRIES["op"].public()]
        guess = closest(name, known)
        if key.is_item:
            self._report("NS104", key.span, name=name, key=name, guess=guess, known=", ".join(known))
        return REGISTRIES["op"][guess] if guess else None

    def _op(
        self,
        node: tree.Node,
        key: tree.Scalar,
        value: tree.Node | None,
        name: str,
        sources: list[Value | None],
        scope: Scope,
    ) -> Value | None:
        declaration = self._declaration(key)
        if declaration is None:
            return None
        merges, branches = declaration.has("merges"), []
        if merges:
            branches = _branches(declaration, value)
            outputs = [self._branch(branch, body, sources[0], name, scope) for branch, body in branches]
            if bool(branches) == (len(sources) > 1):
                self._report("NS211", key.span, op=declaration.name)
                return None
            sources = outputs or sources
        elif len(sources) > 1:
            self._report("NS211", key.span, op=declaration.name)
            return None
        channels = sources[0].type.channels if sources[0] is not None else None
        written = self._attributes(declaration, key, value, channels, frozenset(b for b, _ in branches))
        line = key.span.until(value.span) if value is not None else key.span
        output = self._add(written, sources, scope.join(name), Where(line, {} if written is None else written.spans))
        self.lines.append(LayerLine(scope.join(name), key.span, output))
        return output

    def _branch(self, name: str, body: tree.Node, flow: Value | None, merge: str, scope: Scope) -> Value | None:
        inner = Scope(scope.join(f"{merge}/{name}"), flow, scope)
        output = self.layers(body, flow, inner)
        scope.absorb(inner, f"{merge}/{name}")
        return output

    def _attributes(
        self,
        declaration: Declaration,
        key: tree.Scalar,
        value: tree.Node | None,
        channels: int | None,
        branches: frozenset[str],
    ) -> Written | None:
        if isinstance(value, tree.Sequence) and declaration.has("merges"):
            value = None
        for missing in lacks_required(declaration, value):
            attribute = declaration.attribute(missing)
            assert attribute is not None
            title = attribute.schema()["title"]
            self._report("NS103", key.span, key=missing, what=repr(declaration.name), expected=title, doc=attribute.doc)
        names = {**self._variables, "channels": self._values.unknown if channels is None else channels}
        return self._values.make(declaration, value, names, branches)

    def _add(self, written: Written | None, sources: list[Value | None], path: str, where: Where) -> Value | None:
        """Add the op to the graph; ``None`` where its attributes or inputs are unknown, or where it refuses them."""
        inputs = [source for source in sources if source is not None]
        if written is None or len(inputs) < len(sources):
            return None
        self._builder.path, self._builder.where = path, where
        try:
            node = self._builder.layer(written.instance, *inputs)
        except ShapeError as error:
            self._refused(error, inputs, path, where)
            return None
        self._producers.update(dict.fromkeys(node.outputs, node))
        return node.output

    def _refused(self, error: ShapeError, inputs: list[Value], path: str, where: Where) -> None:
        notes = tuple(note for note in (self._made_by(value) for value in inputs) if note is not None)
        fields = {**error.fields, "name": path.rsplit("/", 1)[-1]}
        span = where.of(error.attr)
        self._diagnostics.append(
            Diagnostic(error.code, span, fields, notes=notes, formula=error.formula, help=error.help)
        )

    def _made_by(self, value: Value) -> Note | None:
        """The layer that made the shape: the last one that changed it."""
        node = self._producers.get(value)
        while node is not None and node.data and node.data[0].type.shape == node.output.type.shape:
            earlier = self._producers.get(node.data[0])
            if earlier is None:
                break
            node = earlier
        if node is None or node.where is None:
            return None
        layer = node.where.layer
        span = Span(layer.file, layer.line, layer.column, layer.line, layer.column + len(node.op.name))
        return Note(span, f"{node.path.rsplit('/', 1)[-1]!r} makes {node.output.type.plain()} here")

    def _report(self, code: str, span: Span, **fields: object) -> None:
        self._diagnostics.append(Diagnostic(code, span, fields))


def _branches(declaration: Declaration, value: tree.Node | None) -> list[tuple[str, tree.Node]]:
    """Branches of a merge: what stands under its key and is not one of its attributes."""
    if isinstance(value, tree.Sequence):
        return [(str(index), item) for index, item in enumerate(value.items)]
    if isinstance(value, tree.Mapping):
        names = {a.name for a in declaration.attributes}
        return [(str(e.key.value), e.value) for e in value.entries if e.key.value not in names]
    return []
