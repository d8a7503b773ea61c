"""A backend that computes with the definitions, rounded to float32: the smallest there is, and easily broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from netspec.core.graph import Node, Region, Value
from netspec.core.types import TensorType
from netspec.plan import Plan
from netspec.testing.interpreter import evaluate, logical

Array = np.ndarray[Any, np.dtype[Any]]
Compute = Callable[[Node, Sequence[Array], int], tuple[Array, ...]]


@dataclass(frozen=True, slots=True)
class PlainTarget:
    """Everything in the plain layout, no workspaces."""

    name: str = "definitions"

    def preferred_block(self, type: TensorType) -> int | None:
        return None

    def accepts(self, op: str, position: int, type: TensorType) -> bool:
        return type.block is None

    def takes_epilogue(self, op: str) -> bool:
        return False

    def scratch(self, node: Node, batch: int) -> Mapping[str, int]:
        return {}


@dataclass(slots=True)
class PlainState:
    arrays: dict[str, Array] = field(default_factory=dict)

    def names(self) -> Iterator[str]:
        return iter(self.arrays)

    def read(self, name: str) -> Array:
        return self.arrays[name].copy()

    def write(self, name: str, value: Array) -> None:
        self.arrays[name] = value.astype(np.float32)


@dataclass(slots=True)
class PlainExecutable:
    """Every value in its own array; ``threads`` is told to nobody but a faulty op."""

    plan: Plan
    state: PlainState
    compute: Compute
    results: dict[str, Array] = field(default_factory=dict)

    def run(
        self,
        inputs: Mapping[str, Array],
        scalars: Mapping[str, float],
        samples: int,
        regions: tuple[Region, ...] = ("forward", "backward", "update"),
    ) -> None:
        graph = self.plan.graph
        known: dict[Value, Array] = {v: logical(inputs[v.name], v.type) for v in graph.inputs}
        known |= {v: logical(scalars[v.name], v.type) for v in graph.scalars}
        known |= {s.value: logical(self.state.arrays[s.name], s.value.type) for s in graph.slots}
        with np.errstate(all="ignore"):  # what is not finite is tried too
            for node in graph:
                outputs = self.compute(node, [known[v] for v in node.inputs], samples)
                for value, array in zip(node.outputs, outputs, strict=True):
                    known[value] = logical(array.astype(value.type.dtype), value.type)
        for slot in graph.slots:
            self.state.write(slot.name, known[slot.written or slot.value])
        self.results = {name: known[v].astype(v.type.dtype) for name, v in graph.outputs.items()}

    def output(self, name: str) -> Array:
        return self.results[name]


@dataclass(frozen=True, slots=True)
class DefinitionBackend:
    """Computes with the float64 definitions; ``fault(node, outputs, samples, threads)`` may spoil the outputs."""

    fault: Callable[[Node, tuple[Array, ...], int, int], tuple[Array, ...]] | None = None
    name: str = "definitions"

    def probe(self) -> str | None:
        return None

    def target(self, threads: int) -> PlainTarget:
        return PlainTarget()

    def state(self, plan: Plan) -> PlainState:
        return PlainState({slot.name: np.zeros(slot.param.shape, np.float32) for slot in plan.graph.slots})

    def load(self, plan: Plan, state: PlainState, threads: int) -> PlainExecutable:
        def compute(node: Node, inputs: Sequence[Array], samples: int) -> tuple[Array, ...]:
            outputs = evaluate(node, inputs, samples)
            return outputs if self.fault is None else self.fault(node, outputs, samples, threads)

        return PlainExecutable(plan, state, compute)


@pytest.fixture(scope="session")
def definition_backend() -> type[DefinitionBackend]:
    return DefinitionBackend
