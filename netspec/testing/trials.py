"""Graphs to be tried, with the numbers that go in: an op alone, forward and backward, or any graph."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from netspec.core.builder import Builder
from netspec.core.declare import declaration_of
from netspec.core.graph import Graph, Node, Param, Slot, Value
from netspec.core.reference import Case
from netspec.core.types import TensorType
from netspec.passes.autodiff import differentiate
from netspec.passes.dead_code import remove_dead_code
from netspec.passes.forms import inference_form, training_form
from netspec.passes.lower import lower
from netspec.testing.weighted_sum import WeightedSum

Array = np.ndarray[Any, np.dtype[Any]]
Mode = Literal["infer", "train"]

SCALARS = {"learning_rate": 0.1, "step": 3, "seed": 7, "rank_share": 0.75, "rank_samples": 3, "batch_samples": 4}
"""Run-time scalars by name; any other is 0.7. Those of ranks have no rounding of their own."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A graph with its numbers: inputs for ``batch`` samples, state and scalars, all float32 or whole.

    ``gradients`` names, per input or parameter to be differentiated, the output that holds its gradient.
    """

    name: str
    graph: Graph
    mode: Mode
    batch: int
    inputs: Mapping[str, Array]
    state: Mapping[str, Array]
    scalars: Mapping[str, float]
    gradients: Mapping[str, str]

    def __str__(self) -> str:
        return self.name


def untouched_trial(case: Case, batch: int = 3) -> Trial:
    """The op as it is written, before any pass."""
    g, node = _place(case)
    return _trial(str(case), g.graph(_outputs(node)), "infer", case, batch, {})


def inference_trial(case: Case, batch: int = 3) -> Trial:
    """The op as it is when training is over, when it may have fewer outputs."""
    g, node = _place(case)
    graph = inference_form(lower(g.graph(_outputs(node))))
    made = {*graph.inputs, *graph.producer()}
    graph = replace(graph, outputs={name: value for name, value in graph.outputs.items() if value in made})
    return _trial(f"{case} forward", graph, "infer", case, batch, {})


def training_trial(case: Case, batch: int = 3, loss: bool = False) -> Trial:
    """The op's training form, and the gradient of a weighted sum of its first output by all it is computed from.

    With ``loss`` the sum is an output too; no backend knows it. An op without gradient is tried forward only.
    """
    g, node = _place(case)
    graph = training_form(lower(g.graph(_outputs(node))))
    g = Builder.continuing(graph, graph.nodes)
    gradients: dict[str, str] = {}
    outputs = dict(graph.outputs)
    if is_differentiable(case):
        constants = {f"x{place}" for place in case.constants}
        wanted = {v.name: v for v in graph.inputs if v.type.dtype == "float32" and v.name not in constants}
        wanted |= {s.name: s.value for s in graph.slots if s.param.trained}
        y = graph.outputs["y"]
        weight = g.input("weight", y.type) if y.type.batched else g.scalar("weight")
        total = g.add(WeightedSum(), y, weight)
        found = differentiate(g, total, wanted.values())
        gradients = {name: f"gradient of {name}" for name in wanted}
        outputs |= {gradients[name]: found[value] for name, value in wanted.items()}
        outputs |= {"loss": total} if loss else {}
    graph = remove_dead_code(g.graph(outputs))
    return _trial(f"{case} backward", graph, "train", case, batch, gradients)


def is_differentiable(case: Case) -> bool:
    """Whether the op states a gradient, itself, in its training form or in what it is lowered to."""
    declaration = declaration_of(case.attrs)
    return any(declaration.has(way) for way in ("grad", "training", "lower"))


def trial(name: str, graph: Graph, mode: Mode, batch: int, classes: int) -> Trial:
    """Any graph as a trial; labels, where it takes some, are below ``classes``."""
    return _trial(name, graph, mode, Case(None, (), integers=classes), batch, {})


def _place(case: Case) -> tuple[Builder, Node]:
    """A builder with the op applied to inputs of the case's types."""
    g = Builder("trial")
    internal = not declaration_of(case.attrs).public
    values = [_operand(g, f"x{position}", type) for position, type in enumerate(case.types)]
    g.path = declaration_of(case.attrs).name
    return g, g.node(case.attrs, *values) if internal else g.layer(case.attrs, *values, frozen=case.frozen)


def _operand(g: Builder, name: str, type: TensorType) -> Value:
    if type.batched:
        return g.input(name, type)
    if type.shape:
        return g.state(name, Param(type.shape, "zeros"), "parameter")
    return g.scalar(name, "int32" if type.dtype == "int32" else "float32")


def _outputs(node: Node) -> dict[str, Value]:
    return {"y" if i == 0 else f"y{i}": value for i, value in enumerate(node.outputs)}


def _trial(name: str, graph: Graph, mode: Mode, case: Case, batch: int, gradients: Mapping[str, str]) -> Trial:
    inputs = {v.name: _input(v, case, batch, place / len(graph.inputs)) for place, v in enumerate(graph.inputs)}
    state = {slot.name: _initial(slot) for slot in graph.slots}
    scalars = {v.name: SCALARS.get(v.name, 0.7) for v in graph.scalars}
    return Trial(name, graph, mode, batch, inputs, state, scalars, gradients)


def _input(value: Value, case: Case, batch: int, shift: float) -> Array:
    shape = (batch, *value.type.shape)
    if value.type.dtype not in ("float32", "bfloat16"):
        return _generator(value.name).integers(0, case.integers, shape).astype(value.type.dtype)
    if case.ties:
        return _generator(value.name).integers(-1, 2, shape).astype(np.float32)
    if value.name == "weight":  # of the sum that is differentiated, not of the op
        return spread(value.name, shape)
    return spread(value.name, shape, shift) * np.float32(case.magnitude) + np.float32(case.offset)


def _initial(slot: Slot) -> Array:
    """Numbers around where the parameter starts; what an optimiser or a statistic keeps may have to be positive."""
    numbers = spread(slot.name, slot.param.shape)
    if slot.kind == "moment":
        return np.abs(numbers)
    if slot.param.initializer == "ones":
        return 1 + numbers / 4
    return numbers / np.float32(np.sqrt(slot.param.fan_in))


def spread(name: str, shape: tuple[int, ...], shift: float = 0.0) -> Array:
    """Distinct float32 numbers between -2 and 2, evenly spaced and shuffled; none is zero. ``name`` is the seed.

    So no two are close, and none is close to zero: central differences do not step over a kink. Another ``shift``, from
    0 to below 1, gives other numbers, so that two arrays of one shape have none in common.
    """
    count = int(np.prod(shape, dtype=np.int64))
    places = _generator(name).permutation(count) * 2 + 1.5 + shift / 4 - count
    return (places * (2 / max(count, 1))).reshape(shape).astype(np.float32)


def _generator(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def with_every_value(trial: Trial) -> Trial:
    """The trial with every value that a node makes as an output, under the value's own name."""
    return replace(trial, graph=tapped(trial.graph))


def tapped(graph: Graph) -> Graph:
    """The graph with every value that a node makes as an output, so that hardly anything of it is fused."""
    outputs = {value.name: value for node in graph for value in node.outputs}
    return replace(graph, outputs=outputs, heads={})
