"""Every network of the zoo to ONNX and back: as many parameters, the same predictions, a spec without findings that are
errors, and the same model when it is exported again. Quick ones always, all of them by ``pytest -m zoo``."""

from __future__ import annotations

import math

import numpy as np
import pytest
from onnx_round_trip import back
from zoo_networks import BATCH, NETWORKS, network

from netspec.backend import find_backend
from netspec.interop.onnx.model import onnx_model
from netspec.interop.onnx.session import run
from netspec.interop.tensors import relative_error
from netspec.lint.engine import lint
from netspec.syntax.source import Source
from netspec.training.evaluate import predict
from netspec.training.runtime import Runtime

ORDER = 1e-6
"""ONNX Runtime may fuse a graph in another way whose nodes come in another order, and float32 sums with it."""


@pytest.mark.zoo
@pytest.mark.parametrize("name", NETWORKS)
def test_comes_back(name: str) -> None:
    net = network(name, "infer")
    model = onnx_model(net.graph, net.recipe, net.weights)
    found = back(model.proto)
    stored = sum(math.prod(tensor.source_shape) for tensor in model.tensors)
    assert sum(array.size for array in found.weights.values()) == stored
    runtime = Runtime(found.spec.graph, found.spec.recipe, find_backend("numba"), BATCH, 1, trains=False)
    for weight, array in found.weights.items():
        runtime.state.write(weight, array)
    inputs = {found.found.inputs[value.name]: net.inputs[value.name] for value in net.graph.inputs}
    got, wanted = predict(runtime, inputs), predict(net.runtime, dict(net.inputs))
    for theirs, ours in found.found.outputs.items():
        # The weights were only moved and the layers are the same, so that the same kernels add in the same order.
        assert np.array_equal(got[ours], wanted[theirs])
    assert [each for each in lint(Source(f"{name}.yaml", found.found.written.text)) if each.severity == "error"] == []
    again = onnx_model(found.spec.graph, found.spec.recipe, found.weights)
    once, twice = run(model.encoded(), net.inputs), run(again.encoded(), inputs)
    for theirs, ours in found.found.outputs.items():
        assert relative_error(twice[ours], once[theirs]) <= ORDER


def test_lenet5_reads_as_a_person_would_write_it() -> None:
    net = network("lenet5", "infer")
    text = back(onnx_model(net.graph, net.recipe, net.weights).proto).found.written.text
    lines = [line.split("  #")[0].rstrip() for line in text.splitlines()]
    assert lines[2:] == [
        "netspec: 1",
        "name: lenet5",
        "",
        "input: [28, 28, 1]",
        "",
        "layers:",
        "  - conv: {filters: 6, kernel: 5, padding: same}",
        "  - relu",
        "  - max_pool: 2",
        "  - conv: {filters: 16, kernel: 5}",
        "  - relu",
        "  - max_pool: 2",
        "  - flatten",
        "  - dense: 120",
        "  - relu",
        "  - dense: 84",
        "  - relu",
        "  - dense: 10",
        "",
        "train:",
        "  loss: mean_squared_error",
    ]
