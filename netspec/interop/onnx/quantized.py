"""A quantised network as an ONNX model in the form QDQ: float operators between pairs that round to bytes and back.

A runtime that has operators for bytes replaces what stands between two pairs by one of them; one that has none computes
the same with float32. Weights are int8 with a scale for each output channel, biases int32 in units of the sums, and
scales and zeros of activations those of the network, so that results differ where a number lies so near the middle
between two bytes that float32 rounds it the other way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from netspec.core.graph import Graph, Node, Value
from netspec.core.types import Quantized
from netspec.declarations.ops.dense import Dense
from netspec.declarations.ops.quantization import HIGHEST, LOWEST
from netspec.interop.forms import NoFormError, find, refusal
from netspec.interop.onnx.model import OnnxModel, assembled
from netspec.interop.onnx.writer import FORMS, Writer
from netspec.interop.tensors import Array, Exchanged, filters_first, flattened_rows
from netspec.interop.windows import padded_window

_TRANSPARENT = {"max_pool.values": "pool", "max_pool.int8": "pool", "mean.int8": "pool", "move.int8": "move"}
"""Ops that are what an op in one of their attributes is, on other numbers."""
_TRANSPARENT |= {"concat.int8": "concat"}


def quantized_model(graph: Graph, constants: Mapping[str, Array], rounds_sums: bool = False) -> OnnxModel:
    """The network; ``graph`` is its prediction in bytes of float32 inputs, without transforms of data.

    ``constants`` are the values, by name, that follow from weights alone. With ``rounds_sums`` what a residual is added
    to is rounded before that, as ONNX Runtime's operators for bytes want it, in a range that is safe for it; netspec
    rounds once, after the sum. A SpecError at the first layer that ONNX has no form of.
    """
    work = _Work(Writer(graph, constants), constants, graph.producer(), rounds_sums)
    write = work.write
    heads = {head: write.name(head) for head in graph.heads}
    work.names |= {value: write.name(value.name) for value in graph.inputs}
    inputs = {work.names[value]: value for value in graph.inputs}
    for node in graph.nodes:
        if node.output.type.batched:
            write.path = node.path
            try:
                work.names[node.output] = work.placed(node)
            except NoFormError as error:
                raise refusal(node, "ONNX", str(error)) from error
    for head, value in graph.heads.items():
        write.named(heads[head], "Identity", work.names[value])
    return assembled(write, graph.name, inputs, {heads[head]: value for head, value in graph.heads.items()})


def _inner(node: Node, attribute: str) -> Node:
    """The node as one of the op that an attribute holds."""
    return replace(node, attrs=getattr(node.attrs, attribute))


@dataclass(slots=True)
class _Work:
    """The model in the making: what the numbers of a value are called there, those of bytes behind the way back."""

    write: Writer
    constants: Mapping[str, Array]
    producers: Mapping[Value, Node]
    rounds_sums: bool
    names: dict[Value, str] = field(default_factory=dict)

    def placed(self, node: Node) -> str:
        """Add what the node is, and return the name of its numbers."""
        name, given = node.op.name, [self.names[value] for value in node.data if value.type.batched]
        if node.epilogue is not None:
            raise NoFormError("its numbers have no range, so that it is float32 with others taken in")
        if name == "conv.int8":
            return self._layer(node, given)
        if name == "add.int8":
            made = self._clipped(node, self.write.add("Add", *given))
        elif name == "rescale":
            made = self._clipped(node, given[0])
        elif name in ("quantize", "dequantize"):
            made = given[0]
        else:
            plain = _inner(node, _TRANSPARENT[name]) if name in _TRANSPARENT else node
            made = find(FORMS, plain, "ONNX")(self.write, plain, given)
        held = node.output.type.quantized
        return made if held is None else self.rounded(made, held)

    def rounded(self, name: str, held: Quantized) -> str:
        """To bytes and back."""
        scale, zero = self._keep(np.float32(held.scale)), self._keep(np.uint8(held.zero))
        made = self.write.add("QuantizeLinear", name, scale, zero)
        return self.write.add("DequantizeLinear", made, scale, zero)

    def _keep(self, array: Any) -> str:
        return self.write.constant(np.asarray(array))

    def _clipped(self, node: Node, name: str) -> str:
        """Between the limits of an activation that bytes of the output's range do not keep by themselves."""
        y: Quantized | None = node.attrs.y
        if y is None or (node.attrs.low <= LOWEST and node.attrs.high >= HIGHEST):
            return name
        limits = (self.write.numbers((limit - y.zero) * y.scale) for limit in (node.attrs.low, node.attrs.high))
        return self.write.add("Clip", name, *limits)

    def _layer(self, node: Node, given: Sequence[str]) -> str:
        """A convolution or a dense layer, the residual, the activation, the bytes."""
        y: Quantized | None = node.attrs.y
        made = self._product(node, given[0])
        if len(given) > 1:
            added = node.inputs[-1].type.quantized
            if self.rounds_sums and y is not None and added is not None:
                made = self.rounded(made, Quantized(2 * (y.scale + added.scale), 128))
            made = self.write.add("Add", made, given[1])
        made = self._clipped(node, made)
        return made if y is None else self.rounded(made, y)

    def _product(self, node: Node, x: str) -> str:
        layer, held = node.attrs.layer, node.inputs[0].type.quantized
        assert held is not None  # what goes into a layer of bytes is bytes
        weight, bias, factor = (self.constants[value.name] for value in node.inputs[1:4])
        unit = factor.astype(np.float64) * (node.attrs.y.scale if node.attrs.y else 1.0)
        own = bias + held.zero * weight.reshape(-1, weight.shape[-1]).sum(axis=0, dtype=np.int64)
        dense = isinstance(layer, Dense)
        image = self.write.flattened.get(node.inputs[0])
        turn = flattened_rows(weight.shape, image, transposed=True) if dense else filters_first(weight.shape)
        weights = self._scaled(turn.apply(weight), unit / held.scale)
        self.write.tensors.append(Exchanged(weights, self._source(node), weight.shape, turn))
        biases = self._scaled(own.astype(np.int32), unit)
        if dense:
            return self.write.add("Gemm", x, weights, biases, transB=1)
        padded = padded_window(layer, node.inputs[0].type)
        return self.write.add(
            "Conv",
            x,
            weights,
            biases,
            kernel_shape=list(padded.window.size),
            strides=list(padded.window.stride),
            dilations=list(padded.window.dilation),
            pads=[*padded.before, *padded.after],
            group=layer.groups,
        )

    def _source(self, node: Node) -> str:
        """The name of the weight that a layer's bytes are made of."""
        weight = self.producers[node.inputs[1]].inputs[0]
        folded = self.producers.get(weight)
        return weight.name if folded is None else folded.inputs[0].name

    def _scaled(self, array: Array, scales: Array) -> str:
        """Whole numbers with a scale for each place of the first axis."""
        zeros = self._keep(np.zeros(len(scales), array.dtype))
        return self.write.add(
            "DequantizeLinear", self._keep(array), self._keep(scales.astype(np.float32)), zeros, axis=0
        )
