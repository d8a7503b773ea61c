"""What is normalised as it is read, and what must be stored; that no bit changes is shown where there are kernels."""

from __future__ import annotations

import numpy as np

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Node, Prologue, Value
from netspec.core.types import TensorType
from netspec.core.verify import verify
from netspec.declarations.ops.activations import Relu6, Tanh
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.merge import Add
from netspec.declarations.ops.normalization import BatchNorm
from netspec.passes.fusion import fuse_epilogues
from netspec.passes.prologues import fuse_prologues
from netspec.testing.interpreter import interpret

IMAGE = TensorType((4, 3, 5))


def network() -> tuple[Builder, Value, Value]:
    g = Builder("test")
    g.path = "norm"
    x, other = g.input("x", IMAGE), g.input("other", IMAGE)
    return g, g.layer(BatchNorm(eps=0.1, scale=False), x).output, other


def conv(g: Builder, x: Value, path: str = "conv") -> Value:
    g.path = path
    return g.layer(Conv(filters=7, kernel=1), x).output


def fused(graph: Graph) -> Graph:
    clipped = fuse_epilogues(graph, lambda op: True)
    done = fuse_prologues(clipped, lambda node, before: node.op.name == "conv")
    verify(done)
    return done


def ops(graph: Graph) -> list[str]:
    return [node.op.name for node in graph]


def test_a_normalisation_and_an_activation_become_a_prologue_of_the_same_numbers() -> None:
    g, x, _ = network()
    y = conv(g, g.add(Relu6(), x))
    before = g.graph({"y": g.add(Add(), y, g.input("added", y.type))})
    done = fused(before)
    (node,) = done.nodes
    assert node.prologue == Prologue(BatchNorm(eps=0.1, scale=False), 3, 0.0, 6.0)
    assert [value.name for value in node.operands] == ["x", "conv.weight", "conv.bias"]
    assert [value.name for value in node.loaded] == ["norm.shift", "norm.moving_mean", "norm.moving_variance"]
    assert node.residual is before.inputs[-1]
    assert node.parameter("bias").name == "conv.bias"
    random = np.random.default_rng(0)
    inputs = {value.name: random.normal(size=(2, *value.type.shape)) for value in before.inputs}
    state = {slot.name: random.uniform(0.5, 2, slot.param.shape) for slot in before.slots}
    results = [interpret(graph, inputs, 2, state).outputs["y"] for graph in (before, done)]
    np.testing.assert_array_equal(*results)


def test_what_others_read_is_stored() -> None:
    g, x, _ = network()
    assert ops(fused(g.graph({"y": conv(g, x), "z": conv(g, x, "second")}))) == ["batch_norm", "conv", "conv"]


def test_an_output_is_stored() -> None:
    g, x, _ = network()
    assert ops(fused(g.graph({"x": x, "y": conv(g, x)}))) == ["batch_norm", "conv"]


def test_what_is_more_than_normalised_and_clipped_is_stored() -> None:
    g, x, other = network()
    assert ops(fused(g.graph({"y": conv(g, g.add(Add(), other, x))}))) == ["batch_norm", "conv"]
    g, x, other = network()
    assert ops(fused(g.graph({"y": conv(g, g.add(Tanh(), x))}))) == ["batch_norm", "tanh", "conv"]


def test_the_target_is_asked_for_both_nodes() -> None:
    g, x, _ = network()
    asked: list[tuple[str, str]] = []

    def never(node: Node, before: Node) -> bool:
        asked.append((node.op.name, before.op.name))
        return False

    graph = g.graph({"y": conv(g, x)})
    assert ops(fuse_prologues(graph, never)) == ops(graph)
    assert asked == [("conv", "batch_norm")]
