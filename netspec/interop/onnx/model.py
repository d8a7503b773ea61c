"""A network as an ONNX model: the inference form, channels first, with any number of samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec import __version__
from netspec.core.graph import Graph, Value
from netspec.declarations.recipe import Recipe
from netspec.interop.forms import NoFormError, find, refusal
from netspec.interop.onnx import layers, shapes
from netspec.interop.onnx.writer import FORMS, Writer
from netspec.interop.tensors import Array, Exchanged
from netspec.passes.step import main_part

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

FORM_MODULES = (layers, shapes)
"""What enters forms into the table."""
OPSET = 21
"""Version of the operators that the model is written in."""
IR_VERSION = 10
"""Version of the file format that goes with it."""
BATCH = "N"
"""What the model calls the number of samples."""
PREDICTED = {"softmax": ("Softmax", {"axis": 1}), "sigmoid": ("Sigmoid", {})}
"""What predictions end in where the loss is taken of logits."""


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """The model, checked by ONNX's own checker, and where its tensors come from."""

    proto: ModelProto
    tensors: tuple[Exchanged, ...]

    def encoded(self) -> bytes:
        """The content of the file."""
        found: bytes = self.proto.SerializeToString()
        return found


def onnx_model(graph: Graph, recipe: Recipe, weights: Mapping[str, Array]) -> OnnxModel:
    """The network with these weights; a SpecError at the first layer that ONNX has no form of."""
    graph = main_part(graph, recipe)
    write = Writer(graph, weights)
    heads = {head: write.name(head) for head in graph.heads}
    names = {value: write.name(value.name) for value in graph.inputs}
    for node in graph.nodes:
        write.path = node.path
        try:
            made = find(FORMS, node, "ONNX")(write, node, [names[value] for value in node.data])
        except NoFormError as error:
            raise refusal(node, "ONNX", str(error)) from error
        names[node.output] = made
    for head, value in graph.heads.items():
        _predict(write, graph, recipe, head, names[value], heads[head])
    return assembled(
        write,
        graph.name,
        {names[value]: value for value in graph.inputs},
        {heads[h]: v for h, v in graph.heads.items()},
    )


def assembled(write: Writer, name: str, inputs: Mapping[str, Value], outputs: Mapping[str, Value]) -> OnnxModel:
    """The model of what was written; inputs and outputs are values of netspec by their names there."""
    import onnx
    from onnx import helper

    written = helper.make_graph(
        write.nodes,
        name,
        [_described(each, value) for each, value in inputs.items()],
        [_described(each, value) for each, value in outputs.items()],
        list(write.initializers.values()),
    )
    model = helper.make_model(
        written,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="netspec",
        producer_version=__version__,
    )
    onnx.checker.check_model(model)
    return OnnxModel(model, tuple(write.tensors))


def _predict(write: Writer, graph: Graph, recipe: Recipe, head: str, name: str, output: str) -> None:
    """The head under its own name, as it predicts."""
    absorbs = recipe.predicted_by(head)
    producer = graph.producer().get(graph.heads[head])
    if absorbs is None or (producer is not None and producer.op.name == absorbs):
        write.named(output, "Identity", name)
        return
    op_type, options = PREDICTED[absorbs]
    write.named(output, op_type, name, **options)


def _described(name: str, value: Value) -> ValueInfoProto:
    from onnx import TensorProto, helper

    shape = value.type.shape
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, *shape[-1:], *shape[:-1]])
