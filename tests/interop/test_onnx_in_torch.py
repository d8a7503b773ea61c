"""Networks that PyTorch's exporters wrote, by tracing and by torch.export, predict the same as a spec."""

from __future__ import annotations

import io
import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch_networks
from onnx_round_trip import back

from netspec.backend import find_backend
from netspec.interop.tensors import relative_error
from netspec.training.evaluate import predict
from netspec.training.runtime import Runtime

pytestmark = pytest.mark.peer
SAME = 1e-5
"""float32 sums in another order, through fifty layers; found were 1e-6."""


def trained(name: str) -> Any:
    """The network with statistics of batch normalisation as if it had been trained."""
    import torch

    torch.manual_seed(0)
    net = getattr(torch_networks, name)()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


def exported(net: Any, x: Any, how: str) -> Any:
    """The model as the exporter of that name writes it; ``folded`` takes batch normalisation into the convolutions."""
    import onnx
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters warn of their own future
        if how == "dynamo":
            program = torch.onnx.export(net, (x,), dynamo=True, dynamic_shapes=({0: "n"},), verbose=False)
            assert program is not None
            return program.model_proto
        file = io.BytesIO()
        torch.onnx.export(
            net,
            (x,),
            file,
            dynamo=False,
            input_names=["x"],
            dynamic_axes={"x": {0: "n"}},
            do_constant_folding=how == "folded",
        )
    return onnx.load_from_string(file.getvalue())


@pytest.mark.parametrize(
    ("name", "side", "how", "normalised"),
    [
        ("resnet18", 64, "plain", True),
        ("resnet18", 64, "folded", False),
        ("mobilenet_v2", 64, "plain", True),
        ("assorted", 16, "plain", True),
        ("assorted", 16, "folded", True),
        pytest.param("assorted", 16, "dynamo", True, marks=pytest.mark.slow),
        pytest.param("mobilenet_v2", 64, "dynamo", False, marks=pytest.mark.slow),
    ],
)
def test_predicts_the_same(name: str, side: int, how: str, normalised: bool) -> None:
    import torch

    net, x = trained(name), torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    found = back(exported(net, x, how))
    if normalised:
        stored = [*net.parameters(), *(each for key, each in net.named_buffers() if "num_batches" not in key)]
        assert sum(array.size for array in found.weights.values()) == sum(each.numel() for each in stored)
    runtime = Runtime(found.spec.graph, found.spec.recipe, find_backend("numba"), 2, 1, trains=False)
    for weight, array in found.weights.items():
        runtime.state.write(weight, array)
    got = predict(runtime, {"input": np.ascontiguousarray(np.moveaxis(x.numpy(), 1, -1))})["main"]
    with torch.inference_mode():
        assert relative_error(got, net(x).numpy()) < SAME


def test_module_names_become_names_of_layers() -> None:
    import torch

    found = back(exported(trained("resnet18"), torch.zeros(1, 3, 32, 32), "plain"))
    text = found.found.written.text
    assert {
        "conv1.weight",
        "layer1_0_bn1.moving_mean",
        "layer2_0_downsample_0.weight",
        "fc.bias",
    } <= found.weights.keys()
    assert "    from: [layer1_0_bn2, maxpool]" in text.splitlines()
    assert sum(math.prod(array.shape) for array in found.weights.values()) == 11_699_112
