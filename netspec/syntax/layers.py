"""Expansion of layer lists: one walk that names, types and adds every layer, and collects what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from netspec.core.builder import Builder
from netspec.core.declare import REGISTRIES, Declaration
from netspec.core.formulas import times
from netspec.core.graph import Node, Value, Where
from netspec.core.op import ShapeError
from netspec.core.types import TensorType
from netspec.diagnostics import Diagnostic, Diagnostics, Note, Span
from netspec.syntax import tree
from netspec.syntax.expressions import is_expression
from netspec.syntax.keys import is_guess
from netspec.syntax.schema import ALIASES, GROUP, LATER_LAYER_KEYS, MODIFIERS
from netspec.syntax.scope import Scope
from netspec.syntax.spec import LayerLine
from netspec.syntax.suggestions import closest
from netspec.syntax.values import UNKNOWN, Values, Written


class _Op(NamedTuple):
    """The op of a layer: its name, where that is written, what stands behind it, whether the name is a guess."""

    name: str
    key: tree.Scalar
    value: tree.Node | None
    guess: bool


class LayerExpansion:
    """Walks layer lists and grows the graph in ``builder``. What is guessed after a mistake: see `guesses`."""

    def __init__(
        self,
        builder: Builder,
        values: Values,
        diagnostics: Diagnostics,
        variables: Mapping[str, Any],
        blocks: frozenset[str] = frozenset(),
    ) -> None:
        self._builder = builder
        self._values = values
        self._diagnostics = diagnostics
        self._environment = {**variables, "channels": UNKNOWN}
        self._blocks = blocks
        self._producers: dict[Value, Node] = {}
        self._written_names: frozenset[str] | None = None
        self._root: tree.Node | None = None
        self._side = 1
        self.lines: list[LayerLine] = []
        self.complete = True
        self.others: dict[Value, TensorType] = {}
        """The second version of each shape that rests on a guess."""
        self.cut: set[Value] = set()
        """What goes into layers that are not in the graph."""

    def network(self, node: tree.Node, input: Value | None, other: TensorType | None = None) -> Value | None:
        """Expand the layers of the file; ``other`` is the second version of an input that rests on a guess."""
        self._root = node
        self._side = max((input.type.spatial if input is not None else ()), default=1)
        if input is not None and other is not None:
            self._doubt(input, other)
        return self._list(node, input, Scope("", input))

    def _list(self, node: tree.Node, flow: Value | None, scope: Scope) -> Value | None:
        """Expand a list of layers on ``flow``; returns what leaves it, ``None`` if its shape is unknown."""
        if not isinstance(node, tree.Sequence):
            return self._unknown(flow)
        for item in node.items:
            ops = self._ops(item)
            if not ops:
                flow = self._unknown(flow)
            for position, op in enumerate(ops):  # several are a mistake, and probably a layer each
                flow = self._layer(item if position == 0 else op.key, op, flow, scope)
        return flow

    def _layer(self, node: tree.Node, op: _Op, flow: Value | None, scope: Scope) -> Value | None:
        name = self._name(node, op.name, scope)
        sources = self._sources(node, flow, scope)
        if op.name == GROUP:
            if len(sources) > 1:
                self._report("NS211", op.key.span, layer=name, count=len(sources))
            inner = Scope(scope.join(name), sources[0], scope)
            output = self._list(op.value or op.key, sources[0], inner)
            scope.absorb(inner, name)
        else:
            output = self._op(op, name, sources, scope)
        scope.outputs[name] = output
        self.lines.append(LayerLine(scope.join(name), op.key.span, output))
        return output

    def _ops(self, node: tree.Node) -> list[_Op]:
        """The op of a layer; none where it cannot be read at all, several where dashes are missing."""
        if isinstance(node, tree.Scalar):
            return [self._bare(node)] if isinstance(node.value, str) else []
        if not isinstance(node, tree.Mapping):
            return []
        for key in LATER_LAYER_KEYS:
            if key in node.by_name and not is_guess(node.by_name[key]):
                self._report("NS113", node.by_name[key].key.span, feature=key)
        entries = [entry for entry in node.entries if entry.name not in MODIFIERS]
        if not entries:
            self._report("NS103", node.span, key="an op", where="a layer")
        known = [entry for entry in entries if entry.name == GROUP or _declared(entry.name)]
        if len(known) > 1:
            self._report("NS105", known[1].key.span, ops=[entry.name for entry in known])
        return [_Op(e.name, e.key, e.value, is_guess(e)) for e in known or entries[:1]]

    def _bare(self, key: tree.Scalar) -> _Op:
        """The op that stands alone; of a misspelt one the likeliest."""
        name = str(key.value)
        if _declared(name) or name in self._blocks:
            return _Op(name, key, None, False)
        if is_expression(key):
            self._report("NS113", key.span, feature="an op named by an expression")
            return _Op(name, key, None, False)
        known = [declaration.name for declaration in REGISTRIES["op"].public()]
        guess = closest(name, known, ALIASES) or closest(name, self._blocks)
        self._report("NS104", key.span, name=name, suggestion=guess, blocks=sorted(self._blocks) or None)
        return _Op(guess or name, key, None, True)

    def _name(self, node: tree.Node, op: str, scope: Scope) -> str:
        """The layer's name: as written if that is free, else by its op."""
        entry = node.by_name.get("name") if isinstance(node, tree.Mapping) else None
        if entry is None or not isinstance(entry.value, tree.Scalar):
            return scope.name(op)
        name = str(entry.value.value)
        if name in scope.outputs or name == "input":
            self._report("NS111", entry.value.span, name=name, suggestion=scope.free(name))
            return f"{scope.free(name)} "  # nobody can write a name that ends in a blank
        return name

    def _sources(self, node: tree.Node, flow: Value | None, scope: Scope) -> list[Value | None]:
        """What the layer takes: the flow, or the outputs that ``from`` names."""
        entry = node.by_name.get("from") if isinstance(node, tree.Mapping) else None
        if entry is None or self._values.violations.within(entry.value):
            return [flow]
        items = entry.value.items if isinstance(entry.value, tree.Sequence) else (entry.value,)
        return [self._source(item, flow, scope) for item in items]

    def _source(self, node: tree.Node, flow: Value | None, scope: Scope) -> Value | None:
        name = str(node.value) if isinstance(node, tree.Scalar) else ""
        if scope.holds(name):
            return scope.look_up(name)
        later = name if name in self._names_written() else None
        visible = scope.visible()
        guess = None if later else closest(name, visible)
        self._report("NS206", node.span, name=name, later=later, suggestion=guess, known=visible[:12])
        meant = None if guess is None else scope.look_up(guess)
        if meant is None or flow is None:
            return self._unknown(flow)
        self.complete = False
        self.cut.update((meant, flow))
        return self._doubt(self._builder.value(name, meant.type), self.others.get(flow, flow.type))

    def _names_written(self) -> frozenset[str]:
        """All names that layers of the file are given; looked for when one is not found where it should be."""
        if self._written_names is None:
            self._written_names = frozenset(() if self._root is None else _names(self._root))
        return self._written_names

    def _op(self, op: _Op, name: str, sources: list[Value | None], scope: Scope) -> Value | None:
        declaration = REGISTRIES["op"].get(op.name)
        if declaration is None or not declaration.public:
            return self._unknown(sources[0])
        merges = declaration.has("merges")
        branches = _branches(declaration, op.value) if merges else []
        merged = [self._branch(branch, body, sources[0], name, scope) for branch, body in branches]
        if len(sources) > 1 and not merges:
            self._report("NS211", op.key.span, layer=name, count=len(sources))
            del sources[1:]
        elif merges and bool(merged) == (len(sources) > 1):
            self._report("NS211", op.key.span, layer=name, given="both" if merged else "neither")
            return self._unknown(sources[0])
        value = None if merges and isinstance(op.value, tree.Sequence) else op.value
        sources = merged or sources
        self._environment["channels"] = self._channels(sources[0])
        written = self._values.make(declaration, value, self._environment, op.key.span)
        line = op.key.span if op.value is None else op.key.span.until(op.value.span)
        known = [source for source in sources if source is not None]
        if len(known) < len(sources) and not (merges and known):
            output = self._unknown(None)
        else:
            certain = written.other is None and not op.guess and len(known) == len(sources)
            output = self._add(written, known, scope.join(name), Where(line, written.spans), certain)
            if op.guess and output is not None:  # the other version: as if the layer were not there
                self._doubt(output, self.others.get(known[0], known[0].type))
        return output

    def _channels(self, value: Value | None) -> Any:
        """How many channels come in, for expressions."""
        if value is None or self.others.get(value, value.type).channels != value.type.channels:
            return UNKNOWN
        return value.type.channels

    def _branch(self, name: str, body: tree.Node, flow: Value | None, merge: str, scope: Scope) -> Value | None:
        inner = Scope(scope.join(f"{merge}/{name}"), flow, scope)
        output = self._list(body, flow, inner)
        scope.absorb(inner, f"{merge}/{name}")
        return output

    def _add(self, written: Written, inputs: list[Value], path: str, where: Where, certain: bool) -> Value | None:
        """Add the op to the graph if all of it is ``certain`` and it fits; else go on with what it would give."""
        doubtful = not self.others.keys().isdisjoint(inputs)
        if certain:
            self._builder.path, self._builder.where = path, where
            try:
                node = self._builder.layer(written.instance, *inputs)
            except ShapeError:
                pass  # asked for again below, in both versions
            else:
                self._producers.update(dict.fromkeys(node.outputs, node))
                if not doubtful:
                    return node.output
        from netspec.syntax.guesses import outcome

        types = tuple(value.type for value in inputs)
        other_types = tuple(self.others.get(value, value.type) for value in inputs)
        first = outcome(written.instance, types, False, self._side)
        second = outcome(written.other or written.instance, other_types, True, self._side)
        if first.error and second.error and first.error.code == second.error.code:
            self._refused((first.error, second.error), inputs, path, where)
        if certain and first.error is None:
            return self._doubt(node.output, second.type)
        self.complete = False
        self.cut.update(inputs)
        return None if first.type is None else self._doubt(self._builder.value(path, first.type), second.type)

    def _doubt(self, value: Value, other: TensorType | None) -> Value:
        """The value, noted as resting on a guess where its other version differs; None is a shape of which nothing is
        known."""
        from netspec.syntax.guesses import unlike_in_rank

        if other is None:
            other = unlike_in_rank(value.type)
        if other.shape != value.type.shape:
            self.others[value] = other
        return value

    def _unknown(self, flow: Value | None) -> Value | None:
        """What leaves a layer of which nothing is known: what came in, and nothing of it certain."""
        self.complete = False
        if flow is None:
            return None
        self.cut.add(flow)
        return self._doubt(self._builder.value("unknown", flow.type), None)

    def _refused(self, errors: tuple[ShapeError, ShapeError], inputs: list[Value], path: str, where: Where) -> None:
        """Report what the op answers in both versions of its inputs."""
        from netspec.syntax.guesses import agreed_fields

        error, other = errors
        x = inputs[0].type
        shapes = [times(t.spatial if error.attr and t.spatial else t.shape) for t in (x, self.others.get(inputs[0], x))]
        name = path.rsplit("/", 1)[-1]
        fields = agreed_fields(
            error.code,
            {"layer": name, "input": shapes[0], **error.fields},
            {"layer": name, "input": shapes[1], **other.fields},
        )
        notes = tuple(note for note in map(self._made_by, inputs) if note is not None)
        formula = error.formula if error.formula == other.formula else None
        self._diagnostics.append(Diagnostic(error.code, where.of(error.attr), fields, notes, formula))

    def _made_by(self, value: Value) -> Note | None:
        """The layer that made the shape: the last one that changed it."""
        node = self._producers.get(value)
        while node is not None and node.data and node.data[0].type.shape == node.output.type.shape:
            earlier = self._producers.get(node.data[0])
            if earlier is None:
                break
            node = earlier
        if node is None or node.where is None or node.output in self.others:
            return None
        layer = node.where.layer
        span = Span(layer.file, layer.line, layer.column, layer.line, layer.column + len(node.op.name))
        return Note(span, f"{node.path.rsplit('/', 1)[-1]!r} makes {node.output.type.plain()} here")

    def _report(self, code: str, span: Span, **fields: object) -> None:
        self._diagnostics.append(Diagnostic(code, span, fields))


def _declared(name: str) -> bool:
    declaration = REGISTRIES["op"].get(name)
    return declaration is not None and declaration.public


def _branches(declaration: Declaration, value: tree.Node | None) -> list[tuple[str, tree.Node]]:
    """Branches of a merge: what stands under its key and is not one of its attributes."""
    if isinstance(value, tree.Sequence):
        return [(str(index), item) for index, item in enumerate(value.items)]
    if isinstance(value, tree.Mapping):
        return [(e.name, e.value) for e in value.entries if declaration.attribute(e.name) is None]
    return []


def _names(node: tree.Node) -> Iterator[str]:
    """What stands under ``name`` anywhere below."""
    if isinstance(node, tree.Sequence):
        for item in node.items:
            yield from _names(item)
    elif isinstance(node, tree.Mapping):
        for entry in node.entries:
            if entry.name == "name" and isinstance(entry.value, tree.Scalar):
                yield str(entry.value.value)
            else:
                yield from _names(entry.value)
