"""Quantised networks in ONNX: what ONNX Runtime computes of them is what netspec computes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest

from netspec.backend import find_backend
from netspec.core.graph import Graph
from netspec.declarations.recipe import Recipe
from netspec.diagnostics.errors import SpecError
from netspec.interop.onnx.quantized import quantized_model
from netspec.interop.onnx.session import run
from netspec.interop.onnx.writer import FORMS
from netspec.interop.tensors import relative_error
from netspec.passes.quantization import Range, calibrated_values
from netspec.passes.step import inference
from netspec.testing.networks import byte_groups_network, byte_network
from netspec.training.evaluate import predict
from netspec.training.quantized import inputs_within, quantized_graph
from netspec.training.runtime import Runtime
from netspec.training.taps import constants

SAMPLES = 5
ONE_BYTE_OF_MANY = 0.02
"""Numbers that lie between two bytes may be rounded either way, in each of a dozen layers; predictions add up to 1."""


def runtime_of(network: Graph) -> Runtime:
    values = calibrated_values(inference(network, Recipe()))
    ranges = {name: Range(-0.5 * (place % 2), 1.5) for place, name in enumerate(values)}
    return Runtime(network, Recipe(), find_backend("numba"), SAMPLES, 1, trains=False, ranges=ranges)


@pytest.mark.parametrize("network", [byte_network((7, 6, 5)), byte_groups_network((9, 8, 1))], ids=lambda n: n.name)
@pytest.mark.parametrize("rounds_sums", [False, True])
def test_what_another_program_computes(network: Graph, rounds_sums: bool) -> None:
    runtime = runtime_of(network)
    graph = quantized_graph(runtime)
    model = quantized_model(graph, constants(runtime, graph), rounds_sums)
    inputs = inputs_within(runtime, SAMPLES)
    wanted = predict(runtime, inputs)
    found = run(model.encoded(), inputs)
    assert relative_error(found["main"], wanted["main"]) < (4 if rounds_sums else 1) * ONE_BYTE_OF_MANY
    assert {tensor.source for tensor in model.tensors} <= set(runtime.weight_shapes)


def test_bytes_are_bytes_there() -> None:
    runtime = runtime_of(byte_groups_network((9, 8, 1)))
    graph = quantized_graph(runtime)
    known = constants(runtime, graph)
    proto = quantized_model(graph, known).proto
    kinds = Counter(node.op_type for node in proto.graph.node)
    layers = [node for node in graph.nodes if node.op.name == "conv.int8"]
    assert kinds["Conv"] + kinds["Gemm"] == len(layers)
    assert kinds["QuantizeLinear"] >= len(layers)
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in proto.graph.initializer}
    weights = [array for array in stored.values() if array.dtype == np.int8 and array.ndim > 1]
    for node in layers:
        ours = np.sort(known[node.inputs[1].name], axis=None)
        assert any(np.array_equal(ours, np.sort(array, axis=None)) for array in weights), node.path


def test_what_has_no_form_is_told_at_its_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = runtime_of(byte_network((9, 3)))
    graph = quantized_graph(runtime)
    monkeypatch.delitem(FORMS, "softplus")
    with pytest.raises(SpecError, match=r"NS930.*softplus"):
        quantized_model(graph, constants(runtime, graph))
