"""The Builder: adds nodes to a graph in the making and types every one as it is added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from netspec.core import op as ops
from netspec.core.declare import declaration_of
from netspec.core.graph import REGIONS, Graph, Node, Param, Region, Role, Slot, Value, Where
from netspec.core.types import TensorType


class Builder:
    """Grows a graph. ``region``, ``path`` and ``where`` apply to what is added next; names are made unique."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[Node] = []
        self.inputs: list[Value] = []
        self.scalars: dict[str, Value] = {}
        self.slots: dict[str, Slot] = {}
        self.region: Region = "forward"
        self.path = ""
        self.where: Where | None = None
        self.derived_from = ""
        self._names: dict[str, int] = {}

    @classmethod
    def continuing(cls, graph: Graph, nodes: tuple[Node, ...] = ()) -> Builder:
        """A builder that starts with the inputs, scalars and state of ``graph`` and with ``nodes``."""
        builder = cls(graph.name)
        builder.inputs = list(graph.inputs)
        builder.scalars = {v.name: v for v in graph.scalars}
        builder.slots = {s.name: s for s in graph.slots}
        builder.nodes = list(nodes)
        taken = [*graph.inputs, *graph.scalars, *(s.value for s in graph.slots)]
        taken += [v for n in graph.nodes for v in n.outputs]
        builder._names = dict.fromkeys((v.name for v in taken), 1)
        return builder

    def value(self, name: str, type: TensorType, role: Role = "result") -> Value:
        """A new value; a taken name gets a number behind it."""
        count = self._names.get(name, 0) + 1
        self._names[name] = count
        if count > 1:
            return self.value(f"{name}.{count}", type, role)
        return Value(name, type, role)

    def input(self, name: str, type: TensorType) -> Value:
        """A new input of the network or step."""
        value = self.value(name, type, "input")
        self.inputs.append(value)
        return value

    def scalar(self, name: str, dtype: Literal["float32", "int32"] = "float32") -> Value:
        """The run-time scalar called ``name``, made on first use."""
        if name not in self.scalars:
            self.scalars[name] = self.value(name, TensorType((), dtype, batched=False), "scalar")
        return self.scalars[name]

    def state(self, name: str, param: Param, kind: Literal["parameter", "statistic", "moment"]) -> Value:
        """A new piece of state of float32 numbers, not written unless :meth:`write` says so."""
        value = self.value(name, TensorType(param.shape, batched=False), "state")
        self.slots[value.name] = Slot(value, kind, param)
        return value

    def write(self, old: Value, new: Value) -> None:
        """Let ``new`` replace the state ``old`` at the end of the step."""
        slot = self.slots[old.name]
        self.slots[old.name] = Slot(slot.value, slot.kind, slot.param, new)

    def latest(self, old: Value) -> Value:
        """What a piece of state becomes by what was written so far: layers that share it go on from one another."""
        written = self.slots[old.name].written
        return old if written is None else written

    def layer(
        self,
        attrs: Any,
        *data: Value,
        share: Node | None = None,
        frozen: bool = False,
        initializers: Mapping[str, Any] | None = None,
    ) -> Node:
        """Add a public op with its parameters (new ones, or those of ``share``); raises ``ShapeError``.

        New parameters start by ``initializers``, instances by the parameter's name, else as the op says.

        A ``frozen`` layer's parameters are not trained, nor by the layer that it shares them with; what shares the
        parameters of a frozen layer is frozen too.
        """
        types = tuple(v.type for v in data)
        starts = initializers or {}
        wanted = {
            name: param._replace(initializer=starts.get(name, param.initializer))
            for name, param in ops.params(attrs, types).items()
        }
        if share is None:
            weights = tuple(
                self.state(f"{self.path}.{name}", p, "parameter" if p.trained else "statistic")
                for name, p in wanted.items()
            )
        else:
            weights, frozen = tuple(share.parameter(name) for name in wanted), frozen or share.frozen
        if frozen:
            for weight in weights:
                slot = self.slots[weight.name]
                self.slots[weight.name] = replace(slot, param=slot.param._replace(trained=False))
        return self._append(attrs, (*data, *weights), ops.infer(attrs, types), tuple(wanted), frozen)

    def apply(self, attrs: Any, *data: Value, **parameters: Value) -> Value:
        """Add a public op on parameters that are there already and return its first output.

        A ValueError where their names or shapes are not those that the op wants.
        """
        types = tuple(v.type for v in data)
        wanted = {name: param.shape for name, param in ops.params(attrs, types).items()}
        given = {name: value.type.shape for name, value in parameters.items()}
        if given != wanted:
            raise ValueError(f"{attrs!r} wants parameters {wanted}, not {given}")
        weights = tuple(parameters[name] for name in wanted)
        return self._append(attrs, (*data, *weights), ops.infer(attrs, types), tuple(wanted)).output

    def node(self, attrs: Any, *inputs: Value) -> Node:
        """Add an internal op; it is typed on all its inputs."""
        return self._append(attrs, inputs, ops.infer(attrs, tuple(v.type for v in inputs)), ())

    def add(self, attrs: Any, *inputs: Value) -> Value:
        """Add an internal op and return its first output."""
        return self.node(attrs, *inputs).output

    def _append(
        self,
        attrs: Any,
        inputs: tuple[Value, ...],
        types: tuple[TensorType, ...],
        parameters: tuple[str, ...],
        frozen: bool = False,
    ) -> Node:
        name = self.path or declaration_of(attrs).name
        if self.region != "forward" or self.derived_from:
            name = f"{name}:{declaration_of(attrs).name}"
        outputs = tuple(self.value(name if i == 0 else f"{name}#{i}", t) for i, t in enumerate(types))
        node = Node(attrs, inputs, outputs, self.path, parameters, self.region, self.where, self.derived_from, frozen)
        self.nodes.append(node)
        return node

    def graph(self, outputs: Mapping[str, Value], heads: Mapping[str, Value] | None = None) -> Graph:
        """The finished graph; nodes come region by region, in the order they were added."""
        nodes = sorted(self.nodes, key=lambda node: REGIONS.index(node.region))
        return Graph(
            self.name,
            tuple(self.inputs),
            tuple(nodes),
            dict(outputs),
            tuple(self.slots.values()),
            tuple(self.scalars.values()),
            dict(heads or {}),
        )
