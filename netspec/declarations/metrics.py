"""Metrics: what ``train.metrics`` may name.

A metric is told of batches: ``sums(output, target)`` gives numbers that are added up over all of them, and
``value(sums)`` makes the result of the totals. So it is the same however the samples were cut into batches.

Outputs are (N, ..., C). Targets are class numbers (N, ...), or (N, ..., C) as the output. Where a metric asks for
classes, that of a position is its largest channel; a single channel says 1 above one half, and 0 up to it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from netspec.core.attributes import attr
from netspec.core.declare import declare

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


@declare("metric", "accuracy", doc="Share of positions whose most probable class is the label.")
class Accuracy:
    ranks = True
    """Whether only the order of a position's channels matters: logits serve as well as probabilities."""
    more_is_better = True
    """Whether of two networks the one with the larger value is the better one."""

    def sums(self, output: Array, target: Array) -> Array:
        """(hits, positions)."""
        hits = _classes(output) == _labels(output, target)
        return _floats(hits.sum(), hits.size)

    def value(self, sums: Array) -> float:
        """Hits per position."""
        return float(sums[0] / sums[1])


@declare("metric", "top_k", main="k", doc="Share of positions whose label is among the k most probable classes.")
class TopK:
    k: int = attr(default=5, doc="how many classes may be named", minimum=1)

    ranks = True
    more_is_better = True

    def sums(self, output: Array, target: Array) -> Array:
        """(hits, positions). What is as probable as the label takes a place before it, NaN too."""
        import numpy as np

        label = _labels(output, target)[..., None]
        known = (label >= 0) & (label < output.shape[-1])
        chosen = np.take_along_axis(output, np.where(known, label, 0), axis=-1)
        before = (~(output < chosen)).sum(axis=-1, keepdims=True) - 1  # less the label itself
        hits = known & (before < self.k)
        return _floats(hits.sum(), hits.size)

    def value(self, sums: Array) -> float:
        """Hits per position."""
        return float(sums[0] / sums[1])


@declare("metric", "binary_accuracy", doc="Share of numbers on their target's side of one half.")
class BinaryAccuracy:
    ranks = False
    more_is_better = True

    def sums(self, output: Array, target: Array) -> Array:
        """(hits, numbers)."""
        hits = (output > 0.5) == (_alike(output, target) > 0.5)
        return _floats(hits.sum(), hits.size)

    def value(self, sums: Array) -> float:
        """Hits per number."""
        return float(sums[0] / sums[1])


@declare("metric", "mean_absolute_error", doc="The mean of |x − t| over all numbers.")
class MeanAbsoluteError:
    ranks = False
    more_is_better = False

    def sums(self, output: Array, target: Array) -> Array:
        """(sum of distances, numbers)."""
        return _floats(abs(_difference(output, target)).sum(), output.size)

    def value(self, sums: Array) -> float:
        """Distance per number."""
        return float(sums[0] / sums[1])


@declare("metric", "mean_squared_error", doc="The mean of (x − t)² over all numbers.")
class MeanSquaredError:
    ranks = False
    more_is_better = False

    def sums(self, output: Array, target: Array) -> Array:
        """(sum of squares, numbers)."""
        return _floats((_difference(output, target) ** 2).sum(), output.size)

    def value(self, sums: Array) -> float:
        """Square per number."""
        return float(sums[0] / sums[1])


@declare("metric", "psnr", main="peak", doc="10 log₁₀(peak² / mean squared error) of an image, averaged over images.")
class Psnr:
    peak: float = attr(default=1.0, doc="the largest number that a pixel may be", exclusiveMinimum=0)

    ranks = False
    more_is_better = True

    def sums(self, output: Array, target: Array) -> Array:
        """(sum of decibels, images); an image without error has infinitely many."""
        import numpy as np

        errors = (_difference(output, target) ** 2).reshape(len(output), -1).mean(axis=1)
        with np.errstate(divide="ignore"):
            return _floats((20 * math.log10(self.peak) - 10 * np.log10(errors)).sum(), len(output))

    def value(self, sums: Array) -> float:
        """Decibels per image."""
        return float(sums[0] / sums[1])


@declare(
    "metric",
    "iou",
    doc="Intersection over union of the positions of a class in labels and answers, over the whole data; the mean "
    "over the classes that occur.",
)
class Iou:
    ranks = True
    more_is_better = True

    def sums(self, output: Array, target: Array) -> Array:
        """Intersections, then unions, of every class. A label that is no class counts nowhere."""
        import numpy as np

        classes = max(output.shape[-1], 2)
        found, label = _classes(output), _labels(output, target)
        known = (label >= 0) & (label < classes)
        found, label = found[known], label[known]
        answered, labelled, both = (
            np.bincount(each, minlength=classes) for each in (found, label, label[found == label])
        )
        return np.concatenate([both, answered + labelled - both]).astype(float)

    def value(self, sums: Array) -> float:
        """The mean over the classes that are in labels or answers; NaN if there is none."""
        intersections, unions = sums.reshape(2, -1)
        occurs = unions > 0
        return float((intersections[occurs] / unions[occurs]).mean()) if occurs.any() else math.nan


def _floats(*numbers: Any) -> Array:
    import numpy as np

    return np.array(numbers, np.float64)


def _classes(output: Array) -> Array:
    """The class that each position says, (N, ...)."""
    import numpy as np

    return np.asarray((output[..., 0] > 0.5).astype(np.int64) if output.shape[-1] == 1 else output.argmax(axis=-1))


def _labels(output: Array, target: Array) -> Array:
    """The class that each position should say, (N, ...)."""
    import numpy as np

    return _classes(target) if target.shape == output.shape else np.asarray(target).astype(np.int64)


def _alike(output: Array, target: Array) -> Array:
    """The target as numbers of the output's shape: class numbers become one-hot rows, or the one channel."""
    import numpy as np

    if target.shape == output.shape:
        return target
    rows = target[..., None]
    return rows if output.shape[-1] == 1 else np.asarray(rows == np.arange(output.shape[-1]))


def _difference(output: Array, target: Array) -> Array:
    """Output less target, in float64."""
    import numpy as np

    return np.asarray(output.astype(np.float64) - _alike(output, target))
