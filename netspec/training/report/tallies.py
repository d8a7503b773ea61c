"""Counting the answers of one head, by kind: classes of samples, maps and images, or numbers.

Each is told of batches in order (``add``), then names the samples that are to be shown (``wanted``), and makes of these
what the report says of the head (``head``). Targets are as the loss takes them or class numbers, outputs (n, ..., C).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from netspec.data.dataset import Array
from netspec.training.report.content import (
    Answer,
    Channel,
    ClassHead,
    MapClass,
    MapHead,
    MapRow,
    NumberHead,
    Picture,
    finite,
)
from netspec.training.report.pictures import CLASS_COLORS, class_picture, sample_picture

MISTAKES = 24
"""Samples that are shown where an answer is wrong."""

ROWS = 6
"""Samples of a head of maps: one half the worst, the other from the middle."""

POINTS = 600
"""Points of a scatter."""

CHANNELS = 6
"""Channels of a head of numbers that are drawn."""


class Sample(NamedTuple):
    """One sample: what goes in as it was read, and by head what is to be said and what was."""

    inputs: Mapping[str, Array]
    targets: Mapping[str, Array]
    outputs: Mapping[str, Array]


def pictures_of(number: int, sample: Sample) -> tuple[Picture, ...]:
    """A picture of every input of a sample."""
    several = len(sample.inputs) > 1
    return tuple(
        sample_picture(array, f"sample {number}" + (f", input {name}" if several else ""))
        for name, array in sample.inputs.items()
    )


class ClassTally:
    """Of a head that names the class of a sample by its largest channel; one channel alone is the second class's."""

    def __init__(self, name: str, classes: tuple[str, ...], weight: Literal["probability", "score"]) -> None:
        self._name, self._classes, self._weight = name, classes, weight
        self._found: list[Array] = []

    def add(self, target: Array, output: Array) -> None:
        """Count a batch."""
        shares = np.concatenate([1 - output, output], axis=-1) if output.shape[-1] == 1 else output
        labels, taken = _labels(target, output), shares.argmax(axis=-1)
        rows = np.arange(len(shares))
        self._found.append(np.stack([labels, taken, shares[rows, taken], shares[rows, labels]], axis=1, dtype=float))

    def _mistakes(self) -> list[tuple[int, Array]]:
        """Samples with a wrong answer, those first whose answer is farthest above their label."""
        found = np.concatenate(self._found)
        wrong = np.flatnonzero(found[:, 0] != found[:, 1])
        order = wrong[np.argsort(found[wrong, 3] - found[wrong, 2], kind="stable")]
        return [(int(index), found[index]) for index in order[:MISTAKES]]

    def wanted(self) -> list[int]:
        """Samples that are shown."""
        return [index for index, _ in self._mistakes()]

    def head(self, samples: Mapping[int, Sample]) -> ClassHead:
        """What the report says."""
        pairs = np.concatenate(self._found)[:, :2].astype(np.int64)
        size = len(self._classes)
        counts = np.bincount(pairs[:, 0] * size + pairs[:, 1], minlength=size * size).reshape(size, size)
        mistakes = tuple(
            Answer(
                index,
                pictures_of(index, samples[index]),
                self._classes[int(row[0])],
                self._classes[int(row[1])],
                (finite(float(row[2])), finite(float(row[3]))),
            )
            for index, row in self._mistakes()
        )
        return ClassHead(self._name, self._classes, tuple(map(tuple, counts.tolist())), self._weight, mistakes)


