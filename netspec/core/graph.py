"""The typed graph: values, nodes, state, and the graph that holds them. Nothing in it changes once made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from netspec.core.declare import Declaration, declaration_of
from netspec.core.types import TensorType
from netspec.diagnostics import Span

Region = Literal["forward", "backward", "update"]
REGIONS: tuple[Region, ...] = ("forward", "backward", "update")
Role = Literal["input", "scalar", "state", "result"]


@dataclass(frozen=True, slots=True)
class Where:
    """Where in the YAML a node comes from: its layer, and each attribute that was written."""

    layer: Span
    attributes: Mapping[str, Span] = field(default_factory=dict)

    def of(self, attribute: str | None) -> Span:
        """The attribute's span, or the layer's where the attribute was not written."""
        return self.attributes.get(attribute, self.layer) if attribute else self.layer


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One edge of the graph; two values are the same only if they are the same object."""

    name: str
    type: TensorType
    role: Role = "result"

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


class Epilogue(NamedTuple):
    """What becomes of a node's first output before it is stored: a residual is added, then it is clipped.

    With ``moments`` the node has one more output (3, C): per channel of what is stored the mean, what is missing from
    the mean as it is rounded, and the variance. With ``sums`` it has one more (C,): what is stored, summed over samples
    and positions.

    Numbers below ``low`` become ``low``, those above ``high`` become ``high``; NaN stays. So relu is a ``low`` of 0.
    """

    residual: bool = False
    """Whether the node's last input is added."""
    low: float = -math.inf
    high: float = math.inf
    moments: bool = False
    """Whether the moments of what is stored are the node's last output."""
    sums: bool = False
    """Whether the sums of what is stored are."""


class Prologue(NamedTuple):
    """What becomes of a node's first input as it is read: what an op makes of it, clipped as by an ``Epilogue``."""

    attrs: Any
    """The op, which keeps shape and layout."""
    inputs: int
    """How many of the node's inputs are read for it, behind the operands."""
    low: float = -math.inf
    high: float = math.inf


def moments_type(of: TensorType) -> TensorType:
    """Type of the moments that an epilogue gathers of a value."""
    return TensorType((3, of.channels), batched=False)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One application of an op.

    ``inputs`` are the data inputs followed by the parameters named in ``parameters``, by what the ``prologue`` takes
    besides the first of them, and by the residual that the ``epilogue`` adds, where it adds one; ``outputs`` end with
    the moments or sums that it gathers. ``path`` is the layer's path of names; ``derived_from`` says what a pass made
    the node from ("gradient", "training form", ...). A ``frozen`` layer keeps its parameters and its moving statistics
    as they are.
    """

    attrs: Any
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    path: str
    parameters: tuple[str, ...] = ()
    region: Region = "forward"
    where: Where | None = None
    derived_from: str = ""
    frozen: bool = False
    epilogue: Epilogue | None = None
    prologue: Prologue | None = None

    @property
    def op(self) -> Declaration:
        """The declaration of this node's op."""
        return declaration_of(self.attrs)

    @property
    def operands(self) -> tuple[Value, ...]:
        """The inputs of the op itself: all but a prologue's and a residual."""
        others = self.prologue.inputs if self.prologue else 0
        others += self.epilogue.residual if self.epilogue else 0
        return self.inputs[: len(self.inputs) - others]

    @property
    def loaded(self) -> tuple[Value, ...]:
        """What the prologue takes besides the first input."""
        first = len(self.operands)
        return self.inputs[first : first + self.prologue.inputs] if self.prologue else ()

    @property
    def residual(self) -> Value | None:
        """What the epilogue adds."""
        return self.inputs[-1] if self.epilogue and self.epilogue.residual else None

    @property
    def data(self) -> tuple[Value, ...]:
        """The operands that are not parameters."""
        return self.operands[: len(self.operands) - len(self.parameters)]

    @property
    def output(self) -> Value:
        """The first output."""
        return self.outputs[0]

    def parameter(self, name: str) -> Value:
        """The parameter input called ``name``; a KeyError if there is none."""
        if name not in self.parameters:
            raise KeyError(f"{self.path} has no parameter {name!r}")
        return self.operands[len(self.operands) - len(self.parameters) + self.parameters.index(name)]

    def __repr__(self) -> str:
        outs, ins = (", ".join(f"%{v.name}" for v in values) for values in (self.outputs, self.inputs))
        return f"{outs} = {self.attrs!r} {ins}"


class Param(NamedTuple):
    """A parameter an op asks for: its logical shape, how it starts, whether training moves it.

    ``initializer`` is the name of one, for its defaults, or a declared one with its attributes.
    """

    shape: tuple[int, ...]
    initializer: Any
    trained: bool = True
    fan_in: int = 1
    fan_out: int = 1


@dataclass(frozen=True, slots=True)
class Slot:
    """A piece of state: weights, moving statistics, or an optimiser's moments.

    A parameter whose ``param`` is not trained is frozen: stored and counted, read by every step, written by none.
    ``written`` is the value that replaces it at the end of a step, or ``None`` for state that a graph only
    reads. The two share one buffer (donation), so the write comes after the last read.
    """

    value: Value
    kind: Literal["parameter", "statistic", "moment"]
    param: Param
    written: Value | None = None

    @property
    def name(self) -> str:
        """Name in checkpoints, such as ``stage2/0/conv.weight``."""
        return self.value.name


Stored = Literal["float32", "bfloat16", "either"]
"""How a kernel takes a tensor: stored so, or as it is."""


class Storage(NamedTuple):
    """How a node's kernel reads and writes tensors of the batch, and how many of its first inputs are factors."""

    reads: Stored = "float32"
    writes: Stored = "float32"
    factors: int = 0

    def read(self, position: int, value: Value) -> Stored:
        """How input number ``position`` is read."""
        if position < self.factors:
            return "bfloat16"
        return self.reads if value.type.batched else "float32"


class Place(NamedTuple):
    """Where a value lies that is a slice of another: from a channel on in the storage of ``whole``."""

    whole: Value
    channel: int


@dataclass(frozen=True, slots=True)
class Graph:
    """A network or a training step: nodes in an order in which every value is made before it is used."""

    name: str
    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: Mapping[str, Value]
    slots: tuple[Slot, ...] = ()
    scalars: tuple[Value, ...] = ()
    heads: Mapping[str, Value] = field(default_factory=dict)
    """The network's heads by name (a subset of what ``outputs`` may hold)."""
    places: Mapping[Value, Place] = field(default_factory=dict)
    """Values that have no storage of their own; the wholes that they lie in have (:mod:`netspec.passes.slices`)."""

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def producer(self) -> dict[Value, Node]:
        """The node that makes each value; inputs, scalars and state are not in it."""
        return {value: node for node in self.nodes for value in node.outputs}

    def consumers(self) -> dict[Value, list[Node]]:
        """The nodes that read each value, in order."""
        found: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in dict.fromkeys(node.inputs):
                found.setdefault(value, []).append(node)
        return found

    def slot(self, name: str) -> Slot:
        """The piece of state called ``name``; a KeyError if there is none."""
        for slot in self.slots:
            if slot.name == name:
                return slot
        raise KeyError(f"no state called {name!r}")
