"""netspec's own steps one by one, each against what the machine could do at best: the roofline model."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from netspec.backend import Executable, Measured, Profiled, Roof, find_backend
from netspec.bench.case import Case, first_batch, measured_network, new_runtime
from netspec.bench.driver import Notice
from netspec.bench.machine import machine
from netspec.core import op as ops
from netspec.core.graph import REGIONS, Node
from netspec.core.types import TensorType
from netspec.diagnostics.errors import RunError
from netspec.syntax.spec import Spec


@dataclass(frozen=True, slots=True)
class StepTime:
    """One step of the plan: what it is, its median time, and its work for the whole batch."""

    region: str
    path: str
    op: str
    seconds: float
    flops: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Layers:
    """All steps of a training step, or of a prediction, in order."""

    name: str
    mode: str
    batch: int
    threads: int
    rows: tuple[StepTime, ...]
    roof: Roof
    machine: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        """The sum of all steps."""
        return sum(row.seconds for row in self.rows)

    def document(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "version": 1,
            "name": self.name,
            "mode": self.mode,
            "batch": self.batch,
            "threads": self.threads,
            "roof": {"flops_per_second": self.roof.flops, "bytes_per_second": self.roof.bandwidth},
            "layers": [{**asdict(row), "roof_seconds": self.roof.seconds(row.flops, row.bytes)} for row in self.rows],
            "machine": dict(self.machine),
        }


def measure_layers(spec: Spec, case: Case, runs: int, notice: Notice) -> Layers:
    """The median time of every step; a RunError where the backend does not tell."""
    graph, recipe = measured_network(spec, case)
    runtime = new_runtime(graph, recipe, case)
    training = case.mode == "train"
    notice("compiling")
    loaded = runtime.load("train" if training else "predict", "float32")
    executable, backend = loaded.executable, find_backend(case.backend)
    if not isinstance(backend, Measured):
        raise RunError(f"back end '{case.backend}' does not tell what the machine can do")
    steps_of = profiled(executable, case.backend)
    inputs, targets = first_batch(graph, recipe, case.batch)
    fed, scalars = loaded.feed(inputs, targets), runtime.scalars(case.rate, 1) if training else {}
    executable.run(fed, scalars, case.batch)
    notice(f"timing {runs} runs")
    profiles = [steps_of.profile(fed, scalars, case.batch, REGIONS) for _ in range(runs)]
    notice("measuring the roof")
    steps = runtime.plan("train" if training else "predict", "float32").steps
    rows = tuple(
        StepTime(
            steps[place].node.region,
            steps[place].node.path,
            steps[place].node.op.name,
            statistics.median(profile[place] for profile in profiles),
            flops(steps[place].node, case.batch),
            moved_bytes(steps[place].node, case.batch),
        )
        for place in sorted(profiles[0])
    )
    return Layers(spec.name, case.mode, case.batch, case.threads, rows, backend.roof(case.threads), machine(()))


def profiled(executable: Executable, backend: str) -> Profiled:
    """The executable, which measures its steps; a RunError where it cannot."""
    if not isinstance(executable, Profiled):
        raise RunError(f"back end '{backend}' does not tell how long its steps take")
    return executable


def flops(node: Node, batch: int) -> int:
    """Floating-point operations of a convolution or dense layer or one of its gradients: a multiply and an add each.

    0 of all else, which memory bounds.
    """
    return 2 * batch * _macs(node)


def _macs(node: Node) -> int:
    """Multiply-accumulates of a sample; a gradient takes as many as the layer that it is of."""
    types = tuple(value.type for value in node.inputs)
    name = node.op.name
    if name.endswith(".dx") and hasattr(node.attrs, "conv"):
        return _of(node.attrs.conv, node.attrs.x, types[0])
    if name.endswith(".dw") and hasattr(node.attrs, "conv"):
        return _of(node.attrs.conv, types[0], types[1])
    if name == "dense.dx":
        return types[0].elements * node.output.type.elements
    if name == "dense.dw":
        return types[0].elements * types[1].elements
    return ops.macs(node.attrs, tuple(v.type for v in node.data), tuple(v.type for v in node.outputs))


def _of(layer: Any, x: TensorType, y: TensorType) -> int:
    return ops.macs(layer, (x,), (y,))


def moved_bytes(node: Node, batch: int) -> int:
    """What a step reads and writes once at least, in the layouts of the plan; nothing for what is in its place."""
    values = dict.fromkeys((*node.inputs, *node.outputs))
    if any(value.type.pitch is not None for value in values):
        if node.op.has("slice_start") and node.output.type.pitch is not None:
            return 0
        if node.op.has("first_channels"):
            return 2 * sum(value.type.bytes(batch) for value in node.inputs if value.type.pitch is None)
    return sum(value.type.alone().bytes(batch) for value in values)
