"""Moments of what a convolution stores, gathered in its kernel: as exact as sums of 16 rows in float32 can be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.backend import find_backend
from netspec.core.builder import Builder
from netspec.core.graph import Graph
from netspec.core.types import TensorType
from netspec.core.verify import verify
from netspec.declarations.ops.convolution import Conv
from netspec.declarations.ops.normalization import BatchNorm
from netspec.declarations.ops.normalization_reference import moments_of
from netspec.passes.forms import training_form
from netspec.plan import Plan, make_plan

EPS = float(np.finfo(np.float32).eps)

LAYERS = {
    "strided": (Conv(filters=19, kernel=3, stride=2, padding="same"), (9, 8, 5)),
    "point": (Conv(filters=33, kernel=1), (4, 5, 17)),
    "few tiles": (Conv(filters=35, kernel=3, padding="same"), (13, 9, 33)),
    "many tiles": (Conv(filters=20, kernel=3, padding="same"), (34, 34, 16)),
    "depthwise": (Conv(filters=20, kernel=3, groups=20, padding="same"), (6, 7, 20)),
    "groups": (Conv(filters=64, kernel=3, groups=2, padding="same"), (6, 7, 64)),
    "narrow groups": (Conv(filters=60, kernel=3, groups=20, padding="same"), (6, 7, 20)),
    "one number": (Conv(filters=3, kernel=4), (4, 4, 3)),
}
BATCH = 5


def network(name: str) -> Graph:
    layer, shape = LAYERS[name]
    g = Builder("test")
    g.path = "layer"
    x = g.layer(layer, g.input("x", TensorType(shape))).output
    y = g.layer(BatchNorm(eps=1e-3), x).output
    return training_form(g.graph({"y": y, "x": x}))


def planned(graph: Graph, threads: int, algorithm: str | None = None) -> Plan:
    """The plan, in which the convolution is computed by an algorithm."""
    target = find_backend("numba").target(threads)
    plan = make_plan(graph, target, BATCH, "gradients")
    convolution = next(step for step in plan.steps if step.node.op.name == "conv")
    if algorithm is None or algorithm == convolution.algorithm:
        return plan
    return make_plan(graph, target, BATCH, "gradients", algorithms={convolution.node.output.name: algorithm})


def run(plan: Plan, threads: int, samples: int, offset: float) -> tuple[dict[str, Any], Any]:
    """The state given, and the executable that has run on it; ``offset`` is added to what the convolution makes."""
    backend, random = find_backend("numba"), np.random.default_rng(7)
    state = backend.state(plan)
    given = {slot.name: random.normal(size=slot.param.shape).astype(np.float32) for slot in plan.graph.slots}
    given[next(name for name in given if name.endswith("bias"))] += offset
    for name, array in given.items():
        state.write(name, array)
    (source,) = plan.graph.inputs
    inputs = {source.name: random.normal(0, 3, (samples, *source.type.shape)).astype(np.float32)}
    executable = backend.load(plan, state, threads)
    executable.run(inputs, {}, samples)
    return given, executable


def algorithms(name: str) -> list[str]:
    plan = planned(network(name), 1)
    step = next(step for step in plan.steps if step.node.op.name == "conv")
    return [step.algorithm, *step.alternatives]


CASES = [(name, algorithm) for name in LAYERS for algorithm in algorithms(name)]


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("samples", [1, BATCH])
@pytest.mark.parametrize(("name", "algorithm"), CASES)
def test_moments_are_those_of_what_is_stored(name: str, algorithm: str, samples: int, offset: float) -> None:
    plan = planned(network(name), 1, algorithm)
    verify(plan.graph)
    (node,) = (step.node for step in plan.steps if step.node.op.name == "conv")
    assert node.epilogue is not None
    assert node.epilogue.moments
    given, executable = run(plan, 1, samples, offset)
    stored = executable.output("x").astype(np.float64)
    expected = moments_of(stored)
    # A row less the first one is off by half an eps of their distance, a sum over 16 rows by 16 such, all of it of
    # |x - mean| at the largest distance; a float32 result by half an eps of itself.
    rows = stored.reshape(-1, stored.shape[-1])
    reach = np.abs(rows - rows[0]).max(axis=0)
    y = executable.output("y").astype(np.float64)
    scale, shift = (given[next(n for n in given if n.endswith(end))] for end in ("scale", "shift"))
    normal = (stored - expected[0]) / np.sqrt(expected[2] + 1e-3)
    off_mean, off_variance = 16 * EPS * reach, 32 * EPS * reach**2
    spread = expected[2] + 1e-3
    allowed = np.abs(scale) * (
        off_mean / np.sqrt(spread) + np.abs(normal) * off_variance / spread + 4 * EPS * (np.abs(normal) + 1)
    )
    allowed = allowed + 4 * EPS * np.abs(shift) + np.abs(scale) * EPS * np.abs(expected[0]) / np.sqrt(spread)
    assert np.all(np.abs(y - (normal * scale + shift)) <= allowed)


@pytest.mark.parametrize(("name", "algorithm"), CASES)
def test_moments_are_the_same_bits_on_any_number_of_threads(name: str, algorithm: str) -> None:
    results = [run(planned(network(name), threads, algorithm), threads, BATCH, 3.0)[1] for threads in (1, 2)]
    np.testing.assert_array_equal(*(each.output("y") for each in results))
