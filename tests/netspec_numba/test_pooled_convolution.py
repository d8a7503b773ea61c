"""Convolutions whose maxima alone are stored: the same bits as a convolution, an activation and a pooling apart."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from netspec.backend import find_backend
from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.declarations.ops.activations import Relu, Relu6
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.merge import Concat
from netspec.declarations.ops.pooling import MaxPool, MaxPoolValues
from netspec.plan import make_plan
from netspec.target import DIRECT
from netspec.testing.trials import tapped
from netspec_numba.host import LANES

Array = np.ndarray[Any, np.dtype[Any]]

FEW = max(1, LANES // 2 - 2)
LAYERS = {
    "lane positions": (Conv(filters=FEW, kernel=5, padding="same"), (28, 28, 1), MaxPool(size=2)),
    "lane positions, odd": (Conv(filters=FEW, kernel=(4, 3), bias=False), (12, 2 * LANES + 7, 1), MaxPool(size=2)),
    "strips": (Conv(filters=16, kernel=5), (14, 14, 6), MaxPool(size=2)),
    "strips of two vectors": (
        Conv(filters=3 * LANES, kernel=(2, 3), stride=(2, 1)),
        (15, 31, LANES + 2),
        MaxPool(size=2),
    ),
    "strips without a bias": (Conv(filters=5, kernel=1, bias=False), (4, 5, 6), MaxPool(size=2, stride=(3, 2))),
    "strips of a volume": (Conv(filters=3, kernel=(1, 2, 2)), (2, 9, 8, 6), MaxPool(size=(1, 2, 2))),
    "tiles": (Conv(filters=2 * LANES + 3, kernel=3, padding="same"), (9, 10, 3), MaxPool(size=2)),
    "tiles, wide windows": (Conv(filters=7, kernel=2, stride=2), (29, 17, 6), MaxPool(size=(7, 3), round="ceil")),
    "tiles in groups": (Conv(filters=12, kernel=2, groups=3), (6, 7, 6), MaxPool(size=2, padding=1)),
    "a line": (Conv(filters=5, kernel=4, padding="same"), (31, 6), MaxPool(size=3)),
}
ACTIVATIONS = {
    "relu": ((Relu(),), ()),
    "relu behind": ((), (Relu(),)),
    "relu6": ((Relu6(),), ()),
    "none": ((), ()),
}


def network(name: str, activation: str) -> Graph:
    layer, shape, pool = LAYERS[name]
    before, behind = ACTIVATIONS[activation]
    g = Builder("test")
    g.path = "layer"
    y = g.layer(layer, g.input("x", TensorType(shape))).output
    for attrs in (*before, MaxPoolValues(pool=pool), *behind):
        y = g.add(attrs, y)
    return g.graph({"y": y})


def results(graph: Graph, numbers: dict[str, Array], threads: int = 1, math: Any = "exact") -> tuple[set[str], Array]:
    """The ops of the plan, and what comes out for two samples of three."""
    backend = find_backend("numba")
    plan = make_plan(graph, backend.target(threads), 3, "infer", math=math)
    state = backend.state(plan)
    for slot in graph.slots:
        state.write(slot.name, numbers[slot.name])
    executable = backend.load(plan, state, threads)
    executable.run({"x": numbers["x"]}, {}, 2)
    return {step.node.op.name for step in plan.steps}, executable.output(next(reversed(graph.outputs)))


def numbers_for(graph: Graph, odd: bool) -> dict[str, Array]:
    """Whole numbers, so that zeros and equal ones meet; ``odd`` ones too: NaN, infinities and zeros of both signs."""
    random = np.random.default_rng(5)
    shapes = {"x": (2, *graph.inputs[0].type.shape)} | {slot.name: slot.param.shape for slot in graph.slots}
    found = {name: random.integers(-2, 3, shape).astype(np.float32) for name, shape in shapes.items()}
    found["x"] += random.normal(0, 0.25, found["x"].shape).astype(np.float32)
    if odd:
        found["x"][0].reshape(-1)[[0, -1]] = np.inf, -np.inf
        found["x"][1].reshape(-1)[7] = np.nan
        found["x"][1, -1] = -0.0
        for name, array in found.items():
            if name.endswith("bias"):
                array[0], array[-1] = np.inf, -0.0
    return found


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", LAYERS)
def test_the_bits_are_those_of_the_steps_apart(name: str, activation: str) -> None:
    graph = network(name, activation)
    for odd in (False, True):
        numbers = numbers_for(graph, odd)
        fused_ops, fused = results(graph, numbers)
        apart_ops, apart = results(tapped(graph), numbers)
        assert "conv.pooled" in fused_ops
        assert not fused_ops & {"conv", "relu", "relu6", "max_pool.values"}
        assert {"conv", "max_pool.values"} <= apart_ops
        assert np.isnan(fused).any() == odd
        assert fused.tobytes() == apart.tobytes()


@pytest.mark.parametrize("name", ["lane positions", "strips of two vectors", "tiles, wide windows"])
def test_threads_change_no_bits(name: str) -> None:
    graph, threads = network(name, "relu"), numba.config.NUMBA_NUM_THREADS
    numbers = numbers_for(graph, odd=False)
    assert results(graph, numbers)[1].tobytes() == results(graph, numbers, threads)[1].tobytes()


def test_maps_with_tables_of_planes_stay_apart() -> None:
    """A pooled convolution has tables as long as the map, which nobody asked for."""
    ops = {}
    for side in (12, 64):
        g = Builder("volume")
        g.path = "layer"
        y = g.layer(Conv(filters=32, kernel=3), g.input("x", TensorType((side, side, side, 4)))).output
        graph = g.graph({"y": g.add(MaxPoolValues(pool=MaxPool(size=2)), y)})
        plan = make_plan(graph, find_backend("numba").target(1), 1, "infer", math="exact")
        ops[side] = {step.node.op.name for step in plan.steps}
    assert "conv.pooled" in ops[12]
    assert "conv.pooled" not in ops[64]


def test_winograd_stays_apart() -> None:
    """It computes other bits, and has no form that pools."""
    g = Builder("test")
    y = g.layer(Conv(filters=32, kernel=3, padding="same"), g.input("x", TensorType((16, 16, 32)))).output
    graph = g.graph({"y": g.add(MaxPoolValues(pool=MaxPool(size=2)), y)})
    numbers = numbers_for(graph, odd=False)
    assert "conv.pooled" not in results(graph, numbers, math="fast")[0]
    assert "conv.pooled" in results(graph, numbers, math="exact")[0]


def test_lanes_of_positions_pool_only_in_squares() -> None:
    """A pooling that would need another algorithm than the convolution has is not taken in."""
    target = find_backend("numba").target(1)
    algorithms = {}
    for size in (2, 3):
        g = Builder("test")
        g.path = "conv"
        y = g.layer(Conv(filters=FEW, kernel=5, padding="same"), g.input("x", TensorType((28, 28, 1)))).output
        g.path = "pool"
        graph = g.graph({"y": g.add(MaxPoolValues(pool=MaxPool(size=size)), y)})
        plan = make_plan(graph, target, 8, "infer")
        algorithms |= {step.node.op.name: step.algorithm for step in plan.steps if step.node.path == "conv"}
    assert algorithms == {"conv.pooled": "lane-positions", "conv": "lane-positions"}
    assert DIRECT not in algorithms.values()


def test_what_is_joined_with_others_is_made_in_its_place() -> None:
    g = Builder("test")
    x = g.input("x", TensorType((9, 10, LANES)))
    parts = []
    for branch in ("a", "b"):
        g.path = branch
        y = g.layer(Conv(filters=LANES, kernel=2), x).output
        parts.append(g.add(MaxPoolValues(pool=MaxPool(size=2)), y))
    graph = g.graph({"y": g.add(Concat(), *parts)})
    numbers = numbers_for(graph, odd=False)
    plan = make_plan(graph, find_backend("numba").target(1), 3, "infer", math="exact")
    made = [step.node.output.type.pitch for step in plan.steps if step.node.op.name == "conv.pooled"]
    assert len(made) == 2
    assert None not in made
    assert results(graph, numbers)[1].tobytes() == results(tapped(graph), numbers)[1].tobytes()
