"""Locally connected layers, radial units and transposed convolutions, where batches are larger than a tile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_operands import empty, logical, operand, run, tensor

from netspec.core.builder import Builder
from netspec.core.declare import declaration_of
from netspec.core.graph import Node
from netspec.core.types import TensorType
from netspec.declarations.ops.locally_connected import LocallyConnected
from netspec.declarations.ops.rbf import Rbf
from netspec.declarations.ops.reductions import SampleSum
from netspec.declarations.ops.transposed import ConvTranspose
from netspec.testing.bounds import allowed_errors
from netspec.testing.interpreter import evaluate
from netspec_numba.kernels import find

Array = np.ndarray[Any, np.dtype[Any]]


def nodes_of(attrs: Any, shape: tuple[int, ...]) -> list[Node]:
    """The op on an input of this shape, and its gradients."""
    g = Builder("one")
    node = g.layer(attrs, g.input("x", TensorType(shape)))
    dy = g.input("dy", node.output.type)
    attrs.grad(g, node, dy)
    return [each for each in g.nodes if declaration_of(each.attrs).name != "channel_sum"]


def check(node: Node, batch: int, n: int, plain: bool = False) -> None:
    """The kernel, with one thread and two, against the definition under the bound that the definition states."""
    random = np.random.default_rng(3)

    def kind(type: TensorType) -> TensorType:
        return tensor(type.shape, batched=type.batched).plain() if plain else tensor(type.shape, batched=type.batched)

    arrays = [
        random.normal(size=(n, *v.type.shape) if v.type.batched else v.type.shape).astype(np.float32)
        for v in node.inputs
    ]
    given = [operand(kind(v.type), array, batch) for v, array in zip(node.inputs, arrays, strict=True)]
    made = empty(kind(node.output.type), batch)
    find(node.attrs)
    run(declaration_of(node.attrs).name, node.attrs, given, [made], batch, n)
    inputs = [array.astype(np.float64) for array in arrays]
    (expected,) = evaluate(node, inputs, n)
    (allowed,) = allowed_errors(node, inputs, n)
    error = np.abs(logical(made, n) - expected)
    assert (error <= allowed).all(), f"{node.op.name}: {(error - allowed).max()} more than allowed"


LOCAL = [
    (LocallyConnected(filters=5, kernel=3, padding="same"), (6, 5, 3)),
    (LocallyConnected(filters=40, kernel=(2, 3), stride=2, bias=False), (5, 7, 17)),
    (LocallyConnected(filters=6, kernel=2, groups=3), (4, 6)),
    (LocallyConnected(filters=34, kernel=2, groups=2), (3, 3, 36)),
]


@pytest.mark.parametrize(("batch", "n"), [(1, 1), (14, 14), (15, 15), (150, 140)])
@pytest.mark.parametrize(("attrs", "shape"), LOCAL)
@pytest.mark.parametrize("plain", [False, True])
def test_locally_connected(attrs: Any, shape: tuple[int, ...], batch: int, n: int, plain: bool) -> None:
    for node in nodes_of(attrs, shape):
        check(node, batch, n, plain)


@pytest.mark.parametrize(("batch", "n"), [(1, 1), (40, 33)])
@pytest.mark.parametrize(("inputs", "units"), [(1, 1), (84, 10), (16, 16), (17, 33)])
def test_radial_units(inputs: int, units: int, batch: int, n: int) -> None:
    for node in nodes_of(Rbf(units=units), (inputs,)):
        check(node, batch, n)


def test_radial_units_are_exact_near_their_points() -> None:
    """Multiplied out, x² − 2xw + w² would leave nothing of a distance of 1e-3 at 1000."""
    (forward, *_) = nodes_of(Rbf(units=1), (1,))
    x, weight = np.array([[1000.001]], np.float32), np.array([[1000.0]], np.float32)
    y = empty(TensorType((1,)), 1)
    find(forward.attrs)
    run("rbf", forward.attrs, [operand(TensorType((1,)), x, 1), operand(weight_type(weight), weight, 1)], [y], 1, 1)
    exact = (float(x[0, 0]) - 1000.0) ** 2
    assert abs(logical(y, 1)[0, 0] - exact) <= 2 * np.finfo(np.float32).eps * exact


def weight_type(weight: Array) -> TensorType:
    return TensorType(weight.shape, batched=False)


TRANSPOSED = [
    (ConvTranspose(filters=17, kernel=4, stride=2, padding="same"), (7, 6, 5)),
    (ConvTranspose(filters=6, kernel=3, stride=(3, 1), dilation=2, groups=2), (4, 5, 34)),
    (ConvTranspose(filters=18, kernel=3, stride=2, padding=1, output_padding=1, groups=18), (5, 6, 18)),
    (ConvTranspose(filters=3, kernel=2, stride=2, bias=False), (20, 19, 4)),
    (ConvTranspose(filters=4, kernel=5), (1, 3)),
]


@pytest.mark.parametrize(("batch", "n"), [(1, 1), (20, 17)])
@pytest.mark.parametrize(("attrs", "shape"), TRANSPOSED)
@pytest.mark.parametrize("plain", [False, True])
def test_transposed_convolution(attrs: Any, shape: tuple[int, ...], batch: int, n: int, plain: bool) -> None:
    for node in nodes_of(attrs, shape):
        check(node, batch, n, plain)


@pytest.mark.parametrize("shape", [(3,), (6, 5), (3, 4, 33)])
@pytest.mark.parametrize("plain", [False, True])
def test_sum_over_samples(shape: tuple[int, ...], plain: bool) -> None:
    g = Builder("one")
    check(g.node(SampleSum(), g.input("x", TensorType(shape))), 40, 33, plain)
