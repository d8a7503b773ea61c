"""Ops that move, select and reshape, one behind the other: layouts meet, buffers are shared, gradients join."""

from __future__ import annotations

from typing import Any

import pytest

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Value
from netspec.core.types import TensorType
from netspec.core.verify import verify
from netspec.declarations.ops.activations import Relu, Sigmoid
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense, Flatten
from netspec.declarations.ops.merge import Concat, Max, Mean, Subtract
from netspec.declarations.ops.pooling import GlobalAvgPool
from netspec.declarations.ops.products import Multiply, Scale
from netspec.declarations.ops.reshaping import DepthToSpace, Identity, Reshape
from netspec.declarations.ops.resizing import Crop, Pad, Upsample
from netspec.declarations.ops.selection import ChannelShuffle, Part, Select
from netspec.declarations.recipe import Recipe
from netspec.declarations.transforms import Divide
from netspec.passes.step import inference, training_step
from netspec.testing import check_trial
from netspec.testing.trials import Trial, trial

CLASSES = 5


def network(shape: tuple[int, ...]) -> Graph:
    g = Builder(f"shapes of {'x'.join(map(str, shape))}")

    def layer(attrs: Any, *inputs: Value) -> Value:
        g.path = f"{attrs.declaration.name}{len(g.nodes)}"
        return g.layer(attrs, *inputs).output

    axes = len(shape) - 1
    x = layer(Scale(bias=True), layer(Conv(filters=34, kernel=3, padding="same"), g.input("x", TensorType(shape))))
    halves = [layer(Part(index=index), x) for index in range(2)]
    x = layer(ChannelShuffle(groups=2), layer(Concat(), layer(Relu(), halves[0]), halves[1]))
    gate = layer(Sigmoid(), layer(Dense(units=34), layer(Identity(), layer(GlobalAvgPool(), x))))
    mask = layer(Sigmoid(), layer(Conv(filters=1, kernel=1), x))
    x = layer(Subtract(), layer(Multiply(), x, gate, mask), x)
    fine = layer(Upsample(factor=2, method="bilinear"), layer(Select(index=(*range(16), 33, 33)), x))
    wide = layer(DepthToSpace(factor=2), layer(Pad(channels=(0, 18 * 2**axes - 34)), x))
    x = layer(Max(), fine, layer(Upsample(factor=2), layer(Crop(like=shape), wide)))
    x = layer(Mean(), x, layer(Crop(like=fine.type.shape), layer(Pad(amount=1, mode="replicate"), x)))
    x = layer(Relu(), layer(Reshape(shape=(2, -1, 9)), x))
    head = layer(Dense(units=CLASSES), layer(Flatten(), layer(Scale(by=0.5), x)))
    return g.graph({"main": head}, {"main": head})


def trials() -> list[Trial]:
    recipe = Recipe(preprocess=(Divide(by=255.0),))
    made = []
    for shape in ((6, 3), (4, 6, 3), (3, 4, 2, 1)):
        graph = network(shape)
        made.append(trial(f"step of {graph.name}", training_step(graph, recipe, "uint8"), "train", 3, CLASSES))
        made.append(trial(f"inference of {graph.name}", inference(graph, recipe, "uint8"), "infer", 3, CLASSES))
    return made


@pytest.mark.parametrize("trial", trials(), ids=str)
def test_network(trial: Trial) -> None:
    from netspec_numba.backend import NumbaBackend

    verify(trial.graph)
    assert check_trial(NumbaBackend(), trial) == []
