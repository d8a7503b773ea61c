"""Expansion of layer lists: one walk that names, types and adds every layer, and collects what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from netspec.core.builder import Builder
from netspec.core.declare import REGISTRIES, Declaration
from netspec.core.graph import Value, Where
from netspec.diagnostics import Diagnostic, Span
from netspec.syntax import tree
from netspec.syntax.blocks import Block, bind, with_use
from netspec.syntax.dialects import written_out
from netspec.syntax.environment import CHANNELS, INDEX, Environment
from netspec.syntax.modifiers import Modifiers, beside
from netspec.syntax.op_keys import Op, OpKeys, branches_of
from netspec.syntax.placing import FROM, Parameters, Placement
from netspec.syntax.record import Listing, Record, Reference
from netspec.syntax.references import References
from netspec.syntax.scope import INPUT, Scope
from netspec.syntax.spec import LayerLine
from netspec.syntax.validate import Checker
from netspec.syntax.values import UNKNOWN, Values, Written
from netspec.syntax.vocabulary import GROUP

DEPTH_LIMIT = 60
"""Levels of groups, branches and blocks within one another."""
LAYER_LIMIT = 200_000
"""Layers that a spec may expand to, unless it is said otherwise."""
_TRIED = 10_000
"""Layers that an unused block is looked through for."""


class Frame(NamedTuple):
    """Where the walk is: names of layers, names in expressions, what is said of parameters, the resolved list."""

    scope: Scope
    names: Environment
    parameters: Parameters
    listing: Listing


class LayerExpansion:
    """Walks layer lists and grows the graph of ``builder``; ``root`` is the spec, in which names are looked for."""

    def __init__(
        self,
        builder: Builder,
        values: Values,
        checker: Checker,
        variables: Environment,
        blocks: Mapping[str, Block],
        root: tree.Node | None = None,
        limit: int = LAYER_LIMIT,
    ) -> None:
        self.placement = Placement(builder, values.diagnostics)
        self.references = References(values, self.placement, root)
        self._modifiers = Modifiers(values, self.references)
        self._op_keys = OpKeys(values, checker, blocks)
        self._values = values
        self._diagnostics = values.diagnostics
        self._variables = variables
        self._blocks = blocks
        self._active: list[Block] = []
        self._limit = self._left = limit
        self._depth = 0
        self.used: set[str] = set()
        """Names of the blocks that are used."""
        self.lines: list[LayerLine] = []
        self.records: dict[Value, Record] = {}
        """The layer that makes each output."""

    def frame(self, path: str = "", input: Value | None = None, outer: Frame | None = None) -> Frame:
        """The frame of the file's list of layers, or that of a head's list, inside of it."""
        scope = Scope(path, input, None if outer is None else outer.scope)
        return Frame(scope, self._variables, Parameters(), Listing())

    def try_block(self, block: Block) -> None:
        """Look through a block that nothing uses, with arguments and an input of which nothing is known."""
        if block.layers is None:
            return
        names = self._variables.extended(**{CHANNELS: UNKNOWN})
        for name, entry in (*block.args.items(), *block.vars.items()):
            required = name in block.args and block.requires(name)
            if not required and not self._values.violations.within(entry.value):
                self._values.read(entry.value, names)
            names = names.extended(**{name: UNKNOWN})
        frame = self.frame()
        lines, complete, left = len(self.lines), self.placement.complete, self._left
        self._active.append(block)
        self.references.lenient, self._left = True, _TRIED
        self.expand(block.layers, None, frame._replace(scope=Scope("", None, frame.scope, is_block=True), names=names))
        self.references.lenient, self._left = False, left
        self._active.pop()
        del self.lines[lines:]  # they are no layers of the network
        self.placement.complete = complete

    def tell_empty(self, layers: tree.Node | None, what: str) -> None:
        """Say of a list of layers that there is nothing in it."""
        if isinstance(layers, tree.Sequence) and not layers.items:
            self._report("NS243", layers.span, what=what)

    def expand(self, node: tree.Node, flow: Value | None, frame: Frame) -> Value | None:
        """Expand a list of layers on ``flow``; returns what leaves it, ``None`` if its shape is unknown."""
        if not isinstance(node, tree.Sequence):
            return self.placement.unknown(flow)
        if self._depth == DEPTH_LIMIT:
            self._report("NS127", node.span, limit=DEPTH_LIMIT)
            return self.placement.unknown(flow)
        self._depth += 1
        for item in node.items:
            ops = self._op_keys.of(item, self._entered(frame, flow).names)
            if not ops:
                flow = self.placement.unknown(flow)
            for position, op in enumerate(ops):  # several are a mistake, and probably a layer each
                flow = self._layer(item if position == 0 else op.key, op, flow, frame)
        self._depth -= 1
        return flow

    def _layer(self, node: tree.Node, op: Op, flow: Value | None, frame: Frame) -> Value | None:
        """Expand a layer: once, or as often as ``repeat`` says."""
        around = self._entered(frame, flow)
        if self.references.lack(beside(node, "from"), frame.scope, around.names):
            # What it names may have been left out as well.
            absent = self._modifiers.present(node, around.names) is False
            sources = [flow] if absent else self._sources(node, flow, frame)
        else:
            sources = self._sources(node, flow, frame)
        frame = self._entered(frame, sources[0])
        count = self._modifiers.count(node, frame.names)
        present = True if count is not None else self._modifiers.present(node, frame.names)
        name, written = self._name(node, op.name, frame.scope, present is not False)
        if count is not None:
            output = self._copies(node, op, self._record(GROUP, name, True, frame), sources, flow, frame, count)
        elif present is False:
            output = flow
        else:
            output = self._copy(node, op, (name, written), sources, flow, frame, present)
        if name:
            frame.scope.add(name, output, written)
            self.lines.append(LayerLine(frame.scope.join(name), op.key.span, output))
        return output

    def _copies(
        self,
        node: tree.Node,
        op: Op,
        record: Record,
        sources: list[Value | None],
        flow: Value | None,
        frame: Frame,
        count: Any,
    ) -> Value | None:
        """A chain of copies, each with its own ``$i``; ``from`` feeds the first. Without any the flow passes by."""
        first = True
        inner = self._inner(frame, record, sources[0])
        if count == 0 and len(sources) > 1:
            self._report("NS211", op.key.span, layer=record.name, given="no copy, for its 'repeat' is 0")
        if count is not UNKNOWN and count > self._left >= 0:  # they need not be made to know that they are too many
            self._left = 0
            self._counted(op)
            return self.placement.unknown(sources[0])
        for index in range(1 if count is UNKNOWN else count):
            before = len(self._diagnostics)
            copy = self._entered(inner, sources[0])
            copy = copy._replace(names=copy.names.extended(**{INDEX: UNKNOWN if count is UNKNOWN else index}))
            present = UNKNOWN if count is UNKNOWN else self._modifiers.present(node, copy.names)
            if present is not False:
                output = self._copy(node, op, (str(index), True), sources, flow, copy, present, first)
                first = False
                inner.scope.add(str(index), output, True)
                self.lines.append(LayerLine(inner.scope.join(str(index)), op.key.span, output))
                sources = [output]
            elif not self._counted(op):
                sources = [self.placement.unknown(sources[0])]
            self._diagnostics.drop_repeated(before)
            if self._left < 0:
                break
        return flow if first else sources[0]

    def _copy(
        self,
        node: tree.Node,
        op: Op,
        name: tuple[str, bool],
        sources: list[Value | None],
        flow: Value | None,
        frame: Frame,
        present: Any,
        first: bool = True,
    ) -> Value | None:
        """One layer, or one copy of it: the ``first`` takes what ``from`` names."""
        if not self._counted(op):
            return self.placement.unknown(sources[0])
        is_block = op.name in self._blocks
        record = self._record(GROUP if is_block else op.name, name[0], name[1] or is_block, frame)
        if first and beside(node, "from") is not None:
            record.beside["from"] = [Reference(source) for source in sources if source is not None]
        path = frame.scope.join(record.name) if beside(node, "repeat") is None else frame.scope.path
        parameters = self._modifiers.parameters(node, frame.names, frame.parameters, frame.scope, record, path)
        frame = frame._replace(parameters=parameters)
        if len(sources) > 1 and (is_block or op.name == GROUP):
            self._report("NS211", op.key.span, layer=record.name, count=len(sources))
        if is_block:
            output = self._call(op, record, sources[0], frame)
        elif op.name == GROUP:
            self.tell_empty(op.value, record.name)
            output = self.expand(op.value or op.key, sources[0], self._inner(frame, record, sources[0]))
        else:
            output = self._op(node, op, record, sources, flow, frame)
        if output is not None and (op.guess or present is UNKNOWN):  # the other version: as if it were not there
            self.placement.complete = False
            entering = sources[0]
            other = None if entering is None else self.placement.others.get(entering, entering.type)
            self.placement.doubt(output, other)
        self._check_sharing(parameters, path)
        return output

    def _counted(self, op: Op) -> bool:
        """Count a layer; false when there are more than there may be, which is said once."""
        self._left -= 1
        if self._left == -1 and not self.references.lenient:
            self._report("NS126", op.key.span, limit=f"{self._limit:,}")
        return self._left >= 0

    def _call(self, op: Op, record: Record, flow: Value | None, frame: Frame) -> Value | None:
        """The layers of a block under its own names; what is wrong in them is told with the place of the use."""
        block = self._blocks[op.name]
        self.used.add(block.name)
        if block in self._active:
            chain = [b.name for b in self._active[self._active.index(block) :]] + [block.name]
            self._report("NS121", op.key.span, name=block.name, chain=" -> ".join(chain))
            return self.placement.unknown(flow)
        if block.layers is None:
            return self.placement.unknown(flow)
        before = len(self._diagnostics)
        inside = self._entered(Frame(frame.scope, self._variables, frame.parameters, frame.listing), flow).names
        names = bind(block, op.value, op.key.span, frame.names, inside, self._values)
        self._active.append(block)
        output = self.expand(block.layers, flow, self._inner(frame, record, flow, True)._replace(names=names))
        self._active.pop()
        self._diagnostics.amend(before, lambda diagnostic: with_use(diagnostic, block, op.key.span))
        self._diagnostics.drop_repeated(before)
        return output

    def _record(self, op: str, name: str, named: bool, frame: Frame) -> Record:
        record = Record(op, name, named, frame.listing)
        frame.listing.records.append(record)
        return record

    def _inner(self, frame: Frame, record: Record, flow: Value | None, is_block: bool = False) -> Frame:
        """The frame of the layers within a layer, which is a group in the resolved spec."""
        scope = Scope(frame.scope.join(record.name), flow, frame.scope, is_block)
        frame.scope.enter(record.name, scope)
        record.listing = Listing(record)
        return frame._replace(scope=scope, listing=record.listing)

    def _entered(self, frame: Frame, flow: Value | None) -> Frame:
        """The frame with ``channels`` for a layer that ``flow`` enters."""
        channels, guessed = self.placement.channels(flow), flow in self.placement.others
        names = frame.names
        if names.values.get(CHANNELS) == channels and guessed == (CHANNELS in names.guessed):
            return frame
        return frame._replace(names=names.extended(**{CHANNELS: channels}).marked(CHANNELS, guessed))

    def _name(self, node: tree.Node, op: str, scope: Scope, present: bool) -> tuple[str, bool]:
        """The layer's name and whether it is written; without one it is named by its op, if it is there at all."""
        entry = beside(node, "name")
        if entry is None or not isinstance(entry.value, tree.Scalar):
            return (scope.automatic(op) if present else ""), False
        name = str(entry.value.value)
        if scope.taken(name) or name == INPUT or name in scope.inputs:
            meaning = "what enters the block, or the network" if name == INPUT else None
            meaning = "an input of the network" if name in scope.inputs else meaning
            self._report("NS111", entry.value.span, name=name, meaning=meaning, suggestion=scope.free(name))
            return f"{scope.free(name)} ", True  # nobody can write a name that ends in a blank
        return name, True

    def _sources(self, node: tree.Node, flow: Value | None, frame: Frame) -> list[Value | None]:
        """What the layer takes: the flow, or the outputs that ``from`` names."""
        entry = beside(node, "from")
        if entry is None or self._values.violations.within(entry.value):
            return [flow]
        items = entry.value.items if isinstance(entry.value, tree.Sequence) else (entry.value,)
        names = self._entered(frame, flow).names
        return [self.references.output(item, flow, frame.scope, names) for item in items]

    def _op(
        self,
        node: tree.Node,
        op: Op,
        record: Record,
        sources: list[Value | None],
        flow: Value | None,
        frame: Frame,
    ) -> Value | None:
        declaration = REGISTRIES["op"].get(op.name)
        if declaration is None or not declaration.public:
            return self.placement.unknown(sources[0])
        merges = declaration.has("merges")
        branches = branches_of(declaration, op.value) if merges else []
        merged = [self._branch(branch, body, sources[0], record, frame) for branch, body in branches]
        there = [output for present, output in merged if present]
        if len(sources) > 1 and not merges:
            self._report("NS211", op.key.span, layer=record.name, count=len(sources))
            del sources[1:]
        elif merges and bool(branches) == (len(sources) > 1):
            self._report("NS211", op.key.span, layer=record.name, given="both" if branches else "neither")
            return self.placement.unknown(sources[0])
        elif branches and not getattr(declaration.make, "branches", True):
            self._report("NS211", op.key.span, layer=record.name, given="branches, of which it knows no order")
            return self.placement.unknown(sources[0])
        elif branches and not there:
            frame.listing.records.pop()  # the last one is this layer's
            return flow
        if branches and isinstance(op.value, tree.Sequence):
            op = op._replace(value=None)
        sources = there or sources
        source = None if there else beside(node, FROM)
        places = {} if source is None else {FROM: source.value.span}
        return self._place(op, declaration, sources, record, self._entered(frame, sources[0]), places)

    def _branch(
        self, name: str, body: tree.Node, flow: Value | None, record: Record, frame: Frame
    ) -> tuple[bool, Value | None]:
        """Whether a branch of a merge is there, and what leaves it."""
        present = self._modifiers.present(body, frame.names)
        if present is False:
            return False, None
        layers = body.by_name[GROUP].value if isinstance(body, tree.Mapping) and GROUP in body.by_name else body
        key = f"{record.name}/{name}"
        inner = Scope(frame.scope.join(key), flow, frame.scope)
        frame.scope.enter(key, inner)
        record.branches.append(Listing(record, name))
        output = self.expand(layers, flow, frame._replace(scope=inner, listing=record.branches[-1]))
        return True, self.placement.unknown(output) if present is UNKNOWN else output

    def _place(
        self,
        op: Op,
        declaration: Declaration,
        sources: list[Value | None],
        record: Record,
        frame: Frame,
        places: dict[str, Span],
    ) -> Value | None:
        """Make the op and add it to the graph; ``places`` are those of what stands beside its attributes."""
        placement = self.placement
        made, alike = self._made(op, declaration, sources, frame)
        record.attributes = self._attributes(declaration, made, alike)
        known = [source for source in sources if source is not None]
        if len(known) < len(sources) and not (declaration.has("merges") and known):
            return placement.unknown(None)
        certain = made.other is None and not op.guess and len(known) == len(sources)
        where = Where(op.span, {**made.spans, **places})
        output = placement.add(made, known, frame.scope.join(record.name), where, certain, frame.parameters)
        if output is not None:
            self.records[output] = record
        return output

    def _made(
        self, op: Op, declaration: Declaration, sources: list[Value | None], frame: Frame
    ) -> tuple[Written, dict[str, Reference]]:
        """The op with its attributes, and the layers whose shapes some of them are."""
        alike: dict[str, Reference] = {}

        def layer_shape(node: tree.Node, attribute: str) -> Any:
            found = self.references.output(node, sources[0], frame.scope, frame.names)
            if found is not None:
                alike[attribute] = Reference(found)
            return self.placement.shape(found)

        made = self._values.make(declaration, op.value, frame.names, op.key.span, layer_shape)
        axes = next((len(source.type.spatial) for source in sources if source is not None), 0)
        first, other = (
            None if attrs is None else written_out(attrs, axes, self._values.dialect)
            for attrs in (made.instance, made.other)
        )
        return made._replace(instance=first, other=other), alike

    def _attributes(self, declaration: Declaration, made: Written, alike: Mapping[str, Reference]) -> dict[str, Any]:
        """What the resolved spec says of the op: what is written, and the defaults that are the dialect's own."""
        return {
            a.name: alike.get(a.name, getattr(made.instance, a.name))
            for a in declaration.attributes
            if a.name in made.spans or a.default_in(self._values.dialect) != a.default
        }

    def _check_sharing(self, parameters: Parameters, path: str) -> None:
        """Say of a ``share`` at this layer that nothing in it has parameters."""
        share = parameters.share
        if share is not None and share.own == path and share not in self.placement.shared and self.placement.complete:
            self._report("NS234", share.span, layer=path, other=share.other)

    def _report(self, code: str, span: Span, **fields: object) -> None:
        self._diagnostics.append(Diagnostic(code, span, fields))
