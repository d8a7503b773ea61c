from __future__ import annotations

from itertools import combinations

import pytest

from netspec.core.builder import Builder
from netspec.core.graph import Graph, Value
from netspec.core.types import TensorType
from netspec.declarations.ops.activations import Relu, Softmax, Tanh
from netspec.declarations.ops.merge import Add
from netspec.passes.memory import ALIGNMENT, CACHED, SLACK, Buffer, Placement, place_buffers
from netspec.plan import Plan, make_plan
from netspec.target import Target
from netspec.testing import Trial, all_cases, inference_trial, network_trials, training_trial

TRIALS = (
    *network_trials(),
    *(make(case) for case in all_cases()[::5] for make in (inference_trial, training_trial)),
)


def region(buffer: Buffer) -> str:
    return "state" if buffer.kind == "state" else "arena"


def overlap(first: Buffer, second: Buffer) -> bool:
    """Whether two buffers share a byte, the readable slack behind each included."""
    ends = (first.offset + first.bytes + SLACK, second.offset + second.bytes + SLACK)
    return region(first) == region(second) and first.offset < ends[1] and second.offset < ends[0]


BUDGETS = pytest.mark.parametrize("budget", [None, 2**60], ids=["roomy", "tight"])
"""Where memory is limited, even by much more than is needed, as little is taken as can be."""


@BUDGETS
@pytest.mark.parametrize("trial", TRIALS, ids=str)
def test_buffers_that_live_together_lie_apart(trial: Trial, target: Target, budget: int | None) -> None:
    plan = make_plan(trial.graph, target, 3, "train", memory_budget=budget)
    for first, second in combinations(plan.buffers, 2):
        if first.first <= second.last and second.first <= first.last:
            assert not overlap(first, second), (first, second)
    for buffer in plan.buffers:
        assert buffer.offset % ALIGNMENT == 0
        size = plan.state_bytes if buffer.kind == "state" else plan.arena_bytes
        assert buffer.offset + buffer.bytes + SLACK <= size


@BUDGETS
@pytest.mark.parametrize("trial", TRIALS, ids=str)
def test_every_value_is_still_there_when_it_is_read(trial: Trial, target: Target, budget: int | None) -> None:
    """Go through the steps and remember, byte by byte of the arena, whose number lies there."""
    plan = make_plan(trial.graph, target, 3, "train", memory_budget=budget)
    replay(plan)


