"""The plan: what a backend is given. Steps in order, and buffers with their places in one arena."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, Literal, NamedTuple

from netspec.core.declare import attributes_of, declaration_of
from netspec.core.graph import Epilogue, Graph, Node, Prologue, Value
from netspec.diagnostics.errors import RunError
from netspec.diagnostics.text import size
from netspec.passes.fusion import fuse
from netspec.passes.layout import assign_layouts
from netspec.passes.memory import CACHED, Buffer, place_buffers
from netspec.passes.prologues import fuse_prologues
from netspec.passes.recompute import recomputable, recompute
from netspec.passes.selection import work_before_selections
from netspec.passes.slices import place_slices
from netspec.passes.storage import assign_storage
from netspec.target import (
    DIRECT,
    ChoosingTarget,
    FrugalTarget,
    LoadingTarget,
    Math,
    NarrowTarget,
    PoolingTarget,
    Precision,
    Target,
)

Mode = Literal["train", "gradients", "infer"]
A_LITTLE = 0.035
"""The share of what all steps read and write that making tensors again may add unasked; about 1 % of the time."""


@dataclass(frozen=True, slots=True)
class Step:
    """One kernel call: its node, the algorithm, and the buffers of its inputs, outputs and workspaces."""

    node: Node
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    scratch: Mapping[str, int]
    algorithm: str = DIRECT
    alternatives: tuple[str, ...] = ()
    """Other algorithms that compute the node."""
    kept: bool = False
    """Whether what is computed from parameters alone stays in the step's workspaces until the parameters change."""
    constant: bool = False
    """Whether all of the step is computed from parameters alone: it is run when they have changed."""

    def computation(self) -> dict[str, Any]:
        """What the step computes and how, as plain data: all of the step that its bits depend on."""
        return {
            "op": self.node.op.name,
            "path": self.node.path,
            "region": self.node.region,
            "attributes": _attributes(self.node.attrs),
            "algorithm": self.algorithm,
            **({"prologue": _loaded(self.node.prologue)} if self.node.prologue else {}),
            **({"epilogue": _written(self.node.epilogue)} if self.node.epilogue else {}),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """A graph laid out for one target and a largest batch. Offsets of state and arena count from two bases."""

    graph: Graph
    mode: Mode
    target: str
    batch: int
    steps: tuple[Step, ...]
    buffers: tuple[Buffer, ...]
    arena_bytes: int
    state_bytes: int
    values: Mapping[str, int]
    """Buffer of every value, by the value's name."""
    precision: Precision = "float32"

    @property
    def total_bytes(self) -> int:
        """Memory for the run: arena and state."""
        return self.arena_bytes + self.state_bytes

    def computation(self) -> list[dict[str, Any]]:
        """What is computed, step by step, as plain data.

        Where it lies in memory is left out: workspaces grow with the number of threads, which changes no bit.
        """
        return [
            {
                **step.computation(),
                "inputs": [value.name for value in step.node.inputs],
                "outputs": {value.name: str(value.type) for value in step.node.outputs},
            }
            for step in self.steps
        ]

    def document(self) -> dict[str, Any]:
        """The plan as plain data, for JSON."""
        return {
            "mode": self.mode,
            "target": self.target,
            "batch": self.batch,
            "arena_bytes": self.arena_bytes,
            "state_bytes": self.state_bytes,
            "steps": [
                {
                    **step.computation(),
                    "inputs": list(step.inputs),
                    "outputs": list(step.outputs),
                    "types": [str(v.type) for v in step.node.outputs],
                    "scratch": dict(step.scratch),
                }
                for step in self.steps
            ],
            "buffers": [
                {
                    "name": b.name,
                    "kind": b.kind,
                    "bytes": b.bytes,
                    "offset": b.offset,
                    "first": b.first,
                    "last": b.last,
                }
                for b in self.buffers
            ],
        }


def _written(epilogue: Epilogue) -> dict[str, Any]:
    """An epilogue as plain data."""
    gathered = {name: True for name in ("moments", "sums") if getattr(epilogue, name)}
    return {"residual": epilogue.residual, **_limits(epilogue), **gathered}


def _loaded(prologue: Prologue) -> dict[str, Any]:
    """A prologue as plain data."""
    declaration = declaration_of(prologue.attrs)
    return {"op": declaration.name, "attributes": _attributes(prologue.attrs), **_limits(prologue)}


def _limits(clipped: Epilogue | Prologue) -> dict[str, float | None]:
    """What is clipped; a side on which nothing is clipped is null."""
    return {
        name: each if math.isfinite(each) else None for name, each in (("low", clipped.low), ("high", clipped.high))
    }


def _attributes(attrs: Any) -> dict[str, str]:
    return {name: str(value) for name, value in attributes_of(attrs).items()}


def make_plan(
    graph: Graph,
    target: Target,
    batch: int,
    mode: Mode,
    math: Math = "fast",
    algorithms: Mapping[str, str] | None = None,
    memory_budget: int | None = None,
    precision: Precision = "float32",
) -> Plan:
    """Assigns layouts, fuses, chooses algorithms and lays the graph out in memory for up to ``batch`` samples.

    Where it takes more than ``memory_budget`` bytes, as few tensors as need be are made again in the backward region
    instead of being kept; a RunError (NS170) where that is not enough. Without a budget a plan that a target finds
    too roomy makes ``A_LITTLE`` again.

    ``algorithms`` overrules the choice of the target, by the name of the first value that a node makes once it is
    fused; a ValueError names an algorithm that does not compute the node, and values that none makes. A RunError
    (NS941) where the target does not compute in ``precision``.
    """
    if precision not in (target.precisions if isinstance(target, ChoosingTarget) else ("float32",)):
        raise RunError.of("NS941", backend=target.name, precision=precision)
    choosing = target if isinstance(target, ChoosingTarget) else None
    frugal = target if isinstance(target, FrugalTarget) else None
    can: dict[str, Callable[[str], bool]] = {"gathers_moments": choosing.gathers_moments} if choosing else {}
    can |= {"gathers_sums": frugal.gathers_sums} if frugal else {}
    graph = work_before_selections(assign_layouts(graph, target))
    graph = fuse(graph, target.takes_epilogue, pools=_pooling(graph, target, batch, math), **can)
    if isinstance(target, LoadingTarget):
        graph = fuse_prologues(graph, partial(target.takes_prologue, batch=batch))
    if frugal is not None:
        graph = place_slices(graph, frugal.takes_slices)
    if isinstance(target, NarrowTarget) and precision == "bfloat16":
        graph = assign_storage(graph, lambda node: target.storage(node, batch, precision))
    cached = CACHED if memory_budget is None else 0

    def laid_out(graph: Graph) -> Plan:
        return _lay_out(graph, target, choosing, batch, mode, (math, precision), algorithms or {}, cached)

    plan = laid_out(graph)
    if memory_budget is not None:
        return _within(plan, memory_budget, laid_out)
    return plan if frugal is None else _nearest(plan, frugal.roomy, _few(plan), laid_out)


def _pooling(graph: Graph, target: Target, batch: int, math: Math) -> Callable[[Node, Node], bool]:
    """Which convolutions of the graph the target is to make pooled ones."""
    constants = _constants(graph)

    def pools(convolution: Node, pooled: Node) -> bool:
        kept = _keeps(convolution, constants)
        return isinstance(target, PoolingTarget) and target.pools(convolution, pooled, batch, math, kept)

    return pools


def _few(plan: Plan) -> Sequence[Value]:
    """Values that can be made again for ``A_LITTLE``: each is written, and something as large is read for it."""
    values = recomputable(plan.graph, plan.batch)
    moved = sum(v.type.alone().bytes(plan.batch) for node in plan.graph for v in (*node.inputs, *node.outputs))
    added = accumulate(2 * value.type.bytes(plan.batch) for value in values)
    return values[: sum(each <= A_LITTLE * moved for each in added)]


def _within(plan: Plan, budget: int, laid_out: Callable[[Graph], Plan]) -> Plan:
    """The plan, or that with the fewest tensors made again that fits into ``budget`` bytes; an NS170 if none does."""
    found = _nearest(plan, budget, recomputable(plan.graph, plan.batch), laid_out)
    if found.total_bytes > budget:
        raise RunError.of(
            "NS170", budget=size(budget), least=size(found.total_bytes), bytes=found.total_bytes, batch=plan.batch
        )
    return found


def _nearest(plan: Plan, budget: int, values: Sequence[Value], laid_out: Callable[[Graph], Plan]) -> Plan:
    """The plan with the fewest of the values made again that fits into ``budget`` bytes, or else the smallest seen."""
    plans = {0: plan}

    def of(count: int) -> Plan:
        if count not in plans:
            plans[count] = laid_out(recompute(plan.graph, values[:count]))
        return plans[count]

    enough = bisect_left(range(len(values)), True, key=lambda count: of(count).total_bytes <= budget)
    if of(enough).total_bytes <= budget:
        return of(enough)
    return min(plans.values(), key=lambda each: each.total_bytes)


def _lay_out(
    graph: Graph,
    target: Target,
    choosing: ChoosingTarget | None,
    batch: int,
    mode: Mode,
    allowed: tuple[Math, Precision],
    algorithms: Mapping[str, str],
    cached: int,
) -> Plan:
    """Chooses algorithms for a graph that is fused, and lays it out in memory."""
    constants = _constants(graph)
    choices = _choices(graph, constants, target, batch, allowed, algorithms)

    def prepared(node: Node) -> Mapping[str, int]:
        choice = choices[node.outputs[0]]
        return choosing.prepared(node, batch, choice.algorithm, choice.kept) if choosing else {}

    def kept(node: Node) -> Mapping[str, int]:
        return prepared(node) if choices[node.outputs[0]].kept else {}

    def scratch(node: Node) -> Mapping[str, int]:
        choice = choices[node.outputs[0]]
        if choosing is None:
            return target.scratch(node, batch)
        return {**choosing.scratch(node, batch, choice.algorithm), **({} if choice.kept else prepared(node))}

    placed = place_buffers(graph, batch, scratch, kept, constants, cached)
    of = placed.of
    steps = tuple(
        Step(
            node,
            tuple(of[v] for v in node.inputs),
            tuple(of[v] for v in node.outputs),
            spaces,
            *choices[node.outputs[0]],
        )
        for node, spaces in zip(graph.nodes, placed.scratch, strict=True)
    )
    values = {value.name: index for value, index in of.items()}
    sizes = placed.arena_bytes, placed.state_bytes
    return Plan(graph, mode, target.name, batch, steps, placed.buffers, *sizes, values, allowed[1])


def _keeps(node: Node, constants: frozenset[Value]) -> bool:
    """Whether what a node computes from parameters stays: without constants there is nothing to keep, also for a node
    that reads nothing but the batch."""
    return bool(constants) and all(value in constants for value in node.inputs if not value.type.batched)


class _Choice(NamedTuple):
    algorithm: str
    alternatives: tuple[str, ...]
    kept: bool
    constant: bool


def _constants(graph: Graph) -> frozenset[Value]:
    """State, and what is computed from state alone; empty if a step of the graph writes state."""
    if any(slot.written is not None for slot in graph.slots):
        return frozenset()
    known = {slot.value for slot in graph.slots}
    for node in graph.nodes:
        if known.issuperset(node.inputs) and not any(value.type.batched for value in node.outputs):
            known.update(node.outputs)
    return frozenset(known)


def _choices(
    graph: Graph,
    constants: frozenset[Value],
    target: Target,
    batch: int,
    allowed: tuple[Math, Precision],
    wanted: Mapping[str, str],
) -> dict[Value, _Choice]:
    """By the first value that a node makes, its algorithm, and what of it is computed from parameters and kept."""
    unmade = wanted.keys() - {node.outputs[0].name for node in graph.nodes}
    if unmade:
        raise ValueError(f"algorithms are asked for of {', '.join(sorted(unmade))}, which no step makes first")
    found = {}
    (math, precision), choosing = allowed, target if isinstance(target, ChoosingTarget) else None
    for node in graph.nodes:
        kept = _keeps(node, constants)
        possible = choosing.algorithms(node, batch, math, kept, precision) if choosing else (DIRECT,)
        algorithm = wanted.get(node.outputs[0].name, possible[0])
        if algorithm not in possible:
            raise ValueError(f"{target.name} has {', '.join(possible)} for {node.op.name} here, not {algorithm}")
        others = tuple(each for each in possible if each != algorithm)
        found[node.outputs[0]] = _Choice(algorithm, others, kept, constants.issuperset(node.outputs))
    return found
