"""Tensors in the storage of others: that everything is still there when it is read, and which may lie so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import pytest

from netspec.core.graph import Graph, Node, Value
from netspec.core.types import ITEM_BYTES, TensorType
from netspec.core.verify import verify
from netspec.passes.memory import SLACK
from netspec.passes.recompute import recomputable
from netspec.passes.step import inference, training_step
from netspec.plan import Plan, make_plan
from netspec.syntax.load import load_spec
from netspec.syntax.source import read_source
from netspec.target import Target
from netspec.zoo import zoo_path

BATCH = 2
UNIT = 32
"""Bytes of one position in a block of eight channels."""
Planner = Callable[..., Plan]
NETWORKS = ("densenet121", "squeezenet1_1")


@dataclass(frozen=True, slots=True)
class SlicingTarget:
    """Convolutions, normalisations, joins and cuts take slices; poolings do not, nor do dense layers."""

    of: Target
    name: str = "slicing"
    roomy: int = 2**40

    def preferred_block(self, type: TensorType) -> int | None:
        return self.of.preferred_block(type)

    def accepts(self, op: str, position: int, type: TensorType) -> bool:
        return self.of.accepts(op, position, type)

    def takes_epilogue(self, op: str) -> bool:
        return op in ("conv", "batch_norm.dx")

    def takes_slices(self, op: str) -> bool:
        return op.split(".")[0] in ("conv", "batch_norm", "concat", "relu", "chain", "add", "channel_sum")

    def gathers_sums(self, op: str) -> bool:
        return True

    def scratch(self, node: Node, batch: int) -> Mapping[str, int]:
        return self.of.scratch(node, batch)


def step_of(name: str, mode: str = "train") -> Graph:
    spec = load_spec(read_source(zoo_path(name)), ["input=[64, 64, 3]"])
    return training_step(spec.graph, spec.recipe) if mode == "train" else inference(spec.graph, spec.recipe)


@pytest.fixture(scope="module")
def planned() -> Planner:
    """Plans by name and mode, each made once."""

    @cache
    def made(target: Target, name: str, mode: Any = "train") -> Plan:
        plan = make_plan(step_of(name, mode), SlicingTarget(target), BATCH, mode)
        verify(plan.graph)
        return plan

    return made


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_value_is_still_there_when_it_is_read(
    name: str, mode: str, target: Target, planned: Callable[..., Plan]
) -> None:
    """Go through the steps and remember, unit by unit of the arena, whose number lies there."""
    plan = planned(target, name, mode)
    graph, makers = plan.graph, plan.graph.producer()
    holder: dict[int, Value | str] = {}

    def units(value: Value) -> Iterator[int]:
        buffer, kind = plan.buffers[plan.values[value.name]], value.type
        item = ITEM_BYTES[kind.dtype]
        for sample in range(BATCH if kind.batched else 1):
            begin = buffer.offset + sample * kind.sample_stride * item
            yield from range(begin // UNIT, -(-(begin + kind.stored * item) // UNIT))

    def allowed(value: Value) -> set[Value]:
        """The value, what was made in its place before it was joined, and what it was cut out of."""
        found, node = {value}, makers.get(value)
        if node is not None and (node.op.has("first_channels") or (node.op.has("slice_start") and sliced(value))):
            for each in node.inputs:
                if node.op.has("slice_start") or sliced(each):
                    found |= allowed(each)
        return found

    def written(node: Node) -> set[int]:
        if node.op.has("slice_start") and sliced(node.output):
            return set()
        own = {unit for value in node.outputs for unit in units(value)}
        if node.op.has("first_channels"):
            own -= {unit for value in node.inputs if sliced(value) for unit in units(value)}
        return own

    for value in (*graph.inputs, *graph.scalars):
        holder.update(dict.fromkeys(units(value), value))
    state = {slot.value for slot in graph.slots}
    for step in plan.steps:
        node = step.node
        for index in step.scratch.values():
            buffer = plan.buffers[index]
            space = range(buffer.offset // UNIT, -(-(buffer.offset + buffer.bytes) // UNIT))
            holder.update(dict.fromkeys(space, "workspace"))
        for value in node.inputs:
            if value not in state:
                of = allowed(value)
                assert all(holder[unit] in of for unit in units(value)), f"{value!r} is gone before {node!r}"
        if plan.buffers[step.outputs[0]].kind != "state":
            holder.update(dict.fromkeys(written(node), node.output))
            for value in node.outputs[1:]:
                holder.update(dict.fromkeys(units(value), value))


def sliced(value: Value) -> bool:
    return value.type.pitch is not None


@pytest.mark.parametrize("name", NETWORKS)
def test_a_slice_lies_inside_its_whole_and_nothing_else_does(
    name: str, target: Target, planned: Callable[..., Plan]
) -> None:
    plan = planned(target, name)
    assert plan.graph.places
    for value, place in plan.graph.places.items():
        part, whole = (plan.buffers[plan.values[each.name]] for each in (value, place.whole))
        assert part.within == whole.index
        assert whole.offset <= part.offset
        assert part.offset + part.bytes <= whole.offset + whole.bytes
        assert whole.first <= part.first <= part.last <= whole.last
        assert value.type.pitch == place.whole.type.stored
    alone = [buffer for buffer in plan.buffers if buffer.within is None and buffer.kind != "state"]
    for first, second in combinations(alone, 2):
        if first.first <= second.last and second.first <= first.last:
            assert first.offset + first.bytes + SLACK <= second.offset or (
                second.offset + second.bytes + SLACK <= first.offset
            )


def test_all_of_a_dense_block_lies_in_one_tensor(target: Target, planned: Planner) -> None:
    graph = planned(target, "densenet121").graph
    wholes = {place.whole for value, place in graph.places.items() if value in graph.producer()}
    forward = {whole.type.channels for whole in wholes if graph.producer()[whole].region == "forward"}
    assert forward == {256, 512, 1024}
    joins = [node for node in graph if node.op.name == "concat"]
    copied = [value for node in joins for value in node.inputs if not sliced(value)]
    assert len(joins) == 58
    assert len(copied) == 4  # what a pooling hands to each block
    assert not [node for node in graph if node.op.name == "add"]


def test_what_lies_elsewhere_is_not_made_again(target: Target, planned: Planner) -> None:
    graph = planned(target, "densenet121").graph
    wholes = {place.whole for place in graph.places.values()}
    found = recomputable(graph, BATCH)
    assert found
    assert not any(value in graph.places or value in wholes for value in found)


def test_nothing_is_placed_where_a_kernel_cannot_do_with_it(target: Target, planned: Planner) -> None:
    plan = make_plan(step_of("squeezenet1_1"), target, BATCH, "train")
    assert not plan.graph.places
    for node in planned(target, "squeezenet1_1").graph:
        if not SlicingTarget(target).takes_slices(node.op.name):
            assert not any(sliced(value) for value in (*node.inputs, *node.outputs))
