"""What is measured, as a folder that every side reads: spec, weights, a batch, and the peers' forms of the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from netspec.backend import find_backend
from netspec.bench.variants import Mode
from netspec.core.builder import Builder
from netspec.core.graph import Graph, Node, Value
from netspec.core.types import TensorType
from netspec.declarations.losses import MeanSquaredError
from netspec.declarations.recipe import Recipe
from netspec.interop.safetensors import decode, encode
from netspec.passes.quantization import Range
from netspec.passes.rewrite import rewrite
from netspec.passes.step import training_step
from netspec.syntax.load import load_spec
from netspec.syntax.resolved import resolved_text
from netspec.syntax.source import Source
from netspec.syntax.spec import Spec
from netspec.target import Math
from netspec.training.quantized import inputs_within, quantized_graph
from netspec.training.runtime import Runtime, target_inputs
from netspec.training.taps import constants
from netspec.training.tuned import read_tuned

Array = np.ndarray[Any, np.dtype[Any]]

SPEC, WEIGHTS, BATCH, SETTINGS = "spec.yaml", "weights.safetensors", "batch.npz", "case.json"
TORCH_SOURCE, TORCH_WEIGHTS, ONNX_MODEL = "network.py", "network.safetensors", "network.onnx"
ONNX_MODEL_OF_ROUNDED_SUMS = "rounded.onnx"
COMPARED_RATE, TIMED_RATE = 1e-4, 1e-6
"""Learning rates: three steps tell of gradients and enlarge little of what was rounded; no number overshoots."""
TARGET = "target/"
"""Before the head's name, what its targets are called among the arrays of a batch."""


@dataclass(frozen=True, slots=True)
class Case:
    """The numbers of a measurement. With ``compared`` the network is one in which sides can be compared: without
    dropout, and predicting what comes before the last softmax, in which differences drown.
    """

    mode: Mode
    batch: int
    threads: int
    compared: bool
    backend: str
    torch_class: str | None = None
    memory_budget: int | None = None
    """Bytes that netspec's training step may take."""
    tuned: str | None = None
    """The file of measured algorithms that netspec takes."""
    ranges: Mapping[str, tuple[float, float]] | None = None
    """Of activations, where it is a quantised network that is measured."""

    @property
    def rate(self) -> float:
        """The learning rate of a step."""
        return COMPARED_RATE if self.compared else TIMED_RATE


@dataclass(frozen=True, slots=True)
class Measured:
    """A case that was read: the network, its recipe without what happens to data before, and the arrays."""

    case: Case
    folder: Path
    graph: Graph
    recipe: Recipe
    inputs: Mapping[str, Array]
    targets: Mapping[str, Array]

    def weights(self) -> dict[str, Array]:
        """By name, in netspec's layout."""
        return decode((self.folder / WEIGHTS).read_bytes(), WEIGHTS)

    def runtime(self, math: Math, in_bytes: bool = False) -> Runtime:
        """The network on its backend, with the case's weights; ``math`` as in a recipe."""
        ranges = self.case.ranges if in_bytes else None
        return new_runtime(self.graph, replace(self.recipe, math=math), self.case, self.weights(), ranges)


def measured_network(spec: Spec, case: Case) -> tuple[Graph, Recipe]:
    """The network as it is measured, or compared: fed with what its first layer sees."""
    recipe = replace(spec.recipe, preprocess=(), augment=(), init=None)
    if not case.compared:
        return spec.graph, recipe
    removed = {"dropout"}
    if case.mode == "infer":
        plain = MeanSquaredError()
        removed |= {recipe.head(name).loss.absorbs or "" for name in spec.graph.heads}
        heads = {name: replace(said, loss=plain) for name, said in recipe.heads.items()}
        recipe = replace(recipe, loss=plain, heads=heads)
    ends = set(spec.graph.heads.values())

    def without(g: Builder, node: Node) -> Mapping[Value, Value] | None:
        gone = node.op.name in removed and (node.op.name == "dropout" or node.output in ends)
        return {node.output: node.data[0]} if gone else None

    return rewrite(spec.graph, without, "comparison"), recipe


