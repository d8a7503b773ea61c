"""Expansion of layer lists: one walk that names, types and adds every layer, and collects what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.core.builder import Builder
from netspec.core.declare import REGISTRIES, Declaration
from netspec.core.formulas import times
from netspec.core.graph import Node, Value, Where
from netspec.core.op import ShapeError
from netspec.diagnostics import Diagnostic, Diagnostics, Note, Span
from netspec.syntax import tree
from netspec.syntax.schema import ALIASES, LATER_LAYER_KEYS, MODIFIERS
from netspec.syntax.scope import Scope
from netspec.syntax.spec import LayerLine
from netspec.syntax.suggestions import closest
from netspec.syntax.values import UNKNOWN, Values, Written

GROUP = "layers"


class LayerExpansion:
    """Walks layer lists and grows the graph in ``builder``."""

    def __init__(
        self, builder: Builder, values: Values, diagnostics: Diagnostics, variables: Mapping[str, Any]
    ) -> None:
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
            output = self._op(key, value, name, sources, scope)
        scope.outputs[name] = output
        return output

    def _op_key(self, node: tree.Node) -> tuple[tree.Scalar | None, tree.Node | None]:
        """The op's key and what stands behind it; none where the layer cannot be read at all."""
        if isinstance(node, tree.Scalar):
            return (node, None) if isinstance(node.value, str) else (None, None)
        if not isinstance(node, tree.Mapping):
            return None, None
        for key in LATER_LAYER_KEYS:
            if key in node.by_name:
                self._report("NS113", node.by_name[key].key.span, feature=key)
        ops = [entry for entry in node.entries if entry.name not in MODIFIERS]
        if not ops:
            self._report("NS103", node.span, key="an op", where="a layer")
            return None, None
        if len(ops) > 1:
            self._report("NS105", ops[1].key.span, ops=[entry.name for entry in ops])
        return ops[0].key, ops[0].value

    def _name(self, node: tree.Node, op: str, scope: Scope) -> str:
        """The layer's name: as written if that can be used, else by its op."""
        entry = node.by_name.get("name") if isinstance(node, tree.Mapping) else None
        if entry is None or self._values.violations.has(entry.value) or not isinstance(entry.value, tree.Scalar):
            return scope.name(op)
        name = str(entry.value.value)
        if name in scope.outputs or name == "input":
            self._report("NS111", entry.value.span, name=name, suggestion=scope.free(name))
            return scope.name(op)
        return name

    def _sources(self, node: tree.Node, flow: Value | None, scope: Scope) -> list[Value | None]:
        """What the layer takes: the flow, or the outputs that ``from`` names."""
        entry = node.by_name.get("from") if isinstance(node, tree.Mapping) else None
        if entry is None or self._values.violations.within(entry.value):
            return [flow]
        items = entry.value.items if isinstance(entry.value, tree.Sequence) else (entry.value,)
        found: list[Value | None] = []
        for item in items:
            name = str(item.value) if isinstance(item, tree.Scalar) else ""
            if scope.holds(name):
                found.append(scope.look_up(name))
                continue
            visible = scope.visible()
            self._report("NS206", item.span, name=name, suggestion=closest(name, visible), known=visible[-12:])
            found.append(None)
        return found

    def _declaration(self, key: tree.Scalar, bare: bool) -> Declaration | None:
        """The op of that name, or the likeliest one; a bare name is reported here, a key was by the schema."""
        name = str(key.value)
        found = REGISTRIES["op"].get(name)
        if found is not None and found.public:
            return found
        suggestion = closest(name, [d.name for d in REGISTRIES["op"].public()], ALIASES)
        if bare:
            self._report("NS104", key.span, name=name, suggestion=suggestion)
        return REGISTRIES["op"][suggestion] if suggestion else None

    def _op(
        self,
        key: tree.Scalar,
        value: tree.Node | None,
        name: str,
        sources: list[Value | None],
        scope: Scope,
    ) -> Value | None:
        declaration = self._declaration(key, bare=value is None)
        if declaration is None:
            return None
        branches = _branches(declaration, value) if declaration.has("merges") else []
        merged = [self._branch(branch, body, sources[0], name, scope) for branch, body in branches]
        given = _misuse(declaration, merged, sources)
        if given is not None:
            self._report("NS211", key.span, layer=name, given=given)
            return None
        sources = merged or sources
        if isinstance(value, tree.Sequence) and declaration.has("merges"):
            value = None
        channels = sources[0].type.channels if sources[0] is not None else UNKNOWN
        written = self._values.make(declaration, value, {**self._variables, "channels": channels}, key.span)
        line = key.span if value is None else key.span.until(value.span)
        where = Where(line, {} if written is None else written.spans)
        output = self._add(written, sources, scope.join(name), where)
        self.lines.append(LayerLine(scope.join(name), key.span, output))
        return output

    def _branch(self, name: str, body: tree.Node, flow: Value | None, merge: str, scope: Scope) -> Value | None:
        inner = Scope(scope.join(f"{merge}/{name}"), flow, scope)
        output = self.layers(body, flow, inner)
        scope.absorb(inner, f"{merge}/{name}")
        return output

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
        shape = inputs[0].type.spatial if error.attr and inputs[0].type.spatial else inputs[0].type.shape
        fields = {"layer": path.rsplit("/", 1)[-1], "input": times(shape), **error.fields}
        self._diagnostics.append(Diagnostic(error.code, where.of(error.attr), fields, notes, error.formula))

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
        return [(e.name, e.value) for e in value.entries if declaration.attribute(e.name) is None]
    return []


def _misuse(declaration: Declaration, merged: list[Value | None], sources: list[Value | None]) -> str | None:
    """What is wrong with where the inputs come from; ``None`` if nothing is."""
    if not declaration.has("merges"):
        return f"{len(sources)} layers in 'from', of which it can take one" if len(sources) > 1 else None
    if merged and len(sources) > 1:
        return "both"
    return "neither" if not merged and len(sources) < 2 else None
