"""Which steps one thread runs alone, and that the threads that were set are set again afterwards."""

from __future__ import annotations

from types import MappingProxyType

import numba
import numpy as np
import pytest

from netspec.core.builder import Builder
from netspec.core.types import TensorType
from netspec.declarations.ops.activations import Relu
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.dense import Dense
from netspec.plan import Plan, make_plan
from netspec_numba.backend import NumbaBackend
from netspec_numba.host import LANES
from netspec_numba.small_steps import FEW_BYTES, is_small

BACKEND = NumbaBackend()


def plan_of(layer: object, shape: tuple[int, ...], batch: int) -> Plan:
    g = Builder("test")
    y = g.layer(layer, g.input("x", TensorType(shape))).output
    return make_plan(g.graph({"y": y}, {"y": y}), BACKEND.target(1), batch, "infer")


@pytest.mark.parametrize(
    ("layer", "shape", "batch", "small"),
    [
        (Relu(), (100,), FEW_BYTES // 800, True),
        (Relu(), (100,), FEW_BYTES // 800 + 1, False),
        (Dense(units=10), (84,), 64, True),
        (Dense(units=60), (84,), 4 * LANES, True),
        (Dense(units=120), (400,), 64, False),
        (Conv(filters=4, kernel=3), (8, 8, 3), 1, True),
        (Conv(filters=24, kernel=5, padding="same"), (12, 12, 32), 1, False),
    ],
    ids=[
        "few numbers",
        "many numbers",
        "few products",
        "more",
        "many products",
        "convolution",
        "many sums of few numbers",
    ],
)
def test_what_is_small_follows_from_shapes(layer: object, shape: tuple[int, ...], batch: int, small: bool) -> None:
    plan = plan_of(layer, shape, batch)
    step = next(step for step in plan.steps if step.node.attrs == layer)
    assert is_small(step, batch) is small


@pytest.mark.parametrize("profiled", [False, True])
def test_threads_are_as_many_afterwards(profiled: bool) -> None:
    available = numba.get_num_threads()
    try:
        plan = plan_of(Relu(), (7,), 3)
        executable = BACKEND.load(plan, BACKEND.state(plan), available)
        x = np.linspace(-1, 1, 21, dtype=np.float32).reshape(3, 7)
        set_between = []
        if profiled:
            assert len(executable.profile({"x": x}, {}, 3, ("forward",))) == 1
        else:
            executable.run(
                {"x": x}, {}, 3, after=MappingProxyType({0: lambda: set_between.append(numba.get_num_threads())})
            )
            assert set_between == [1]
        assert numba.get_num_threads() == available
        np.testing.assert_array_equal(executable.output("y"), np.maximum(x, 0))
    finally:
        numba.set_num_threads(available)
