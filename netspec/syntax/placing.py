"""Putting ops into the graph: what fits becomes a node, what does not is reported, and the best guess goes on.

What is guessed after a mistake, and why in two versions: see `guesses`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from netspec.core import op as ops
from netspec.core.builder import Builder
from netspec.core.formulas import times
from netspec.core.graph import Node, Param, Value, Where
from netspec.core.op import ShapeError
from netspec.core.types import TensorType
from netspec.diagnostics import Diagnostic, Diagnostics, Note, Span
from netspec.syntax.initials import Initials
from netspec.syntax.values import UNKNOWN, Written

NUMBER_LIMIT = 10**12
"""Numbers of one parameter, or of one sample of an output: more than any machine holds."""


FROM = "from"
"""What a layer takes, where that is written: no attribute bears this name, so that it stands among their places."""


class Parameters(NamedTuple):
    """What is said of a layer's parameters, by the layer itself and by the groups and blocks around it."""

    frozen: bool = False
    initials: Initials | None = None
    share: Sharing | None = None


class Sharing(NamedTuple):
    """``share`` of a layer, call or group: its own path, the path of what it shares with, where that is written."""

    own: str
    other: str
    span: Span


class Placement:
    """The graph in the making, and what is known of values that rest on a guess."""

    def __init__(self, builder: Builder, diagnostics: Diagnostics) -> None:
        self.builder = builder
        self.diagnostics = diagnostics
        self.side = 1
        """The longest side of the image that enters the network."""
        self.complete = True
        self.others: dict[Value, TensorType] = {}
        """The second version of each shape that rests on a guess."""
        self.cut: set[Value] = set()
        """What goes into layers that are not in the graph."""
        self.nodes: dict[str, Node] = {}
        self.shared: set[Sharing] = set()
        """The uses of ``share`` by which some layer got its parameters."""
        self._producers: dict[Value, Node] = {}

    def channels(self, value: Value | None) -> Any:
        """How many channels come in, for expressions."""
        if value is None or self.others.get(value, value.type).channels != value.type.channels:
            return UNKNOWN
        return value.type.channels

    def shape(self, value: Value | None) -> Any:
        """The shape of a value, ``UNKNOWN`` where it rests on a guess."""
        return UNKNOWN if value is None or value in self.others else value.type.shape

    def add(
        self, written: Written, inputs: list[Value], path: str, where: Where, certain: bool, parameters: Parameters
    ) -> Value | None:
        """Add the op to the graph if all of it is ``certain`` and it fits; else go on with what it would give."""
        doubtful = not self.others.keys().isdisjoint(inputs)
        if certain:
            try:
                node = self._layer(written.instance, inputs, path, where, parameters)
            except ShapeError as error:
                if error.code == "NS236":
                    self._refused((error, error), inputs, path, where)
                    return self.unknown(inputs[0])
                # Any other is asked for again below, in both versions.
            else:
                self._producers.update(dict.fromkeys(node.outputs, node))
                self.nodes[path] = node
                if not doubtful:
                    return node.output
        from netspec.syntax.guesses import outcome

        types = tuple(value.type for value in inputs)
        other_types = tuple(self.others.get(value, value.type) for value in inputs)
        first = outcome(written.instance, types, False, self.side)
        second = outcome(written.other or written.instance, other_types, True, self.side)
        both = first.error is not None and second.error is not None and first.error.code == second.error.code
        if first.error and second.error and both and not (len(inputs) > 1 and self._any_blank(inputs)):
            self._refused((first.error, second.error), inputs, path, where)
        misplaced = first.error is not None and first.error.code == "NS212"  # without it, what came in would go on
        if certain and first.error is None:
            return self.doubt(node.output, second.type)
        self.complete = False
        self.cut.update(inputs)
        if first.type is None:
            return None
        return self.doubt(self.builder.value(path, first.type), None if misplaced else second.type)

    def _any_blank(self, inputs: list[Value]) -> bool:
        """Whether of one of them not even the number of axes is known."""
        return any(len(self.others.get(value, value.type).shape) != len(value.type.shape) for value in inputs)

    def _layer(self, attrs: Any, inputs: list[Value], path: str, where: Where, parameters: Parameters) -> Node:
        self.builder.path, self.builder.where = path, where
        share = self._sharing(attrs, inputs, path, parameters)
        wanted = ops.params(attrs, tuple(value.type for value in inputs))
        starts = {} if parameters.initials is None else parameters.initials.of(wanted, self.diagnostics)
        self._bound(attrs, inputs, wanted)
        return self.builder.layer(attrs, *inputs, share=share, frozen=parameters.frozen, initializers=starts)

    def _bound(self, attrs: Any, inputs: list[Value], wanted: Mapping[str, Param]) -> None:
        """Refuse a layer that no machine could hold, before anything reckons with its numbers."""
        sizes = {name: math.prod(param.shape) for name, param in wanted.items()}
        sizes["output"] = ops.infer(attrs, tuple(value.type for value in inputs))[0].elements
        what, numbers = max(sizes.items(), key=lambda item: item[1])
        if numbers > NUMBER_LIMIT:
            raise ShapeError("NS236", what=what, numbers=f"{numbers:,}", limit=f"{NUMBER_LIMIT:,}")

    def _sharing(self, attrs: Any, inputs: list[Value], path: str, parameters: Parameters) -> Node | None:
        """The node whose parameters the layer uses; parameters that do not fit are NS233."""
        share = parameters.share
        wanted = None if share is None else ops.params(attrs, tuple(value.type for value in inputs))
        if share is None or not wanted:
            return None
        inside = path[len(share.own) :]
        copy, _, rest = inside.lstrip("/").partition("/")
        node = self.nodes.get(share.other + inside)
        if node is None and copy.isdigit():  # a copy of a repeated layer, and what is shared is not repeated
            node = self.nodes.get(f"{share.other}/{rest}" if rest else share.other)
        self.shared.add(share)
        shapes = {name: param.shape for name, param in wanted.items()}
        found = {} if node is None else {name: node.parameter(name).type.shape for name in node.parameters}
        if found == shapes:
            return node
        if not self.complete:
            return None  # what differs may rest on a guess
        fields = {"layer": path, "other": share.other, "wanted": _spelled(shapes), "found": _spelled(found) or None}
        self.diagnostics.append(Diagnostic("NS233", share.span, fields))
        return None

    def doubt(self, value: Value, other: TensorType | None) -> Value:
        """The value, noted as resting on a guess where its other version differs; None is a shape of which nothing is
        known."""
        from netspec.syntax.guesses import unlike_in_rank

        if other is None:
            other = unlike_in_rank(value.type)
        if other.shape != value.type.shape:
            self.others[value] = other
        return value

    def unknown(self, flow: Value | None) -> Value | None:
        """What leaves a layer of which nothing is known: what came in, and nothing of it certain."""
        self.complete = False
        if flow is None:
            return None
        self.cut.add(flow)
        return self.doubt(self.builder.value("unknown", flow.type), None)

    def instead(self, meant: Value, flow: Value) -> Value:
        """What a layer takes that names one which is not there: the one that is probably meant, else the flow."""
        self.complete = False
        self.cut.update((meant, flow))
        return self.doubt(self.builder.value("instead", meant.type), self.others.get(flow, flow.type))

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
        blamed = FROM if len(inputs) > 1 and error.attr not in where.attributes else error.attr
        self.diagnostics.append(Diagnostic(error.code, where.of(blamed), fields, notes, formula))

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


def _spelled(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {times(shape)}" for name, shape in shapes.items())
