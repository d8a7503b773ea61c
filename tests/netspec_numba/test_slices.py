"""What is joined is made in its place, what is cut is read there, gates sum: fewer passes, and the same bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from netspec.backend import find_backend
from netspec.bench.layers import moved_bytes
from netspec.core.graph import Graph
from netspec.core.verify import verify
from netspec.passes.step import inference, training_step
from netspec.plan import Plan, make_plan
from netspec.syntax.load import load_spec
from netspec.syntax.source import Source, read_source
from netspec.target import DIRECT, FrugalTarget, Precision
from netspec.zoo import zoo_path
from netspec_numba.host import LANES

BATCH = 3

HEAD = f"""
netspec: 1
name: test
vars: {{block: {LANES}}}
input: [11, 9, 3]
layers:
  - conv: {{filters: $(2 * block), kernel: 3, padding: 1, bias: false}}
"""
TAIL = """
  - global_avg_pool
  - dense: 5
  - softmax
"""
NETWORKS = {
    "dense": """
  - batch_norm
  - relu
  - max_pool: 2
  - concat:
      kept: []
      new:
        - batch_norm
        - relu
        - conv: {filters: $(2 * block), kernel: 1, bias: false}
        - batch_norm
        - relu
        - conv: {filters: $(2 * block), kernel: 3, padding: 1, bias: false}
    repeat: 3
  - batch_norm
  - relu
""",
    "fire": """
  - relu
  - concat:
      one:
        - conv: {filters: $(2 * block), kernel: 1}
        - relu
      three:
        - conv: {filters: $(2 * block), kernel: 3, padding: 1}
        - relu
      apart:
        - depthwise_conv: {kernel: 3, padding: 1, multiplier: 2}
        - relu6
    repeat: 2
  - conv: {filters: $block, kernel: 1}
""",
    "uneven": """
  - concat:
      own: []
      first: [{conv: {filters: $(block + 3), kernel: 1}}]
      second: [{conv: {filters: $block, kernel: 1}}, tanh]
      last: [{conv: {filters: $(block - 3), kernel: 3, padding: 1}}, relu]
    repeat: 2
