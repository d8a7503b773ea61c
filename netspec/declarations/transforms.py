"""Transforms of the data: what ``train.preprocess`` may name. Those of one scalar per channel run inside the graph.

A transform in the graph is ``x·scale + shift`` and says so by ``numbers``. One that needs more, ``on_host``, is
computed before samples go in, and so is what stands before it. One with ``fit`` learns numbers from the training part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from netspec.core.attributes import Numbers, attr
from netspec.core.builder import Builder
from netspec.core.declare import declare
from netspec.core.graph import Value
from netspec.core.op import ShapeError
from netspec.declarations.ops.preparation import Affine

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


class ScaleShift(NamedTuple):
    """One factor and one summand, or one of each per channel."""

    scale: tuple[float, ...]
    shift: tuple[float, ...]


def add_to_graph(transform: Any, g: Builder, x: Value) -> Value:
    """Adds a transform that is not ``on_host`` to the graph; ``ShapeError`` where it has not one number per channel."""
    scale, shift = transform.numbers(x.type.channels)
    return g.add(Affine(scale=scale, shift=shift), x)


@declare("transform", "divide", main="by", doc="x / by, such as 255 for bytes.", example="255")
class Divide:
    by: float = attr(doc="divisor", exclusiveMinimum=0)

    on_host = False

    def numbers(self, channels: int) -> ScaleShift:
        """Factor and summand."""
        return ScaleShift((1 / self.by,), (0.0,))


@declare("transform", "normalize", main="mean", doc="(x − mean)/std per channel.", example="{mean: 78, std: 96}")
class Normalize:
    mean: Numbers = attr(doc="mean of the training data")
    std: Numbers = attr(doc="standard deviation of the training data", exclusiveMinimum=0)

    on_host = False

    def numbers(self, channels: int) -> ScaleShift:
        """Factors and summands; ``ShapeError`` where there is not one for each channel."""
        for numbers in (self.mean, self.std):
            if len(numbers) not in (1, channels):
                raise ShapeError("NS503", count=len(numbers), channels=channels)
        count = max(len(self.mean), len(self.std))
        mean, std = (v * count if len(v) == 1 else v for v in (self.mean, self.std))
        scale = tuple(1 / s for s in std)
        return ScaleShift(scale, tuple(-m * s for m, s in zip(mean, scale, strict=True)))


@declare(
    "transform",
    "min_max",
    doc="(x − min)/(max − min), with the smallest and the largest number of the training part.",
)
class MinMax:
    min: float = attr(default=None, doc="the smallest number; found in the training part if left out")
    max: float = attr(default=None, doc="the largest number; found in the training part if left out")

    on_host = False

    @property
    def fitted(self) -> bool:
        """Whether both numbers are known."""
        return self.min is not None and self.max is not None

    def fit(self, arrays: Sequence[Array]) -> MinMax:
        """The transform with the numbers of the training part, given as one array for each input."""
        low = min(float(array.min()) for array in arrays) if self.min is None else self.min
        high = max(float(array.max()) for array in arrays) if self.max is None else self.max
        return MinMax(min=low, max=high)

    def numbers(self, channels: int) -> ScaleShift:
        """Factor and summand; those of an unfitted one stand in their place. Equal numbers all become 0."""
        low, high = (self.min, self.max) if self.fitted else (0.0, 1.0)
        scale = 1 / (high - low) if high > low else 1.0
        return ScaleShift((scale,), (-low * scale,))


@declare(
    "transform",
    "whiten",
    main="method",
    doc="Makes the numbers of a sample uncorrelated and of variance 1, by the covariance of the training part.",
)
class Whiten:
    method: str = attr(
        default="zca",
        doc="zca stays as near to the sample as can be; pca gives its coordinates along the principal axes",
        enum=("zca", "pca"),
    )
    over: str = attr(
        default="pixels",
        doc="whether the numbers are all those of a sample, or the channels of a pixel",
        enum=("pixels", "channels"),
    )
    eps: float = attr(default=1e-5, doc="added to every variance", exclusiveMinimum=0)

    on_host = True
    fitted = False

    def fit(self, arrays: Sequence[Array]) -> Any:
        """The whitening of the training part, given as one array (N, ...) for each input, all of one shape."""
        from netspec.declarations.whitening import fit_whitening

        return fit_whitening(self.method, self.over, self.eps, arrays)


def is_fitted(transform: Any) -> bool:
    """Whether a transform has all its numbers."""
    return bool(getattr(transform, "fitted", True))