def replay(plan: Plan) -> None:
    holder: dict[tuple[str, int], Value | str] = {}

    def touched(index: int) -> list[tuple[str, int]]:
        buffer = plan.buffers[index]
        lines = range(buffer.offset // ALIGNMENT, (buffer.offset + buffer.bytes + ALIGNMENT - 1) // ALIGNMENT)
        return [(region(buffer), line) for line in lines]

    def write(index: int, what: Value | str) -> None:
        holder.update(dict.fromkeys(touched(index), what))

    def check(value: Value, when: str) -> None:
        for line in touched(plan.values[value.name]):
            assert holder[line] is value, f"{value!r} was overwritten by {holder[line]!r} {when}"

    graph = plan.graph
    for value in (*graph.inputs, *graph.scalars, *(slot.value for slot in graph.slots)):
        write(plan.values[value.name], value)
    for step in plan.steps:
        for value in step.node.inputs:
            check(value, f"before {step.node!r}")
        for name, index in step.scratch.items():
            write(index, f"workspace {name}")
        for value in step.node.inputs:
            check(value, f"by a workspace of {step.node!r}")
        for value in step.node.outputs:
            write(plan.values[value.name], value)
        for value in step.node.outputs:
            check(value, f"by another output of {step.node!r}")
    for value in (*graph.outputs.values(), *(slot.written or slot.value for slot in graph.slots)):
        check(value, "before the end")


@pytest.mark.parametrize("trial", network_trials(), ids=str)
def test_only_an_elementwise_op_may_write_over_what_it_reads(trial: Trial, target: Target) -> None:
    for step in make_plan(trial.graph, target, 3, "train").steps:
        kinds = {step.node.op.has("expressions"), step.node.op.name == "batch_norm.moving"}
        if kinds == {False}:
            assert not set(step.inputs) & set(step.outputs), step.node


def plan(graph: Graph, batch: int = 2) -> Placement:
    return place_buffers(graph, batch, lambda node: {})


def chain(*ops: object) -> tuple[Graph, list[Value]]:
    g = Builder("net")
    values = [g.input("x", TensorType((16,)))]
    for op in ops:
        values.append(g.layer(op, values[-1]).output)
    return g.graph({"main": values[-1]}), values


def test_an_elementwise_chain_runs_in_place() -> None:
    graph, (x, first, second, third) = chain(Relu(), Tanh(), Relu())
    of = plan(graph).of
    assert of[first] == of[second] == of[third]
    assert of[x] != of[first]  # what came in is left as it is


def test_what_is_read_later_is_not_overwritten() -> None:
    g = Builder("net")
    x = g.input("x", TensorType((16,)))
    first = g.layer(Relu(), x).output
    second = g.layer(Tanh(), first).output
    third = g.layer(Add(), first, second).output
    of = plan(g.graph({"main": third})).of
    assert of[second] != of[first]
    assert of[third] in (of[first], of[second])


def test_an_output_is_not_overwritten() -> None:
    g = Builder("net")
    first = g.layer(Relu(), g.input("x", TensorType((16,)))).output
    second = g.layer(Tanh(), first).output
    of = plan(g.graph({"first": first, "second": second})).of
    assert of[first] != of[second]


@pytest.mark.parametrize("trial", TRIALS[:6], ids=str)
def test_in_a_small_arena_buffers_share_a_place_whole_or_not_at_all(trial: Trial, target: Target) -> None:
    roomy, tight = (make_plan(trial.graph, target, 3, "train", memory_budget=budget) for budget in (None, 2**60))
    for first, second in combinations([each for each in roomy.buffers if each.kind != "state"], 2):
        assert not overlap(first, second) or (first.offset, first.bytes) == (second.offset, second.bytes)
    assert tight.arena_bytes < roomy.arena_bytes <= CACHED
    large = make_plan(trial.graph, target, 2 * CACHED // tight.arena_bytes * 3, "train")
    assert CACHED < large.arena_bytes < roomy.arena_bytes * large.batch // 3


def test_dead_buffers_are_used_again() -> None:
    graph, _ = chain(*(Softmax() for _ in range(6)))  # never in place
    two_at_a_time = 2 * (2 * 16 * 4 + SLACK)
    assert plan(graph).arena_bytes == two_at_a_time


def test_new_state_lies_where_the_old_one_lay(target: Target) -> None:
    (trial,) = (t for t in network_trials() if t.name == "step of residual network on 7x6x3")
    made = make_plan(trial.graph, target, 3, "train")
    written = [slot for slot in made.graph.slots if slot.written is not None]
    assert {slot.kind for slot in written} == {"parameter", "statistic", "moment"}
    for slot in written:
        assert slot.written is not None
        assert made.values[slot.written.name] == made.values[slot.name]
    assert {made.buffers[made.values[slot.name]].kind for slot in made.graph.slots} == {"state"}


def test_a_larger_batch_takes_more_arena_and_the_same_state(target: Target) -> None:
    trial = network_trials()[0]
    small, large = (make_plan(trial.graph, target, batch, "train") for batch in (1, 8))
    assert small.arena_bytes < large.arena_bytes
    assert small.state_bytes == large.state_bytes
    assert large.total_bytes == large.arena_bytes + large.state_bytes


def test_the_same_graph_is_laid_out_the_same(target: Target) -> None:
    first, second = (make_plan(network_trials()[0].graph, target, 3, "train").document() for _ in range(2))
    assert first == second