def new_runtime(
    graph: Graph,
    recipe: Recipe,
    case: Case,
    weights: Mapping[str, Array] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Runtime:
    """The network in memory, with freshly drawn weights or these; in bytes where ranges are given."""
    found = None if ranges is None else {name: Range(*limits) for name, limits in ranges.items()}
    recipe = replace(recipe, memory_budget=case.memory_budget)
    backend, trains = find_backend(case.backend), case.mode == "train"
    tuned = None if case.tuned is None else read_tuned(Path(case.tuned))
    runtime = Runtime(graph, recipe, backend, case.batch, case.threads, trains, ranges=found, tuned=tuned)
    for name, array in (weights or {}).items():
        if name in runtime.weight_shapes:
            runtime.state.write(name, array)
    return runtime


def write_quantized_case(folder: Path, spec: Spec, case: Case, weights: Mapping[str, Array], for_onnx: bool) -> None:
    """Fill an empty folder with a quantised network, as :func:`write_case` does with one of float32 numbers.

    Its inputs lie within its ranges. ONNX gets it in two forms, of which the second rounds sums as its runtime wants.
    """
    graph, recipe = measured_network(spec, case)
    runtime = new_runtime(graph, recipe, case, weights, case.ranges)
    inputs = inputs_within(runtime, case.batch)
    _write(folder, spec, case, weights, inputs)
    if for_onnx:
        from netspec.interop.onnx.quantized import quantized_model

        in_bytes = quantized_graph(runtime)
        known = constants(runtime, in_bytes)
        for name, rounds in ((ONNX_MODEL, False), (ONNX_MODEL_OF_ROUNDED_SUMS, True)):
            (folder / name).write_bytes(quantized_model(in_bytes, known, rounds).encoded())


def _write(folder: Path, spec: Spec, case: Case, weights: Mapping[str, Array], arrays: Mapping[str, Array]) -> None:
    (folder / SPEC).write_text(resolved_text(spec), encoding="utf-8")
    (folder / WEIGHTS).write_bytes(encode(weights))
    np.savez(folder / BATCH, **arrays)  # type: ignore[arg-type]  # NumPy's stubs want a flag here
    (folder / SETTINGS).write_text(json.dumps(asdict(case)), encoding="utf-8")


def write_case(folder: Path, spec: Spec, case: Case, for_torch: bool, for_onnx: bool) -> None:
    """Fill an empty folder. A SpecError where a peer that is asked for has no form of a layer."""
    graph, recipe = measured_network(spec, case)
    drawn = new_runtime(graph, recipe, replace(case, batch=1, mode="train", memory_budget=None))
    weights = {name: drawn.state.read(name) for name in drawn.weight_shapes}
    inputs, targets = first_batch(graph, recipe, case.batch)
    if for_torch:
        from netspec.interop.pytorch.source import torch_source

        source = torch_source(graph, recipe)
        (folder / TORCH_SOURCE).write_text(source.text, encoding="utf-8")
        (folder / TORCH_WEIGHTS).write_bytes(encode(source.state(weights)))
        case = replace(case, torch_class=source.class_name)
    if for_onnx:
        from netspec.interop.onnx.model import onnx_model

        (folder / ONNX_MODEL).write_bytes(onnx_model(graph, recipe, weights).encoded())
    _write(folder, spec, case, weights, {**inputs, **{TARGET + head: array for head, array in targets.items()}})


def read_case(folder: Path) -> Measured:
    """What :func:`write_case` wrote."""
    case = Case(**json.loads((folder / SETTINGS).read_text(encoding="utf-8")))
    spec = load_spec(Source(SPEC, (folder / SPEC).read_text(encoding="utf-8")))
    graph, recipe = measured_network(spec, case)
    with np.load(folder / BATCH, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    targets = {name.removeprefix(TARGET): array for name, array in found.items() if name.startswith(TARGET)}
    inputs = {name: array for name, array in found.items() if not name.startswith(TARGET)}
    return Measured(case, folder, graph, recipe, inputs, targets)


def first_batch(graph: Graph, recipe: Recipe, samples: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs by name, with numbers like those of normalised images, and targets by head; the same every time."""
    generator = np.random.default_rng(0)
    inputs = {
        value.name: generator.standard_normal((samples, *value.type.shape), dtype=np.float32) for value in graph.inputs
    }
    step = training_step(graph, recipe)
    targets = {
        head: _target(generator, value.type, graph.heads[head].type.channels, samples)
        for head, value in target_inputs(step, graph).items()
    }
    return inputs, targets


def _target(generator: np.random.Generator, type: TensorType, classes: int, batch: int) -> Array:
    if type.dtype == "int32":
        return generator.integers(0, classes, (batch, *type.shape), np.int32)
    return generator.uniform(0, 1, (batch, *type.shape)).astype(np.float32)
