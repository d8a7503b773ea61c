"""Every network of the zoo through ONNX computes the same: quick ones always, all of them by ``pytest -m zoo``."""

from __future__ import annotations

import pytest
from zoo_networks import NETWORKS, network

from netspec.interop.onnx.model import BATCH, OPSET, onnx_model
from netspec.interop.onnx.session import run
from netspec.interop.tensors import relative_error
from netspec.training.evaluate import predict

SAME = 1e-4
"""float32 sums in another order, through a hundred layers, relative to the largest number."""


@pytest.mark.zoo
@pytest.mark.parametrize("name", NETWORKS)
def test_computes_the_same(name: str) -> None:
    net = network(name, "infer")
    model = onnx_model(net.graph, net.recipe, net.weights)
    found, wanted = run(model.encoded(), net.inputs), predict(net.runtime, dict(net.inputs))
    assert found.keys() == wanted.keys()
    for head, array in wanted.items():
        assert relative_error(found[head], array) < SAME


def test_names_and_opset_are_kept() -> None:
    net = network("lenet5", "infer")
    proto = onnx_model(net.graph, net.recipe, net.weights).proto
    assert [(each.domain, each.version) for each in proto.opset_import] == [("", OPSET)]
    assert {"conv.weight", "dense3.bias"} <= {each.name for each in proto.graph.initializer}
    assert [node.name for node in proto.graph.node][:3] == ["conv", "relu", "max_pool"]
    assert [each.name for each in proto.graph.output] == ["main"]
    shape = proto.graph.input[0].type.tensor_type.shape.dim
    assert [each.dim_param or each.dim_value for each in shape] == [BATCH, 1, 28, 28]


def test_every_weight_of_the_network_is_in_the_model() -> None:
    net = network("resnet20", "infer")
    tensors = onnx_model(net.graph, net.recipe, net.weights).tensors
    assert {tensor.source for tensor in tensors} == set(net.weights)
