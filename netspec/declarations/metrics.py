"""Metrics: what ``train.metrics`` may name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.core.declare import declare

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


@declare("metric", "accuracy", doc="Share of positions whose most probable class is the label.")
class Accuracy:
    def count(self, output: Array, target: Array) -> tuple[float, int]:
        """(hits, positions) of a batch: ``output`` (N, ..., classes), ``target`` (N, ...)."""
        return float((output.argmax(axis=-1) == target).sum()), int(target.size)
