"""Losses and metrics over many batches: sums while they come in, means at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netspec.core.graph import Graph
from netspec.data.dataset import Array
from netspec.declarations.recipe import Recipe
from netspec.distributed.communicator import Communicator


@dataclass(frozen=True, slots=True)
class Scores:
    """Mean loss per sample, and metrics by name (``head/name`` where there are several heads)."""

    loss: float
    metrics: Mapping[str, float]

    def document(self) -> dict[str, float]:
        """Plain data for JSON: ``loss`` and the metrics side by side."""
        return {"loss": self.loss, **self.metrics}


def named_metrics(network: Graph, recipe: Recipe, heads: Iterable[str]) -> dict[str, tuple[tuple[str, Any], ...]]:
    """What is measured at each of these heads, under the head's name too where the network has several."""
    several = len(network.heads) > 1
    said = {head: recipe.head(head).metrics or () for head in heads}
    return {
        head: tuple((f"{head}/{name}" if several else name, metric) for name, metric in metrics)
        for head, metrics in said.items()
    }


def over_ranks(world: Communicator, sums: Mapping[str, Array], counts: bool) -> dict[str, Array]:
    """The sums of all ranks, by metric; not this one's where it has only looked at a sample of another's."""
    if not sums:
        return {}
    own = [np.asarray(array, np.float64) for array in sums.values()]
    flat = np.concatenate([array.reshape(-1) for array in own])
    total = world.sums(flat if counts else np.zeros_like(flat))
    cuts = np.cumsum([array.size for array in own])[:-1]
    pieces = np.split(total, cuts)
    return {name: piece.reshape(array.shape) for name, piece, array in zip(sums, pieces, own, strict=True)}


class Meter:
    """Adds up the scores of batches.

    A batch's loss counts as often as it has samples, so that the smaller last batch weighs no more than it should;
    metrics are made of the sums over all batches.
    With ``sums`` it goes on where another meter of the same metrics was.
    """

    def __init__(self, metrics: Mapping[str, Sequence[tuple[str, Any]]], sums: Mapping[str, Any] | None = None) -> None:
        """``metrics`` are, by head, the metrics with their names."""
        self._metrics = [(name, head, metric) for head, named in metrics.items() for name, metric in named]
        self._sums: dict[str, Array] = {}
        self._loss = 0.0
        self._samples = 0
        if sums is not None:
            self._loss, self._samples = float(sums["loss"]), int(sums["samples"])
            self._sums |= {name: np.array(totals, np.float64) for name, totals in sums["metrics"].items()}

    def measured(self, outputs: Mapping[str, Array], targets: Mapping[str, Array]) -> dict[str, Array]:
        """Sums of a batch, by metric; by head, what it gave (n, ..., channels) and its labels (n, ...) or targets."""
        return {name: metric.sums(outputs[head], targets[head]) for name, head, metric in self._metrics}

    def add(self, loss: float, samples: int, sums: Mapping[str, Array]) -> None:
        """Count a batch: its mean loss, and what was :meth:`measured` of it."""
        self._loss += loss * samples
        self._samples += samples
        for name, numbers in sums.items():
            self._sums[name] = self._sums.get(name, 0.0) + numbers

    def join(self, world: Communicator, counts: bool = True) -> None:
        """Take in what the other ranks have counted; see :func:`over_ranks`."""
        whole = {"": np.array([self._loss, self._samples], np.float64), **self._sums}
        joined = over_ranks(world, whole, counts)
        self._loss, self._samples = float(joined[""][0]), int(joined.pop("")[1])
        self._sums = joined

    def sums(self) -> dict[str, Any]:
        """What was added so far, as plain data that JSON keeps to the last bit."""
        metrics = {name: totals.tolist() for name, totals in self._sums.items()}
        return {"loss": self._loss, "samples": self._samples, "metrics": metrics}

    def scores(self) -> Scores:
        """Means over everything that was added; at least one batch must have been."""
        metrics = {name: metric.value(self._sums[name]) for name, _, metric in self._metrics}
        return Scores(self._loss / self._samples, metrics)