class MapTally:
    """Of a head that gives an image, or, with ``classes``, names the class of each pixel."""

    def __init__(self, name: str, classes: tuple[str, ...]) -> None:
        self._name, self._classes = name, classes
        self._errors: list[Array] = []
        self._counts = np.zeros((len(classes), len(classes)), np.int64)

    def add(self, target: Array, output: Array) -> None:
        """Count a batch."""
        size = len(self._classes)
        if size:
            labels, taken = _labels(target, output), output.argmax(axis=-1)
            pairs = labels.astype(np.int64) * size + taken
            self._counts += np.bincount(pairs.reshape(-1), minlength=size * size).reshape(size, size)
            errors = labels != taken
        else:
            errors = (output - target.reshape(output.shape)) ** 2
        self._errors.append(errors.reshape(len(output), -1).mean(axis=1))

    def wanted(self) -> list[int]:
        """Samples that are shown: the worst, and those in the middle."""
        order = np.argsort(-np.nan_to_num(np.concatenate(self._errors), nan=np.inf), kind="stable")
        middle = max(ROWS // 2, len(order) // 2 - ROWS // 4)
        return [int(index) for index in (*order[: ROWS // 2], *order[middle : middle + ROWS // 2])]

    def head(self, samples: Mapping[int, Sample]) -> MapHead:
        """What the report says."""
        errors = np.concatenate(self._errors)
        unit = 100.0 if self._classes else 1.0
        rows = tuple(self._row(index, samples[index], unit * float(errors[index])) for index in self.wanted())
        error = "wrong pixels, %" if self._classes else "mean squared error"
        return MapHead(self._name, self._map_classes(), error, rows)

    def _row(self, index: int, sample: Sample, error: float) -> MapRow:
        target, output = sample.targets[self._name], sample.outputs[self._name]
        words = [f"{what} of sample {index}" for what in ("target", "output", "difference")]
        if self._classes:
            labels, taken = _labels(target[np.newaxis], output[np.newaxis])[0], output.argmax(axis=-1)
            shown = class_picture(labels, words[0]), class_picture(taken, words[1])
            difference = sample_picture((labels != taken)[..., np.newaxis].astype(np.uint8) * 255, words[2])
        else:
            target = target.reshape(output.shape)
            low, high = float(target.min()), float(target.max())
            shown = sample_picture(target, words[0], low, high), sample_picture(output, words[1], low, high)
            distance = np.abs(output - target).mean(axis=-1, keepdims=True)
            difference = sample_picture(distance, words[2], 0.0, high - low)
        return MapRow(index, pictures_of(index, sample), *shown, difference, finite(error))

    def _map_classes(self) -> tuple[MapClass, ...]:
        whole = max(1, int(self._counts.sum()))
        found = []
        for number, name in enumerate(self._classes):
            own, taken, both = self._counts[number].sum(), self._counts[:, number].sum(), self._counts[number, number]
            either = int(own + taken - both)
            color = CLASS_COLORS[number % len(CLASS_COLORS)]
            found.append(MapClass(name, color, float(own / whole), float(both / either) if either else None))
        return tuple(found)


class NumberTally:
    """Of a head that gives numbers, ``channels`` of them."""

    def __init__(self, name: str, names: Sequence[str], channels: int) -> None:
        self._name, self._count = name, channels
        self._names = list(names) if len(names) == channels else [f"number {place}" for place in range(channels)]
        self._targets: list[Array] = []
        self._outputs: list[Array] = []

    def add(self, target: Array, output: Array) -> None:
        """Count a batch."""
        self._targets.append(target.reshape(output.shape).astype(np.float64))
        self._outputs.append(output.astype(np.float64))

    def _distances(self) -> Array:
        """(samples, channels)."""
        found: Array = np.abs(np.concatenate(self._outputs) - np.concatenate(self._targets))
        return found

    def wanted(self) -> list[int]:
        """Samples that are shown: those that it is farthest off for."""
        order = np.argsort(-np.nan_to_num(self._distances().mean(axis=1), nan=np.inf), kind="stable")
        return [int(index) for index in order[: MISTAKES // 2]]

    def head(self, samples: Mapping[int, Sample]) -> NumberHead:
        """What the report says."""
        targets, outputs, distances = np.concatenate(self._targets), np.concatenate(self._outputs), self._distances()
        drawn = np.unique(np.linspace(0, len(targets) - 1, POINTS).round().astype(int))
        channels = []
        for place in range(min(self._count, CHANNELS)):
            pairs = np.stack([targets[drawn, place], outputs[drawn, place]], axis=1)
            points = tuple((float(x), float(y)) for x, y in pairs[np.isfinite(pairs).all(axis=1)])
            channels.append(Channel(self._names[place], points, finite(float(distances[:, place].mean()))))
        mistakes = tuple(
            Answer(index, pictures_of(index, samples[index]), _numbers(targets[index]), _numbers(outputs[index]))
            for index in self.wanted()
        )
        return NumberHead(self._name, tuple(channels), self._count - len(channels), mistakes)


def _labels(target: Array, output: Array) -> Array:
    """Class numbers (n, ...) of targets that are such, or rows with a number per class, or one number in [0, 1]."""
    if target.ndim == output.ndim:
        return (target[..., 0] > 0.5).astype(np.int64) if output.shape[-1] == 1 else target.argmax(axis=-1)
    return (target > 0.5).astype(np.int64) if output.shape[-1] == 1 else target.astype(np.int64)


def _numbers(values: Array) -> str:
    shown = ", ".join(f"{value:.3g}" for value in values[:CHANNELS])
    return shown if len(values) <= CHANNELS else f"{shown}, …"
