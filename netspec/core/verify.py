"""``verify``: what must hold of every graph. Run after each pass in tests and under ``--verify``."""

from __future__ import annotations

from netspec.core import op as ops
from netspec.core.graph import REGIONS, Graph, Node, moments_type
from netspec.core.types import TensorType


class GraphError(Exception):
    """A graph breaks a rule of the intermediate representation: a bug in a pass, never a user's mistake."""


def verify(graph: Graph) -> None:
    """Raise :class:`GraphError` unless values are made once and before use, types agree with the ops' inference,
    regions come in order, and state is written once, after its last read."""
    made = {*graph.inputs, *graph.scalars, *(s.value for s in graph.slots)}
    last_read: dict[object, int] = {}
    for position, node in enumerate(graph.nodes):
        _check_order(graph, position)
        for value in node.inputs:
            if value not in made:
                raise GraphError(f"{node!r} reads {value!r}, which is not made before it")
            last_read[value] = position
        for value in node.outputs:
            if value in made:
                raise GraphError(f"{value!r} is made twice")
            made.add(value)
        _check_types(node)
    for name, value in graph.outputs.items():
        if value not in made:
            raise GraphError(f"output {name} is never made")
    _check_writes(graph, last_read)


def _check_order(graph: Graph, position: int) -> None:
    if position and REGIONS.index(graph.nodes[position].region) < REGIONS.index(graph.nodes[position - 1].region):
        raise GraphError(f"{graph.nodes[position]!r} of region {graph.nodes[position].region} comes too late")


def _check_types(node: Node) -> None:
    data = node.data if node.op.public else node.operands
    inferred = ops.infer(node.attrs, tuple(v.type.widened() for v in data))
    if node.epilogue is not None and node.epilogue.moments:
        inferred = (*inferred, moments_type(node.output.type))
    if node.epilogue is not None and node.epilogue.sums:
        inferred = (*inferred, TensorType((node.output.type.channels,), batched=False))
    stated = tuple(v.type for v in node.outputs)
    if [t.plain().widened() for t in inferred] != [t.plain().widened() for t in stated]:
        raise GraphError(f"{node!r} says {stated}, inference says {inferred}")


def _check_writes(graph: Graph, last_read: dict[object, int]) -> None:
    producers = {value: i for i, node in enumerate(graph.nodes) for value in node.outputs}
    written = [s for s in graph.slots if s.written is not None]
    if len({s.written for s in written}) != len(written):
        raise GraphError("one value is written to two pieces of state")
    for slot in written:
        if slot.written is None or slot.written not in producers:
            raise GraphError(f"{slot.name} is written with something no node makes")
        if last_read.get(slot.value, -1) > producers[slot.written]:
            raise GraphError(f"{slot.name} is read after it was written")
        if slot.written.type != slot.value.type:
            raise GraphError(f"{slot.name} is {slot.value.type} but is written as {slot.written.type}")
