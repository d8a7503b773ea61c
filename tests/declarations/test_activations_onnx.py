"""Activations against the definitions of ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_oracle import channels_first, channels_last, run_onnx

from netspec.core.builder import Builder
from netspec.core.types import TensorType
from netspec.declarations.ops import activations
from netspec.testing import interpret

Array = np.ndarray[Any, np.dtype[Any]]

ALIKE: list[tuple[Any, str, dict[str, float]]] = [
    (activations.Relu(), "Relu", {}),
    (activations.LeakyRelu(), "LeakyRelu", {}),
    (activations.LeakyRelu(slope=0.3), "LeakyRelu", {"alpha": 0.3}),
    (activations.Elu(), "Elu", {}),
    (activations.Elu(alpha=0.7), "Elu", {"alpha": 0.7}),
    (activations.Gelu(), "Gelu", {}),
    (activations.Sigmoid(), "Sigmoid", {}),
    (activations.HardSigmoid(), "HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    (activations.HardSwish(), "HardSwish", {}),
    (activations.Tanh(), "Tanh", {}),
    (activations.Softplus(), "Softplus", {}),
    (activations.Softmax(), "Softmax", {"axis": 1}),
    (activations.Abs(), "Abs", {}),
    (activations.Linear(), "Identity", {}),
]
SHAPES = ((7,), (5, 3), (4, 3, 5), (2, 3, 2, 1))


def written(attrs: Any, x: Array, **state: Array) -> Array:
    """The layer as it is written, on its definition."""
    g = Builder("net")
    value = g.input("x", TensorType(x.shape[1:]))
    g.path = "layer"
    graph = g.graph({"y": g.layer(attrs, value).output})
    return interpret(graph, {"x": x}, len(x), {f"layer.{name}": array for name, array in state.items()}).outputs["y"]


@pytest.mark.parametrize(("attrs", "op_type", "options"), ALIKE, ids=lambda item: str(item)[:30])
@pytest.mark.parametrize("shape", SHAPES)
def test_activation(attrs: Any, op_type: str, options: dict[str, float], shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(0.0, 4.0, (2, *shape))
    (wanted,) = run_onnx(op_type, [channels_first(x)], **options)
    # ONNX has its factors, 1/6 and 0.3, in float32.
    np.testing.assert_allclose(written(attrs, x), channels_last(wanted), rtol=1e-6 if options else 1e-12, atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_prelu(shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(1)
    x, slope = generator.normal(size=(2, *shape)), generator.normal(size=shape[-1])
    (wanted,) = run_onnx("PRelu", [channels_first(x), slope.reshape(-1, *(1,) * (len(shape) - 1))])
    np.testing.assert_allclose(written(activations.PRelu(), x, slope=slope), channels_last(wanted), rtol=1e-15)
