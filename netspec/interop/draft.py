"""A network that comes from elsewhere, on its way to a spec: layers in order, typed as they are added, with weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netspec.core import op as ops
from netspec.core.declare import declaration_of
from netspec.core.graph import Value
from netspec.core.op import ShapeError
from netspec.core.types import TensorType
from netspec.diagnostics import Diagnostic, Span
from netspec.interop.tensors import Array
from netspec.syntax.placing import NUMBER_LIMIT


@dataclass(frozen=True, slots=True, eq=False)
class DraftLayer:
    """One layer. ``attrs`` are written as textbook has it, whatever the dialect that the spec will have.

    ``name`` is the wish of whoever adds it. ``weights`` are in netspec's logical layout by the parameter's name;
    without them the layer starts as it is drawn, by ``initializers`` where there are some.
    """

    attrs: Any
    inputs: tuple[Value, ...]
    output: Value
    name: str
    parameters: tuple[str, ...]
    weights: Mapping[str, Array] = field(default_factory=dict)
    share: DraftLayer | None = None
    frozen: bool = False
    initializers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def op(self) -> str:
        """The name of its op."""
        return declaration_of(self.attrs).name


class Draft:
    """Grows a network; ``heads`` are its outputs by name, ``train`` what the spec says under that key."""

    def __init__(self, name: str, doc: str = "") -> None:
        self.name = name
        self.doc = doc
        self.inputs: list[Value] = []
        self.layers: list[DraftLayer] = []
        self.heads: dict[str, Value] = {}
        self.said: dict[str, dict[str, Any]] = {}
        """Of each head, what the spec has to say of it, such as its loss."""
        self.train: dict[str, Any] = {}
        self._producers: dict[Value, DraftLayer] = {}

    def input(self, name: str, shape: tuple[int, ...]) -> Value:
        """A new input, its ``shape`` channels last."""
        value = Value(name, TensorType(shape), "input")
        self.inputs.append(value)
        return value

    def add(
        self,
        attrs: Any,
        *inputs: Value,
        name: str = "",
        weights: Mapping[str, Array] | None = None,
        share: DraftLayer | None = None,
        frozen: bool = False,
        initializers: Mapping[str, Any] | None = None,
    ) -> Value:
        """A layer at the end; its output. A ShapeError where the op refuses its inputs, or makes too much."""
        types = tuple(value.type for value in inputs)
        type = ops.infer(attrs, types)[0]
        wanted = {key: param.shape for key, param in ops.params(attrs, types).items()}
        what, numbers = max(
            (("output", type.elements), *((key, math.prod(shape)) for key, shape in wanted.items())),
            key=lambda each: each[1],
        )
        if numbers > NUMBER_LIMIT:
            raise ShapeError("NS236", what=what, numbers=f"{numbers:,}", limit=f"{NUMBER_LIMIT:,}")
        for key, array in (weights or {}).items():
            if array.shape != wanted[key]:
                raise ValueError(f"the {key} is {list(array.shape)}, but {list(wanted[key])} was expected")
        output = Value(name, type)
        layer = DraftLayer(attrs, inputs, output, name, tuple(wanted), weights or {}, share, frozen, initializers or {})
        self.layers.append(layer)
        self._producers[output] = layer
        return output

    def producer(self, value: Value) -> DraftLayer | None:
        """The layer that makes a value; None for an input."""
        return self._producers.get(value)

    def of_size(self, sides: tuple[int, ...], before: DraftLayer | None = None) -> Value | None:
        """The first value with these spatial sides, among those that are there ``before`` a layer."""
        values = [*self.inputs, *(layer.output for layer in self.layers)]
        end = len(values) if before is None else values.index(before.output)
        return next((value for value in values[:end] if value.type.spatial == sides), None)

    def meant_by_like(self, layer: DraftLayer) -> Value | None:
        """What a layer names whose size is ``like`` that of another; None of other layers."""
        like = getattr(layer.attrs, "like", None)
        return None if like is None else self.of_size(like[:-1], layer)

    def prune(self) -> None:
        """Leave out the layers that nothing reads on the way to a head."""
        needed = set(self.heads.values())
        kept: list[DraftLayer] = []
        for layer in reversed(self.layers):
            if layer.output in needed:
                needed.update(layer.inputs)
                kept.append(layer)
                meant = self.meant_by_like(layer)
                needed.update([meant] if meant is not None else [])
        self.layers = kept[::-1]


def contradicts(asked: tuple[int, ...], stated: Sequence[int]) -> bool:
    """Whether the sides that were asked for are others than those that a model states; 0 are those that it leaves open.

    One of other sides may hold numbers that only fit its own, in a reshape or a dense layer.
    """
    return len(asked) != len(stated) or any(side not in (0, own) for own, side in zip(asked, stated, strict=True))


def refused(error: ShapeError, name: str, inputs: tuple[Value, ...]) -> str:
    """What an op says about inputs that it refuses, in one line."""
    shape = "x".join(map(str, inputs[0].type.shape)) if inputs else ""
    fields = {"layer": name, "input": shape, **error.fields}
    return Diagnostic(error.code, Span.of_file(""), fields).message
