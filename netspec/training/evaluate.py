"""Scoring a network on data it does not learn from, and what it predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netspec.data.batches import Batches
from netspec.data.dataset import Array, Part
from netspec.training.runtime import Runtime, image_type
from netspec.training.scores import Meter, Scores


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores over a part. ``confusion`` holds, per head, how often class (row) was taken for class (column).

    A head is not in it where the labels are no class numbers of it.
    """

    samples: int
    scores: Scores
    confusion: Mapping[str, Array]


def evaluate(runtime: Runtime, part: Part) -> Evaluation:
    """Scores of the inference form over all samples of ``part``, of which there must be one; nothing is learnt."""
    loaded = runtime.load("evaluate", image_type(part.images))
    heads = runtime.network.heads
    meter = Meter(runtime.recipe.metrics, list(heads))
    confusion = {
        name: np.zeros((head.type.channels,) * 2, np.int64)
        for name, head in heads.items()
        if part.labels.dtype.kind == "i" and part.labels.shape[1:] == head.type.spatial and head.type.channels > 1
    }
    for images, labels in Batches(part, runtime.batch).in_order(np.arange(len(part))):
        loaded.executable.run(loaded.inputs(images, labels), {}, len(labels))
        outputs = {name: loaded.executable.output(name) for name in heads}
        meter.add(float(loaded.executable.output("loss")), outputs, labels)
        for name, counts in confusion.items():
            counts += _confused(outputs[name], labels)
    return Evaluation(len(part), meter.scores(), confusion)


def _confused(output: Array, labels: Array) -> Array:
    """(classes, classes) counts of a batch: rows are the labels, columns the most probable classes."""
    classes = output.shape[-1]
    pairs = labels.astype(np.int64) * classes + output.argmax(axis=-1)
    return np.bincount(pairs.reshape(-1), minlength=classes * classes).reshape(classes, classes)


def predict(runtime: Runtime, images: Array) -> dict[str, Array]:
    """Every head of the inference form, (N, ..., classes), over images (N, H, W, C) of uint8 or float32."""
    loaded = runtime.load("predict", image_type(images))
    found: dict[str, list[Array]] = {name: [] for name in runtime.network.heads}
    for start in range(0, len(images), runtime.batch):
        chunk = images[start : start + runtime.batch]
        loaded.executable.run(loaded.inputs(chunk), {}, len(chunk))
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
