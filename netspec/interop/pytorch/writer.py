"""Grows the source of a module: lines of ``__init__``, and where each of its tensors comes from."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from netspec.core.graph import Graph, Node, Slot, Value
from netspec.interop.flattened import flattened_images
from netspec.interop.pytorch.names import Names
from netspec.interop.tensors import Exchanged, Turn, as_it_is

Form = Callable[["Writer", Node, Sequence[str]], str]
"""Adds what a node needs to the writer, and returns the expression of its output on these variables."""

FORMS: dict[str, Form] = {}
"""By the name of the op."""

HELPERS: dict[str, str] = {}
"""Functions that a written module may call, by name: their source."""


class Writer:
    """The parts of a module that layers have in common: submodules, parameters, buffers, helpers."""

    def __init__(self, graph: Graph) -> None:
        self.init: list[str] = []
        self.tensors: list[Exchanged] = []
        self.helpers: set[str] = set()
        self.flattened: Mapping[Value, tuple[int, ...]] = flattened_images(graph)
        self._slots: Mapping[Value, Slot] = {slot.value: slot for slot in graph.slots}
        self._producers, self._consumers = graph.producer(), graph.consumers()
        self._heads = {*graph.heads.values(), *graph.outputs.values()}
        self._names = Names()
        self._made: dict[tuple[Any, ...], str] = {}

    def module(self, node: Node, text: str, tensors: Mapping[str, Turned], part: str = "") -> str:
        """A submodule made by the expression ``text``: the variable that holds it.

        ``tensors`` says of what its parameters and buffers are made. A layer that shares the parameters of one before
        is that one.
        """
        key = (*node.inputs[len(node.data) :], text, part) if node.parameters else (node, text, part)
        if key not in self._made:
            name = self._name(node, part)
            self.init.append(f"self.{name} = {text}")
            self._fill(name, node, tensors)
            self._made[key] = f"self.{name}"
        return self._made[key]

    def parameter(self, node: Node, name: str, turn: Turn) -> str:
        """A parameter that stands alone."""
        value = node.parameter(name)
        if (value,) not in self._made:
            made = self._name(node, name)
            self.init.append(f"self.{made} = nn.Parameter(torch.empty{shape_text(turn.shape)})")
            self._fill("", node, {made: (name, turn)})
            self._made[value,] = f"self.{made}"
        return self._made[value,]

    def buffer(self, node: Node, part: str, text: str) -> str:
        """A constant tensor that moves with the module and is not saved with it."""
        key = (node, part)
        if key not in self._made:
            name = self._name(node, part)
            self.init.append(f'self.register_buffer("{name}", {text}, persistent=False)')
            self._made[key] = f"self.{name}"
        return self._made[key]

    def may_overwrite(self, node: Node, ops: Container[str]) -> bool:
        """Whether the node's input is one of these ops' output, and is wanted by nothing else."""
        value = node.data[0]
        producer = self._producers.get(value)
        alone = self._consumers[value] == [node] and value not in self._heads
        return alone and producer is not None and producer.op.name in ops

    def helper(self, name: str) -> str:
        """The helper's name; its source goes into the file."""
        self.helpers.add(name)
        return name

    def plain(self, node: Node, name: str) -> Turned:
        """A parameter that is taken as it is."""
        return name, as_it_is(node.parameter(name).type.shape)

    def _name(self, node: Node, part: str) -> str:
        return self._names.fresh(f"{node.path}/{part}" if part else node.path)

    def _fill(self, module: str, node: Node, tensors: Mapping[str, Turned]) -> None:
        for name, (source, turn) in tensors.items():
            full = f"{module}.{name}" if module else name
            value = node.parameter(source) if source else None
            shape = value.type.shape if value else ()
            fill = 1.0 if name == "weight" else 0.0
            self.tensors.append(Exchanged(full, value.name if value else None, shape, turn, fill))
            slot = self._slots[value] if value else None
            unlearned = value is None and name in ("weight", "bias")
            if unlearned or (slot is not None and slot.kind == "parameter" and not slot.param.trained):
                self.init.append(f"self.{full}.requires_grad_(False)")


Turned = tuple[str | None, Turn]
"""The name of a node's parameter, or none for what PyTorch has beside (a factor of 1, a summand or a counter of 0)."""


def sides(numbers: Sequence[int]) -> str:
    """``3`` where all numbers are the same, else ``(3, 1)``."""
    return str(numbers[0]) if len(set(numbers)) == 1 else shape_text(numbers)


def shape_text(numbers: Sequence[int]) -> str:
    """A tuple as Python writes it."""
    return repr(tuple(numbers))


def call(function: str, *arguments: object, **options: object) -> str:
    """``function(a, b, c=d)``; options that are None are left out."""
    named = [f"{name}={value}" for name, value in options.items() if value is not None]
    return f"{function}({', '.join([*map(str, arguments), *named])})"


def fpad(pairs: Sequence[tuple[int, int]]) -> str:
    """The amounts of ``F.pad``, which wants the last axis first."""
    return shape_text([amount for pair in reversed(pairs) for amount in pair])
