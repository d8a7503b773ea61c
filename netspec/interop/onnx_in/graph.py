"""The nodes of a model with their attributes as plain values, and what of it is known without running it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import RunError
from netspec.interop.onnx_in.file import STANDARD, array_of, opset_of
from netspec.interop.tensors import Array

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A node. Inputs that are left out at the end are not there, those left out before others are empty."""

    number: int
    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or what holds where it is not written."""
        return self.attributes.get(name, default)

    def input(self, place: int) -> str:
        """The name of an input; empty where it is left out."""
        return self.inputs[place] if place < len(self.inputs) else ""

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]


class Calls:
    """All nodes of a model in order, who makes and who reads each of their values, and the constants among these."""

    def __init__(self, model: ModelProto) -> None:
        self.opset = opset_of(model)
        self.ours = model.producer_name == "netspec"
        self.constants: dict[str, Array] = {}
        self.unreadable: dict[str, str] = {}
        for tensor in model.graph.initializer:
            try:
                self.constants[tensor.name] = array_of(tensor)
            except RunError as error:
                self.unreadable[tensor.name] = str(error)
        self.all = [_call(number, node) for number, node in enumerate(model.graph.node, 1)]
        self.outputs = tuple(value.name for value in model.graph.output)
        self.producers = {name: call for call in self.all for name in call.outputs if name}
        self.readers: dict[str, int] = dict.fromkeys(self.outputs, 1)
        for call in self.all:
            for name in call.inputs:
                self.readers[name] = self.readers.get(name, 0) + 1

    def is_fixed(self, name: str) -> bool:
        """Whether a constant is a number of a formula and no weight; only netspec's own models tell, by its name."""
        return self.ours and re.search(r"/constant(:\d+)*$", name) is not None

    def made_by(self, name: str, *ops: str) -> Call | None:
        """The node that makes a value, where it is one of these, and nothing else reads what it makes."""
        call = self.producers.get(name)
        return call if call is not None and call.op in ops and self.readers.get(name) == 1 else None

    def either_way(self, call: Call) -> Sequence[tuple[str, str]]:
        """The two inputs of a sum or product in both orders."""
        if len(call.inputs) != 2:
            return ()
        first, second = call.inputs
        return ((first, second), (second, first))


def _call(number: int, node: NodeProto) -> Call:
    from onnx import helper

    attributes = {}
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        attributes[attribute.name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    domain = "" if node.domain in STANDARD else f"{node.domain}."
    return Call(number, domain + node.op_type, node.name, tuple(node.input), tuple(node.output), attributes)