""",
}

SUMS = {"dense": 0, "fire": 6, "uneven": 2}
"""Gates behind a bias."""


@dataclass(frozen=True, slots=True)
class Copying:
    """The same target without slices and sums."""

    name: str
    precisions: tuple[Precision, ...]
    preferred_block: Callable[..., Any]
    accepts: Callable[..., Any]
    takes_epilogue: Callable[..., Any]
    gathers_moments: Callable[..., Any]
    algorithms: Callable[..., Any]
    scratch: Callable[..., Any]
    prepared: Callable[..., Any]


def copying(target: Any) -> Any:
    return Copying(*(getattr(target, field.name) for field in fields(Copying)))


def step_of(name: str, mode: str) -> Graph:
    spec = load_spec(Source("test.yaml", HEAD + NETWORKS[name] + TAIL))
    return training_step(spec.graph, spec.recipe) if mode == "train" else inference(spec.graph, spec.recipe)


def planned(graph: Graph, slices: bool, mode: Any, algorithms: dict[str, str] | None = None, threads: int = 1) -> Plan:
    target = find_backend("numba").target(threads)
    assert isinstance(target, FrugalTarget)
    plan = make_plan(graph, target if slices else copying(target), BATCH, mode, algorithms=algorithms)
    verify(plan.graph)
    return plan


def run(plan: Plan, samples: int, threads: int = 1) -> dict[str, Any]:
    backend, random = find_backend("numba"), np.random.default_rng(3)
    state = backend.state(plan)
    for slot in plan.graph.slots:
        state.write(slot.name, random.uniform(-0.4, 0.5, slot.param.shape).astype(np.float32) ** 2)
    inputs = {}
    for value in plan.graph.inputs:
        drawn = random.normal(0, 2, (samples, *value.type.shape)) if value.type.shape else [1] * samples
        inputs[value.name] = np.asarray(drawn).astype(value.type.dtype)
    executable = backend.load(plan, state, threads)
    scalars = dict.fromkeys((value.name for value in plan.graph.scalars), 1)
    executable.run(inputs, scalars, samples)
    made = {name: executable.output(name) for name in plan.graph.outputs}
    return made | {name: state.read(name) for name in state.names()}


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert np.isfinite(array).all()
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def sliced(plan: Plan) -> list[str]:
    return [node.op.name for node in plan.graph for value in node.outputs if value.type.pitch is not None]


@pytest.mark.parametrize("samples", [1, BATCH])
@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_bit_depends_on_where_a_tensor_lies(name: str, mode: str, samples: int) -> None:
    graph = step_of(name, mode)
    with_copies, plan = planned(graph, False, mode), planned(graph, True, mode)
    assert not sliced(with_copies)
    assert "conv" in sliced(plan)
    assert mode == "infer" or "concat.dx" in sliced(plan)
    sums = [node for node in plan.graph if node.epilogue is not None and node.epilogue.sums]
    assert len(sums) == (SUMS[name] if mode == "train" else 0)
    same(run(with_copies, samples), run(plan, samples))


def test_no_bit_depends_on_the_threads() -> None:
    graph = step_of("dense", "train")
    same(run(planned(graph, True, "train"), BATCH), run(planned(graph, True, "train", threads=2), BATCH, 2))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_algorithm_works_on_slices(name: str) -> None:
    graph = step_of(name, "train")
    plan = planned(graph, True, "train")
    forced: dict[str, set[str]] = {}
    for step in plan.steps:
        if any(value.type.pitch is not None for value in (*step.node.inputs, *step.node.outputs)):
            forced.setdefault(step.node.op.name, set()).update((step.algorithm, *step.alternatives))
    assert {DIRECT, "winograd-2", "winograd-4"} <= forced["conv"] | forced.get("conv.dw", set())
    assert name != "fire" or "lane-groups" in forced["conv"] & forced["conv.dx"]
    for algorithm in set().union(*forced.values()):
        steps = {
            step.node.output.name: algorithm for step in plan.steps if algorithm in (step.algorithm, *step.alternatives)
        }
        copies = planned(graph, False, "train", steps)
        same(run(copies, BATCH), run(planned(graph, True, "train", steps), BATCH))


def test_a_gradient_is_added_up_in_one_place() -> None:
    graph = step_of("dense", "train")
    plan = planned(graph, True, "train")
    over = [
        node
        for node in plan.graph
        if node.op.name == "batch_norm.dx" and node.epilogue is not None and node.output in plan.graph.places
    ]
    assert len(over) == 2
    for node in over:
        assert plan.graph.places[node.output] == plan.graph.places[node.inputs[-1]]


def test_a_dense_network_takes_a_quarter_less_memory() -> None:
    spec = load_spec(read_source(zoo_path("densenet121")))
    graph = training_step(spec.graph, spec.recipe)
    plan, with_copies = planned(graph, True, "train"), planned(graph, False, "train")
    assert plan.arena_bytes < 0.75 * with_copies.arena_bytes


def test_what_is_in_its_place_is_not_counted_as_moved() -> None:
    plan = planned(step_of("fire", "train"), True, "train")
    moved = {step.node.path: moved_bytes(step.node, BATCH) for step in plan.steps if step.node.op.name == "concat"}
    assert moved == {"concat/0": 0, "concat/1": 0}
    cut = next(step.node for step in plan.steps if step.node.op.name == "concat.dx")
    assert moved_bytes(cut, BATCH) == 0
    gate = next(step.node for step in plan.steps if step.node.op.name == "relu.dx" and step.node.output.type.pitch)
    numbers = gate.output.type.elements
    assert moved_bytes(gate, BATCH) == 4 * (3 * BATCH * numbers + gate.output.type.channels)
