"""Numbers rounded to what bytes hold, and kept as float32: how a network in training meets its own quantisation.

Forward they round as the layers of bytes do (Jacob et al. 2018, 3, https://arxiv.org/abs/1712.05877). Backward they are
the identity where a number lies in the range, and 0 where it was clipped: the straight-through gradient (Bengio et al.
2013, https://arxiv.org/abs/1308.3432). It is no derivative, which is 0 nearly everywhere, so that finite differences
do not confirm it.
"""

from __future__ import annotations

from netspec.core.builder import Builder
from netspec.core.expression import Expression, maximum, minimum, rint, where
from netspec.core.expression import inputs as variables
from netspec.core.graph import Node, Value
from netspec.core.op import op
from netspec.core.types import TensorType, scalar
from netspec.declarations.ops.quantization import HIGHEST, LOWEST


def _grid(lowest: Expression, highest: Expression) -> tuple[Expression, Expression, Expression, Expression]:
    """(width, scale, first, last) of a range, widened so that 0 is in it; first and last are in units of the scale.

    The same bytes as those of :func:`netspec.passes.quantization.parameters`; the scale is 1 where the width is 0.
    """
    width = maximum(highest, 0.0) - minimum(lowest, 0.0)
    scale = where(width > 0.0, width, HIGHEST - LOWEST) / (HIGHEST - LOWEST)
    zero = minimum(rint(-minimum(lowest, 0.0) / scale), HIGHEST)
    return width, scale, LOWEST - zero, HIGHEST - zero


@op(
    "fake_quantize",
    public=False,
    doc="(x, lowest, highest): x as bytes of that range hold it; x itself where the range is empty, as it is before "
    "one is known.",
)
class FakeQuantize:
    def infer(self, x: TensorType, lowest: TensorType, highest: TensorType) -> TensorType:
        return x

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        x, lowest, highest = variables(3)
        width, scale, first, last = _grid(lowest, highest)
        return (where(width > 0.0, rint(minimum(maximum(x * (1.0 / scale), first), last)) * scale, x),)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return g.add(FakeQuantizeDx(), dy, *node.inputs), None, None


@op(
    "fake_quantize.dx",
    public=False,
    doc="(dy, x, lowest, highest): dy where x lies in the range, 0 where it was clipped.",
)
class FakeQuantizeDx:
    def infer(self, dy: TensorType, x: TensorType, lowest: TensorType, highest: TensorType) -> TensorType:
        return dy

    def expressions(self, inputs: int) -> tuple[Expression, ...]:
        dy, x, lowest, highest = variables(4)
        width, scale, first, last = _grid(lowest, highest)
        inside = where(x < first * scale, 0.0, where(x > last * scale, 0.0, dy))
        return (where(width > 0.0, inside, dy),)


@op(
    "fake_quantize.weights",
    public=False,
    doc="A weight as bytes hold it, symmetric around 0 with a scale for each output channel, which holds its largest "
    "number: so nothing is clipped, and the gradient passes as it is.",
)
class FakeQuantizeWeights:
    def infer(self, weight: TensorType) -> TensorType:
        return weight

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (dy,)


@op("extremes", public=False, doc="The smallest and the largest number of a batch; NaN where there is one.")
class Extremes:
    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        return scalar(), scalar()
