"""The plan: what a backend is given. Steps in order, and buffers with their places in one arena."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from netspec.core.declare import attributes_of
from netspec.core.graph import Epilogue, Graph, Node
from netspec.core.types import TensorType
from netspec.passes.fusion import fuse
from netspec.passes.layout import assign_layouts
from netspec.passes.memory import Buffer, place_buffers

Mode = Literal["train", "gradients", "infer"]


class Target(Protocol):
    """What planning must know of the machine: layouts and workspaces. A backend provides one."""

    name: str

    def preferred_block(self, type: TensorType) -> int | None:
        """The block that a computed value of this type is stored with."""

    def accepts(self, op: str, position: int, type: TensorType) -> bool:
        """Whether the op's kernel reads this layout as its input number ``position``."""

    def takes_epilogue(self, op: str) -> bool:
        """Whether the op's kernel can add a residual to its output and clip it; see ``Epilogue``."""

    def scratch(self, node: Node, batch: int) -> Mapping[str, int]:
        """Workspaces the node's kernel wants: bytes by name."""


@dataclass(frozen=True, slots=True)
class Step:
    """One kernel call: its node, and the buffers of its inputs, outputs and workspaces."""

    node: Node
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    scratch: Mapping[str, int]


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
                "op": step.node.op.name,
                "path": step.node.path,
                "region": step.node.region,
                "attributes": {k: str(v) for k, v in attributes_of(step.node.attrs).items()},
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
                    "op": step.node.op.name,
                    "path": step.node.path,
                    "region": step.node.region,
                    "attributes": {k: str(v) for k, v in attributes_of(step.node.attrs).items()},
                    **({"epilogue": _written(step.node.epilogue)} if step.node.epilogue else {}),
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
    """An epilogue as plain data; a side on which nothing is clipped is null."""
    low, high = (limit if math.isfinite(limit) else None for limit in (epilogue.low, epilogue.high))
    return {"residual": epilogue.residual, "low": low, "high": high}


def make_plan(graph: Graph, target: Target, batch: int, mode: Mode) -> Plan:
    """Assigns layouts, fuses, and lays the graph out in memory for up to ``batch`` samples."""
    graph = fuse(assign_layouts(graph, target), target.takes_epilogue)
    placed = place_buffers(graph, batch, lambda node: target.scratch(node, batch))
    of = placed.of
    steps = tuple(
        Step(node, tuple(of[v] for v in node.inputs), tuple(of[v] for v in node.outputs), scratch)
        for node, scratch in zip(graph.nodes, placed.scratch, strict=True)
    )
    values = {value.name: index for value, index in of.items()}
    return Plan(graph, mode, target.name, batch, steps, placed.buffers, placed.arena_bytes, placed.state_bytes, values)
