"""Grows the nodes and initialisers of an ONNX graph. Everything in it is channels first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netspec.core.graph import Graph, Node, Value
from netspec.interop.flattened import flattened_images
from netspec.interop.tensors import Array, Exchanged, Turn

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

Form = Callable[["Writer", Node, Sequence[str]], str]
"""Adds what a node is in ONNX to the writer, and returns the name of its output; given are the names of its inputs."""

FORMS: dict[str, Form] = {}
"""By the name of the op."""


class Writer:
    """Nodes in order, and the arrays that they read."""

    def __init__(self, graph: Graph, weights: Mapping[str, Array]) -> None:
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.tensors: list[Exchanged] = []
        self.flattened: Mapping[Value, tuple[int, ...]] = flattened_images(graph)
        self._weights = weights
        self._names: dict[str, int] = {}
        self.path = ""

    def name(self, text: str) -> str:
        """A name that nothing else has."""
        count = self._names.get(text, 0) + 1
        self._names[text] = count
        return text if count == 1 else self.name(f"{text}:{count}")

    def add(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output, which is named after the layer that it belongs to: that name."""
        return self.named(self.name(self.path), op_type, *inputs, **attributes)

    def named(self, output: str, op_type: str, *inputs: str, **attributes: Any) -> str:
        """A node whose only output is called as given."""
        from onnx import helper

        self.nodes.append(helper.make_node(op_type, inputs, [output], name=output, **attributes))
        return output

    def split(self, x: str, axis: int, parts: int) -> list[str]:
        """Equal parts of an axis."""
        from onnx import helper

        outputs = [self.name(f"{self.path}/{part}") for part in range(parts)]
        self.nodes.append(helper.make_node("Split", [x], outputs, name=self.path, axis=axis, num_outputs=parts))
        return outputs

    def weight(self, node: Node, parameter: str, turn: Turn) -> str:
        """A parameter of a node, under its name in netspec; read otherwise by another layer, under a name beside it."""
        value = node.parameter(parameter)
        known = next((t for t in self.tensors if t.source == value.name and t.turn == turn), None)
        if known is None:
            known = Exchanged(self.name(value.name), value.name, value.type.shape, turn)
            self.tensors.append(known)
            self._keep(known.name, known.array(self._weights))
        return known.name

    def optional(self, node: Node, parameter: str, turn: Turn) -> list[str]:
        """The same as the only entry of a list, which is empty where the node has no such parameter."""
        return [self.weight(node, parameter, turn)] if parameter in node.parameters else []

    def numbers(self, values: Any) -> str:
        """A float32 constant."""
        return self.constant(np.asarray(values, np.float32))

    def whole(self, *values: int) -> str:
        """A list of whole numbers, such as axes or a shape."""
        return self.constant(np.array(values, np.int64))

    def constant(self, array: Array) -> str:
        """An array of any type."""
        name = self.name(f"{self.path}/constant")
        self._keep(name, array)
        return name

    def _keep(self, name: str, array: Array) -> None:
        from onnx import numpy_helper

        self.initializers[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
