"""Scoring a network on data it does not learn from, and what it predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netspec.core.types import TensorType
from netspec.data.batches import Batches
from netspec.data.dataset import Array, Part
from netspec.distributed.communicator import ALONE, Communicator
from netspec.distributed.split import Split
from netspec.training.runtime import Runtime
from netspec.training.scores import Meter, Scores, over_ranks


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores over a part. ``confusion`` holds, per head, how often class (row) was taken for class (column).

    A head is not in it where the labels are no class numbers of it.
    """

    samples: int
    scores: Scores
    confusion: Mapping[str, Array]


def evaluate(runtime: Runtime, part: Part, world: Communicator = ALONE, batches: Batches | None = None) -> Evaluation:
    """Scores of the inference form over all samples of ``part``, of which there must be one; nothing is learnt.

    The ranks of ``world`` share the samples, and all have the scores. ``batches`` of the part, of as many samples as
    the runtime takes, are made in this process where they are left out.
    """
    loaded = runtime.load("evaluate", runtime.input_type(part.inputs))
    meter = Meter(runtime.metrics(loaded.targets))
    confusion = {
        name: np.zeros((runtime.network.heads[name].type.channels,) * 2, np.int64)
        for name in loaded.targets
        if _numbers_classes(part.targets[name], runtime.network.heads[name].type)
    }
    batches = batches or Batches(part, runtime.batch, runtime.augmenter(part, evaluation=True))
    split = Split(len(part), world.rank, world.size)
    for batch in batches.in_order(split.of_order(np.arange(len(part))), "evaluation"):
        inputs, targets, _ = runtime.prepared(batch)
        loaded.executable.run(loaded.feed(inputs, targets), {}, len(batch))
        outputs = {name: loaded.executable.output(name) for name in loaded.targets}
        counted = len(batch) if split.own else 0
        meter.add(float(loaded.executable.output("loss")), counted, meter.measured(outputs, targets))
        for name, counts in confusion.items():
            counts += _confused(outputs[name], targets[name])
    meter.join(world, bool(split.own))
    joined = over_ranks(world, confusion, bool(split.own))
    return Evaluation(len(part), meter.scores(), {name: counts.astype(np.int64) for name, counts in joined.items()})


def _numbers_classes(target: Array, head: TensorType) -> bool:
    """Whether a target holds class numbers of the head."""
    return target.dtype.kind == "i" and target.shape[1:] == head.spatial and head.channels > 1


def _confused(output: Array, labels: Array) -> Array:
    """(classes, classes) counts of a batch: rows are the labels, columns the most probable classes."""
    classes = output.shape[-1]
    pairs = labels.astype(np.int64) * classes + output.argmax(axis=-1)
    return np.bincount(pairs.reshape(-1), minlength=classes * classes).reshape(classes, classes)


def predict(runtime: Runtime, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Every head of the inference form, (N, ..., channels), over inputs by name, (N, ...) of uint8 or float32."""
    dtype = runtime.input_type(inputs)
    loaded = runtime.load("predict", dtype)
    found: dict[str, list[Array]] = {name: [] for name in runtime.plan("predict", dtype).graph.heads}
    samples = len(next(iter(inputs.values())))
    for start in range(0, samples, runtime.batch):
        chunk = {name: array[start : start + runtime.batch] for name, array in inputs.items()}
        loaded.executable.run(loaded.feed(runtime.prepared_inputs(chunk), {}), {}, min(runtime.batch, samples - start))
        for name, parts in found.items():
            parts.append(loaded.executable.output(name))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def per_class(confusion: Array, names: Sequence[str]) -> list[dict[str, Any]]:
    """For every class its samples, and its recall and precision; ``None`` where there is nothing to divide by."""
    rows = []
    for number, name in enumerate(names):
        hits, samples, taken = confusion[number, number], confusion[number].sum(), confusion[:, number].sum()
        rows.append(
            {
                "class": name,
                "samples": int(samples),
                "recall": float(hits / samples) if samples else None,
                "precision": float(hits / taken) if taken else None,
            }
        )
    return rows
