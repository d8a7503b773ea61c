"""The network of a spec as a whole: its inputs, its layers, its heads."""

from __future__ import annotations

from netspec.core.builder import Builder
from netspec.core.graph import Value
from netspec.diagnostics import Diagnostic
from netspec.syntax import tree
from netspec.syntax.environment import Environment
from netspec.syntax.interface import NetworkInput, WrittenHead, missing, read_heads, read_inputs
from netspec.syntax.layers import Frame, LayerExpansion
from netspec.syntax.modifiers import beside
from netspec.syntax.record import Listing
from netspec.syntax.spec import Input, LayerLine
from netspec.syntax.values import Values

MAIN = "main"
"""The head that the last layer is, where none is written."""


class Network:
    """Expands inputs, layers and heads with ``expansion``; holds what comes of them."""

    def __init__(self, root: tree.Mapping, values: Values, expansion: LayerExpansion, builder: Builder) -> None:
        self._root = root
        self._values = values
        self._expansion = expansion
        self._builder = builder
        self.inputs: dict[str, Input] = {}
        self.certain_inputs = True
        """Whether no shape of an input had to be guessed."""
        self.heads: dict[str, Value] = {}
        self.listing: Listing | None = None
        self.written_heads: list[WrittenHead] = []
        self.head_listings: dict[str, Listing] = {}
        self.head_sources: dict[str, Value | None] = {}

    def expand(self, names: Environment) -> None:
        """Grow the graph; what is wrong is reported."""
        inputs = self._enter(read_inputs(self._root, self._values, names))
        layers = self._root.by_name.get("layers")
        frame = self._expansion.frame("", inputs[0] if len(inputs) == 1 else None)
        self.listing = frame.listing
        if "inputs" in self._root.by_name:
            frame.scope.inputs = {value.name: value for value in inputs}
        if len(inputs) > 1:
            self._check_first(layers)
        flow = inputs[0] if inputs else None
        if layers is None:
            self._values.diagnostics.append(missing(self._root, "layers"))
            return
        output = self._expansion.expand(layers.value, flow, frame)
        self.written_heads = read_heads(self._root)
        if not self.written_heads:
            self.heads = {} if output is None else {MAIN: output}
        for head in self.written_heads:
            self._head(head, output, frame)

    def _enter(self, inputs: list[NetworkInput]) -> list[Value]:
        placement = self._expansion.placement
        values = []
        for found in inputs:
            value = self._builder.input(found.name, found.type)
            self.inputs[found.name] = Input(found.span, found.source)
            placement.side = max(placement.side, *found.type.spatial, 1)
            if found.other is not None:
                self.certain_inputs = False
                placement.doubt(value, found.other)
            values.append(value)
        return values

    def _check_first(self, layers: tree.Entry | None) -> None:
        """Of several inputs the first layer has to say which it takes."""
        items = layers.value.items if layers is not None and isinstance(layers.value, tree.Sequence) else ()
        if items and beside(items[0], "from") is None:
            fields = {"known": list(self.inputs)}
            self._values.diagnostics.append(Diagnostic("NS235", items[0].span, fields))
            self._expansion.placement.complete = False  # which of them are taken is not known

    def _head(self, head: WrittenHead, last: Value | None, frame: Frame) -> None:
        source, flow = head.value("from"), last
        if source is not None and not self._values.violations.within(source):
            flow = self._expansion.references.output(source, last, frame.scope, frame.names)
        self.head_sources[head.name] = None if source is None else flow
        if head.layers is not None:
            if frame.scope.taken(head.name):
                self._values.diagnostics.append(Diagnostic("NS238", head.key, {"name": head.name}))
            self._expansion.tell_empty(head.layers, head.name)
            inner = self._expansion.frame(head.name, flow, frame)
            self.head_listings[head.name] = inner.listing
            flow = self._expansion.expand(head.layers, flow, inner)
            self._expansion.lines.append(LayerLine(head.name, head.key, flow))
        if flow is not None:
            self.heads[head.name] = flow
