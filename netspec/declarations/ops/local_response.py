"""Local response normalisation: every number is divided by a power of the squares around it.

With the window's sum of squares s, ``y = x (k + a·s)^−β``, where a is α, or α over the cells of the window. It is made
of two parts, each with a gradient of its own: the sums, which have kernels, and the rest, which is elementwise.

A window of even size has no middle: as in ONNX it reaches one cell further after than before. Krizhevsky's formula
would take one cell more (⌊n/2⌋ on both sides), and PyTorch reaches further before; of odd sizes all are alike.

Sources: Krizhevsky et al. 2012, 3.3 (across channels); Jia et al. 2014 (Caffe's WITHIN_CHANNEL: across space).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from netspec.core import formulas
from netspec.core.attributes import Window, attr
from netspec.core.builder import Builder
from netspec.core.expression import Expression, exp, log, sqrt
from netspec.core.expression import inputs as variables
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Value
from netspec.core.op import ShapeError, op
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.declarations.ops.windows import check_image, per_axis


@op("lrn", main="size", doc="Divides each number by a power of the squares around it, across channels or positions.")
class Lrn:
    size: Window = attr(default=5, doc="cells of the window; the extra one of an even size comes after", minimum=1)
    alpha: float = attr(default=1e-4, doc="factor of the squares", minimum=0)
    beta: float = attr(default=0.75, doc="the power", minimum=0)
    k: float = attr(default=1.0, doc="summand beside the squares", exclusiveMinimum=0)
    across: str = attr(
        default="channels",
        doc="where the window lies: over neighbouring channels, or over positions of the same channel",
        enum=("channels", "space"),
    )
    scaling: str = attr(
        default="sum",
        doc="what alpha is multiplied by: the sum of the window's squares or their mean, outer cells counted as zeros",
        dialects={"caffe": "mean", "torch": "mean"},
        enum=("sum", "mean"),
    )

    def window(self, x: TensorType) -> tuple[int, ...]:
        """Sides of the window: one number across channels, else one per spatial axis."""
        if self.across == "space":
            check_image(x)
            return per_axis(self.size, len(x.spatial), "size")
        if isinstance(self.size, int):
            return (self.size,)
        if len(self.size) > 1:
            raise ShapeError("NS226", attr="size", count=len(self.size))
        return self.size

    def geometry(self, x: TensorType) -> WindowGeometry:
        """The window over the spatial axes of ``x``; of one cell where it lies across channels."""
        ones = (1,) * len(x.spatial)
        sides = self.window(x) if self.across == "space" else ones
        return WindowGeometry(x.spatial, x.spatial, sides, ones, ones, tuple((side - 1) // 2 for side in sides))

    def padding_after(self, x: TensorType) -> tuple[int, ...]:
        """Cells of zeros behind each spatial axis of ``x``."""
        return tuple(side // 2 for side in self.geometry(x).size)

    def infer(self, x: TensorType) -> TensorType:
        y = replace(x, dtype="float32", block=None)
        try:
            self.window(x)
        except ShapeError as error:
            error.makes = y  # whatever the window
            raise
        return y

    def lower(self, g: Builder, node: Node) -> Value:
        x = node.data[0]
        cells = math.prod(self.window(x.type)) if self.scaling == "mean" else 1
        return g.add(LrnScale(factor=self.alpha / cells, beta=self.beta, k=self.k), x, g.add(LrnSquares(lrn=self), x))

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        sides = self.window(data[0])
        yield Formula("squares in each sum", "product of the sides", formulas.times(sides), math.prod(sides))


def _inverse_power(base: Expression, beta: float) -> Expression:
    """base^−β: of the usual β = 3/4 by two roots, which is a third of the work of a logarithm and an exponential."""
    if beta == 0.75:
        root = sqrt(base)
        return 1 / (root * sqrt(root))
    return exp(-beta * log(base))


@op("lrn.squares", public=False, doc="Sum of the squares under a window that moves by one cell; outside lie zeros.")
class LrnSquares:
    lrn: Lrn = attr(doc="the normalisation")

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, dtype="float32", block=None)

    def grad(self, g: Builder, node: Node, ds: Value) -> tuple[Value | None, ...]:
        return (g.add(LrnSquaresDx(lrn=self.lrn), node.inputs[0], ds),)


@op("lrn.squares.dx", public=False, doc="2x times the sum of ds over the windows that a number lies in.")
class LrnSquaresDx:
    lrn: Lrn = attr(doc="the normalisation")

    def infer(self, x: TensorType, ds: TensorType) -> TensorType:
        return replace(x, dtype="float32", block=None)


@op("lrn.scale", public=False, doc="x (k + a·s)^−β.")
class LrnScale:
    factor: float = attr(doc="a, the factor of s")
    beta: float = attr(doc="the power")
    k: float = attr(doc="the summand")

    def infer(self, x: TensorType, squares: TensorType) -> TensorType:
        return replace(x, dtype="float32")

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        x, squares = variables(2)
        return (x * _inverse_power(self.k + self.factor * squares, self.beta),)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return g.node(LrnScaleDx(scale=self), *node.inputs, dy).outputs


@op("lrn.scale.dx", public=False, doc="dy (k + a·s)^−β, and its derivative by s, −a β x dy (k + a·s)^(−β−1).")
class LrnScaleDx:
    scale: LrnScale = attr(doc="the op whose gradients they are")

    def infer(self, x: TensorType, squares: TensorType, dy: TensorType) -> tuple[TensorType, ...]:
        return dy, dy

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        x, squares, dy = variables(3)
        base = self.scale.k + self.scale.factor * squares
        passed = dy * _inverse_power(base, self.scale.beta)
        return passed, passed * x / base * (-self.scale.factor * self.scale.beta)
