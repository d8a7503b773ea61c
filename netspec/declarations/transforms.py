"""Transforms of the data: what ``train.preprocess`` may name. Those of one scalar per channel run inside the graph."""

from __future__ import annotations

from netspec.core.attributes import Numbers, attr
from netspec.core.builder import Builder
from netspec.core.declare import declare
from netspec.core.graph import Value
from netspec.core.op import ShapeError
from netspec.declarations.ops.preparation import Affine


@declare("transform", "divide", main="by", doc="x / by, such as 255 for bytes.", example="255")
class Divide:
    by: float = attr(doc="divisor", exclusiveMinimum=0)

    def apply(self, g: Builder, x: Value) -> Value:
        """Adds the transform to the graph."""
        return g.add(Affine(scale=(1 / self.by,), shift=(0.0,)), x)


@declare("transform", "normalize", main="mean", doc="(x − mean)/std per channel.", example="{mean: 78, std: 96}")
class Normalize:
    mean: Numbers = attr(doc="mean of the training data")
    std: Numbers = attr(doc="standard deviation of the training data", exclusiveMinimum=0)

    def apply(self, g: Builder, x: Value) -> Value:
        """Adds the transform to the graph."""
        for numbers in (self.mean, self.std):
            if len(numbers) not in (1, x.type.channels):
                raise ShapeError("NS503", count=len(numbers), channels=x.type.channels)
        count = max(len(self.mean), len(self.std))
        mean, std = (v * count if len(v) == 1 else v for v in (self.mean, self.std))
        scale = tuple(1 / s for s in std)
        return g.add(Affine(scale=scale, shift=tuple(-m * s for m, s in zip(mean, scale, strict=True))), x)
