"""Moments of what is joined: those of the parts, each gathered once, where a part is made by what gathers them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Node, Value
from netspec.core.types import TensorType
from netspec.core.verify import verify
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.merge import Concat
from netspec.declarations.ops.normalization import BatchNorm
from netspec.declarations.ops.pooling import MaxPool
from netspec.declarations.recipe import Recipe
from netspec.passes.forms import training_form
from netspec.passes.moments import fuse_moments
from netspec.passes.step import training_step
from netspec.testing.interpreter import interpret
from netspec.testing.networks import dense_network


def gathers(op: str) -> bool:
    return op == "conv"


def norms(graph: Graph) -> list[Node]:
    return [node for node in graph if node.op.has("given_moments")]


def joined(*parts: str, axis: str = "channels") -> Graph:
    """A normalisation of a concatenation of what is made by a convolution or a pooling, or comes from outside."""
    g = Builder("test")
    x = g.input("x", TensorType((6, 5, 4)))

    def part(name: str, place: int) -> Value:
        g.path = f"{name}{place}"
        made = {"conv": Conv(filters=3, kernel=3, padding="same"), "pool": MaxPool(size=3, stride=1, padding="same")}
        return g.layer(made[name], x).output if name in made else x

    values = [part(name, place) for place, name in enumerate(parts)]
    g.path = "norm"
    return training_form(g.graph({"y": g.layer(BatchNorm(), g.add(Concat(axis=axis), *values)).output}))


def test_moments_lie_side_by_side_as_channels_do() -> None:
    before = joined("conv", "pool", "conv")
    done = fuse_moments(before, gathers)
    verify(done)
    (norm,) = norms(done)
    makers = done.producer()
    together = makers[norm.operands[-1]]
    assert (together.op.name, together.output.type.shape, together.output.type.batched) == ("concat", (3, 10), False)
    assert [makers[value].op.name for value in together.inputs] == ["conv", "moments", "conv"]
    x = np.random.default_rng(0).normal(3, 1, (2, 6, 5, 4))
    state = {slot.name: np.random.default_rng(1).normal(size=slot.param.shape) for slot in before.slots}
    results = [interpret(graph, {"x": x}, 2, state) for graph in (before, done)]
    # The same moments of the same numbers in float64, in the same order.
    np.testing.assert_array_equal(*(each.outputs["y"] for each in results))


@pytest.mark.parametrize(
    ("parts", "axis"), [(("pool", "pool"), "channels"), (("conv", "conv"), "height"), (("conv", "input"), "channels")]
)
def test_a_pass_over_the_whole_stays_where_parts_tell_nothing(parts: tuple[str, ...], axis: str) -> None:
    graph = joined(*parts, axis=axis)
    done = fuse_moments(graph, gathers)
    assert [node.op.name for node in done] == [node.op.name for node in graph]
    assert not any(node.attrs.given for node in norms(done))


def test_no_target_is_given_moments_that_it_does_not_gather() -> None:
    graph = joined("conv", "pool")
    assert fuse_moments(graph, lambda op: False).nodes == graph.nodes


@pytest.mark.parametrize("synchronized", [False, True])
def test_a_part_is_gone_through_once_however_often_it_is_joined(synchronized: bool) -> None:
    recipe = replace(Recipe(), sync_batch_norm=synchronized)
    graph = training_step(dense_network(), recipe, shared=synchronized)
    done = fuse_moments(graph, gathers)
    verify(done)
    assert len(norms(done)) == 5
    assert all(node.attrs.given for node in norms(done))
    (apart,) = (node for node in done if node.op.name == "moments")
    pooled = done.producer()[apart.inputs[0]]
    assert pooled.op.name.startswith("max_pool")
    assert sum(node.op.name == "concat" and not node.output.type.batched for node in done) == 2
