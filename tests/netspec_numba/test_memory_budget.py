"""A plan within a memory budget computes the same bits; and the planner's figure is what a process takes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from netspec.backend import find_backend
from netspec.core.graph import Graph
from netspec.core.verify import verify
from netspec.diagnostics.errors import RunError
from netspec.passes.step import training_step
from netspec.plan import Plan, make_plan
from netspec.syntax.load import load_spec
from netspec.syntax.source import read_source
from netspec.zoo import zoo_path

BATCH = 6
NETWORKS = ("resnet20", "resnet18")


def step_of(name: str) -> Graph:
    spec = load_spec(read_source(zoo_path(name)))
    return training_step(spec.graph, spec.recipe)


def planned(name: str, budget: int | None, batch: int = BATCH) -> Plan:
    return make_plan(step_of(name), find_backend("numba").target(2), batch, "train", memory_budget=budget)


def least(name: str, batch: int = BATCH) -> int:
    """The smallest budget, as the diagnostic names it."""
    with pytest.raises(RunError, match="NS170") as refusal:
        planned(name, 1, batch)
    named = re.search(r"give it (\d+) bytes", str(refusal.value))
    assert named is not None
    return int(named[1])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_least_budget_is_met_and_one_byte_less_is_not(name: str) -> None:
    smallest, whole = least(name), planned(name, None)
    assert smallest < whole.total_bytes
    plan = planned(name, smallest)
    verify(plan.graph)
    assert plan.total_bytes == smallest
    with pytest.raises(RunError, match="memory budget"):
        planned(name, smallest - 1)
    assert planned(name, whole.total_bytes).computation() == whole.computation()


def test_a_large_plan_makes_a_little_again_unasked() -> None:
    small, large = planned("resnet18", None), planned("resnet18", None, 32)
    again = [node for node in large.graph if node.derived_from == "recomputation"]
    assert not any(node.derived_from == "recomputation" for node in small.graph)
    assert 1 <= len(again) <= 3
    assert large.total_bytes <= 608 * 2**20
    enough = planned("resnet18", 2 * large.total_bytes, 32)  # a budget says how much is enough
    assert enough.total_bytes > large.total_bytes + 50 * 2**20


def run(plan: Plan) -> tuple[Any, dict[str, Any]]:
    backend, random = find_backend("numba"), np.random.default_rng(3)
    state = backend.state(plan)
    for slot in plan.graph.slots:
        state.write(slot.name, random.uniform(0.1, 0.5, slot.param.shape).astype(np.float32))
    inputs = {
        value.name: random.integers(0, 2, (BATCH, *value.type.shape)).astype(value.type.dtype)
        for value in plan.graph.inputs
    }
    executable = backend.load(plan, state, 2)
    executable.run(inputs, dict.fromkeys((value.name for value in plan.graph.scalars), 1), BATCH)
    return executable.output("loss"), {name: state.read(name) for name in state.names()}


def test_no_bit_depends_on_the_budget() -> None:
    name = "resnet20"
    plan = planned(name, least(name))
    assert any(node.derived_from == "recomputation" for node in plan.graph)
    (loss, state), (same_loss, same_state) = run(planned(name, None)), run(plan)
    assert loss == same_loss
    for key, array in state.items():
        np.testing.assert_array_equal(same_state[key], array, err_msg=key)


MEASURE = """
import json, sys
from netspec.backend import find_backend
from netspec.bench.memory import peak_bytes, resident_bytes, restart_peak
from netspec.passes.step import training_step
from netspec.plan import make_plan
from netspec.syntax.load import load_spec
from netspec.syntax.source import read_source
from netspec.zoo import zoo_path

backend, spec = find_backend("numba"), load_spec(read_source(zoo_path("resnet18")))

def step(batch):
    plan = make_plan(training_step(spec.graph, spec.recipe), backend.target(2), batch, "train")
    state = backend.state(plan)
    executable = backend.load(plan, state, 2)
    executable.run({}, dict.fromkeys((value.name for value in plan.graph.scalars), 1), batch)
    return plan.total_bytes

step(1)  # loads the kernels
before = resident_bytes()
restart_peak()
print(json.dumps([step(int(sys.argv[1])), peak_bytes() - before]))
"""


def test_the_figure_is_within_a_tenth_of_what_a_process_takes() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE, "8"], capture_output=True, text=True, check=True, timeout=300)
    planned_bytes, measured = json.loads(done.stdout)
    assert planned_bytes == pytest.approx(measured, rel=0.1)
