"""Runs a graph in float64 with the references: what every backend and every gradient is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netspec.core import expression
from netspec.core import op as ops
from netspec.core.graph import Graph, Node, Prologue, Value
from netspec.core.reference import Context
from netspec.core.types import TensorType
from netspec.declarations.ops.normalization_reference import moments_of

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What came of a graph: the logical array of every value, the outputs by name, and the state after the run."""

    values: Mapping[Value, Array]
    outputs: Mapping[str, Array]
    state: Mapping[str, Array]


def logical(array: Any, type: TensorType) -> Array:
    """The array as references take it: float64, or int64 for a type of whole numbers."""
    return np.asarray(array).astype(np.float64 if type.dtype in ("float32", "bfloat16") else np.int64)


def logical_shape(type: TensorType, samples: int) -> tuple[int, ...]:
    """Shape of a value's array: the samples in front where it is batched."""
    return (samples, *type.shape) if type.batched else type.shape


def variables(inputs: Sequence[Array]) -> dict[str, Array]:
    """The inputs of an elementwise op under the names that its expressions know them by."""
    return {x.name: array for x, array in zip(expression.inputs(len(inputs)), inputs, strict=True)}


def evaluate(node: Node, inputs: Sequence[Array], samples: int) -> tuple[Array, ...]:
    """The node's outputs for logical ``inputs``; a LookupError if its op has neither expressions nor a reference."""
    own = inputs[: len(node.operands)]
    if node.prologue is not None:
        own = [on_load(node, node.prologue, inputs, samples), *own[1:]]
    if ops.is_elementwise(node.attrs):
        formulas = node.attrs.expressions(len(own))
        results = tuple(expression.evaluate(formula, variables(own), np) for formula in formulas)
    else:
        with np.errstate(all="ignore"):  # infinities and NaN are results
            results = ops.reference(node.op)(node.attrs, own, Context(node, samples))
    if node.epilogue is not None:
        residual = inputs[-1] if node.epilogue.residual else 0.0
        first = np.clip(results[0] + residual, node.epilogue.low, node.epilogue.high)
        gathered = [moments_of(first)] if node.epilogue.moments else []
        gathered += [first.reshape(-1, first.shape[-1]).sum(axis=0)] if node.epilogue.sums else []
        results = (first, *results[1:], *gathered)
    return tuple(_as_declared(node, *pair, samples) for pair in zip(results, node.outputs, strict=True))


def on_load(node: Node, prologue: Prologue, inputs: Sequence[Array], samples: int) -> Array:
    """What the prologue makes of the node's first input."""
    first = len(node.operands)
    read = [inputs[0], *inputs[first : first + prologue.inputs]]
    alone = Node(prologue.attrs, (node.inputs[0], *node.loaded), (node.inputs[0],), node.path)
    return np.clip(evaluate(alone, read, samples)[0], prologue.low, prologue.high)


def _as_declared(node: Node, result: Any, value: Value, samples: int) -> Array:
    array, shape = logical(result, value.type), logical_shape(value.type, samples)
    if array.shape != shape:
        raise ValueError(f"the definition of {node.op.name!r} gives {array.shape} where {shape} is inferred")
    return array


def interpret(
    graph: Graph,
    inputs: Mapping[str, Any],
    samples: int,
    state: Mapping[str, Any] | None = None,
    scalars: Mapping[str, float] | None = None,
) -> Interpretation:
    """Run ``graph`` on the first ``samples`` rows of the inputs, with state and run-time scalars by name.

    Raises KeyError where an input, a scalar or a piece of state is not given, LookupError at an op without reference.
    """
    values: dict[Value, Array] = {}
    for value in graph.inputs:
        values[value] = logical(inputs[value.name], value.type)[:samples]
    for value in graph.scalars:
        values[value] = logical((scalars or {})[value.name], value.type)
    for slot in graph.slots:
        values[slot.value] = logical((state or {})[slot.name], slot.value.type)
    for node in graph:
        found = evaluate(node, [values[v] for v in node.inputs], samples)
        values.update(zip(node.outputs, found, strict=True))
    outputs = {name: values[v] for name, v in graph.outputs.items()}
    return Interpretation(values, outputs, {s.name: values[s.written or s.value] for s in graph.slots})
