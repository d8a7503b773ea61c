"""From a trained network to one that is computed in bytes: calibrated, compared layer by layer, scored and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from netspec.core.graph import Graph
from netspec.data.dataset import Dataset, PartName
from netspec.diagnostics.errors import RunError
from netspec.passes.fake_quantization import with_learnt
from netspec.passes.quantization import QuantizedGraph, Ranges, calibrated_values, packed_weights, quantize
from netspec.passes.step import inference
from netspec.slimming.calibration import Array, Method, calibrate
from netspec.training.evaluate import evaluate
from netspec.training.open_run import OpenRun
from netspec.training.quantized import refuse_without_bytes
from netspec.training.runtime import Runtime
from netspec.training.state import read_state
from netspec.training.taps import watch

ROUNDS = 15
"""Rounds of a timing; in each both networks run, one after the other, so that what else the machine does meets both."""


class Wish(NamedTuple):
    """How a network is to be quantised: in ranges that were ``learnt``, or calibrated ones."""

    method: Method = "percentile"
    samples: int = 512
    learnt: Ranges | None = None


class LayerError(NamedTuple):
    """How far an activation is from what it is in float32."""

    layer: str
    scale: float
    zero: int
    decibels: float
    """Signal to quantisation noise: 10·log10 of the ratio of the sums of squares of numbers and of errors."""

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        found = self.decibels if np.isfinite(self.decibels) else None
        return {"layer": self.layer, "scale": self.scale, "zero": self.zero, "sqnr_db": found}


class Side(NamedTuple):
    """What a network scores, and what a prediction takes."""

    loss: float
    metrics: Mapping[str, float]
    seconds: float
    """Of a batch: processor time with one thread, else time by the clock."""

    def document(self, batch: int) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "loss": self.loss,
            "metrics": dict(self.metrics),
            "milliseconds": 1e3 * self.seconds,
            "samples_per_second": batch / self.seconds,
        }


@dataclass(frozen=True, slots=True)
class Quantization:
    """A quantised network and how it compares."""

    runtime: Runtime
    wish: Wish
    ranges: Ranges
    layers: tuple[str, ...]
    """Layers with weights that are computed in bytes."""
    left: tuple[tuple[str, str], ...]
    """What stays in float32: the layer and its op."""
    weights: Mapping[str, Array]
    packed: frozenset[str]
    """Names of the weights that are bytes."""
    errors: tuple[LayerError, ...]
    before: Side
    after: Side

    def facts(self) -> dict[str, Any]:
        """How it was made."""
        if self.wish.learnt is not None:
            return {"bits": 8, "method": "learnt"}
        return {"bits": 8, "method": self.wish.method, "samples": self.wish.samples}

    def document(self) -> dict[str, Any]:
        """Plain data for JSON."""
        batch = self.runtime.batch
        return {
            **self.facts(),
            "layers": list(self.layers),
            "left": [{"layer": layer, "op": op} for layer, op in self.left],
            "errors": [error.document() for error in self.errors],
            "batch": batch,
            "threads": self.runtime.threads,
            "before": self.before.document(batch),
            "after": self.after.document(batch),
            "speedup": self.before.seconds / self.after.seconds,
        }


def quantize_run(run: OpenRun, dataset: Dataset, wish: Wish, part: PartName) -> Quantization:
    """The network of a run in bytes: ranges from the part that is learnt from, scores on another ``part``.

    NS861 where the backend has no kernels for bytes, NS864 where the network has nothing to quantise.
    """
    runtime = run.runtime
    refuse_without_bytes(runtime.backend)
    dtype = runtime.input_type(dataset.train.inputs)
    graph = inference(runtime.network, runtime.recipe, dtype)
    if wish.learnt is not None:
        ranges = with_learnt(graph, wish.learnt)
    else:
        ranges = calibrate(runtime, dataset.train, wish.method, wish.samples)
    made = quantize(graph, ranges)
    if not made.layers:
        raise RunError.of("NS864", network=runtime.network.name)
    weights = read_state(runtime.state, runtime.weights)
    network, recipe = runtime.network, runtime.recipe
    bytes_ = Runtime(network, recipe, runtime.backend, runtime.batch, runtime.threads, trains=False, ranges=ranges)
    for name, array in weights.items():
        bytes_.state.write(name, array)
    scored = dataset.part(part)
    inputs = scored.take(np.arange(min(runtime.batch, len(scored)))).inputs
    before, after = (evaluate(each, scored).scores for each in (runtime, bytes_))
    times = compare_times((runtime, bytes_), inputs)
    return Quantization(
        bytes_,
        wish,
        ranges,
        tuple(node.path for node in made.layers),
        tuple((node.path, node.op.name) for node in made.left),
        weights,
        packed_weights(made.graph),
        layer_errors(runtime, graph, made, inputs),
        Side(before.loss, before.metrics, times[0]),
        Side(after.loss, after.metrics, times[1]),
    )


def layer_errors(
    runtime: Runtime, graph: Graph, made: QuantizedGraph, inputs: Mapping[str, Array]
) -> tuple[LayerError, ...]:
    """The error of every activation that is a byte, over a batch: of all that was rounded up to there."""
    values = {name: value for name, value in calibrated_values(graph).items() if name in made.bytes}
    fed = {
        name: x.astype(runtime.input_type(inputs), copy=False) for name, x in runtime.prepared_inputs(inputs).items()
    }
    samples = len(next(iter(inputs.values())))
    wanted = watch(runtime, graph, values)(fed, samples)
    found = watch(runtime, made.graph, {name: made.bytes[name] for name in values})(fed, samples)
    rows = []
    for name in values:
        held = made.bytes[name].type.quantized
        assert held is not None
        numbers = (found[name].astype(np.float64) - held.zero) * held.scale
        noise = ((numbers - wanted[name]) ** 2).sum()
        signal = (wanted[name].astype(np.float64) ** 2).sum()
        decibels = 10 * np.log10(signal / noise) if noise and signal else np.inf
        rows.append(LayerError(name, held.scale, held.zero, float(decibels)))
    return tuple(rows)


def compare_times(runtimes: tuple[Runtime, ...], inputs: Mapping[str, Array]) -> tuple[float, ...]:
    """Seconds of a prediction of one batch, the median of interleaved rounds, for each."""
    dtype = runtimes[0].input_type(inputs)
    samples = len(next(iter(inputs.values())))
    runs: list[Callable[[], None]] = []
    for runtime in runtimes:
        loaded = runtime.load("predict", dtype)
        fed = loaded.feed(runtime.prepared_inputs(inputs), {})
        runs.append(lambda loaded=loaded, fed=fed: loaded.executable.run(fed, {}, samples))  # type: ignore[misc]  # bound
    clock = time.thread_time if runtimes[0].threads == 1 else time.perf_counter
    times: list[list[float]] = [[] for _ in runs]
    for round_number in range(ROUNDS + 1):
        for run, found in zip(runs, times, strict=True):
            begun = clock()
            run()
            if round_number:
                found.append(clock() - begun)
    return tuple(map(median, times))
