"""Pooling to a wanted size, whatever comes in: over bins that follow from the two sizes, as in PyTorch.

The maximum over all positions is the one with a single bin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netspec.core import formulas
from netspec.core.attributes import Window, attr
from netspec.core.builder import Builder
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Value
from netspec.core.op import op
from netspec.core.types import TensorType
from netspec.core.window import BinGeometry
from netspec.declarations.ops.dense import Flatten
from netspec.declarations.ops.pooling import MaxPoolValues
from netspec.declarations.ops.windows import check_image, per_axis

_SIZE_DOC = "size of the output, one number or one per axis"


def _bins(size: Window, x: TensorType) -> BinGeometry:
    check_image(x)
    return BinGeometry(x.spatial, per_axis(size, len(x.spatial), "size"))


def _explain(bins: BinGeometry) -> Iterator[Formula]:
    for axis, (n, m) in enumerate(zip(bins.input, bins.output, strict=True)):
        cells = ", ".join(f"{first}–{end - 1}" for first, end in bins.bins(axis)[:3])
        more = ", …" if m > 3 else ""
        yield Formula(
            f"bins along axis {axis + 1}", "⌊i·n/m⌋ to ⌈(i+1)·n/m⌉ − 1", f"n = {n}, m = {m}: {cells}{more}", m
        )


@op(
    "adaptive_max_pool",
    main="size",
    doc="The largest number of each bin, per channel; on ties the first is recorded.",
    example="- conv: {filters: 8, kernel: 3, padding: same}\n- relu\n- adaptive_max_pool: 3",
)
class AdaptiveMaxPool:
    size: Window = attr(doc=_SIZE_DOC, minimum=1)

    per_channel = True

    def bins(self, x: TensorType) -> BinGeometry:
        """The bins over the axes of ``x``."""
        return _bins(self.size, x)

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        bins = self.bins(x)
        y = replace(x, shape=(*bins.output, x.channels), dtype="float32", block=None)
        return y, replace(y, dtype="uint8" if bins.taps <= 256 else "int32")

    def grad(self, g: Builder, node: Node, dy: Value, _: Value | None = None) -> tuple[Value | None, ...]:
        return (g.add(AdaptiveMaxPoolDx(pool=self, x=node.data[0].type), node.outputs[1], dy),)

    def inference(self, g: Builder, node: Node) -> Value:
        return g.add(MaxPoolValues(pool=self), node.data[0])

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        return _explain(self.bins(data[0]))


@op("adaptive_max_pool.dx", public=False, doc="Sends each gradient to the recorded maximum.")
class AdaptiveMaxPoolDx:
    pool: AdaptiveMaxPool = attr(doc="the pooling")
    x: TensorType = attr(doc="type of its input")

    selects = True

    def bins(self, x: TensorType) -> BinGeometry:
        """The forward bins over the axes of ``x``, the type of dx."""
        return self.pool.bins(x)

    def infer(self, index: TensorType, dy: TensorType) -> TensorType:
        return replace(self.x, dtype="float32", block=None)


@op(
    "adaptive_avg_pool",
    main="size",
    doc="The mean of the numbers of each bin, per channel.",
    example="- conv: {filters: 8, kernel: 3, padding: same}\n- relu\n- adaptive_avg_pool: 3",
)
class AdaptiveAvgPool:
    size: Window = attr(doc=_SIZE_DOC, minimum=1)

    per_channel = True

    def bins(self, x: TensorType) -> BinGeometry:
        """The bins over the axes of ``x``."""
        return _bins(self.size, x)

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, shape=(*self.bins(x).output, x.channels), dtype="float32", block=None)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(AdaptiveAvgPoolDx(pool=self, x=node.data[0].type), dy),)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        return _explain(self.bins(data[0]))


@op("adaptive_avg_pool.dx", public=False, doc="Spreads each gradient evenly over its bin.")
class AdaptiveAvgPoolDx:
    pool: AdaptiveAvgPool = attr(doc="the pooling")
    x: TensorType = attr(doc="type of its input")

    def bins(self, x: TensorType) -> BinGeometry:
        """The forward bins over the axes of ``x``, the type of dx."""
        return self.pool.bins(x)

    def infer(self, dy: TensorType) -> TensorType:
        return replace(self.x, dtype="float32", block=None)


@op(
    "global_max_pool",
    main="keep",
    doc="The largest number of all positions, one per channel.",
    example="- conv: {filters: 8, kernel: 3, padding: same}\n- relu\n- global_max_pool",
)
class GlobalMaxPool:
    keep: bool = attr(default=False, doc="keep the spatial axes, each of length 1")

    per_channel = True

    def infer(self, x: TensorType) -> TensorType:
        check_image(x)
        ones = (1,) * len(x.spatial) if self.keep else ()
        return replace(x, shape=(*ones, x.channels), dtype="float32", block=None)

    def lower(self, g: Builder, node: Node) -> Value:
        """One bin of all positions, without its axes of length 1 unless they are kept."""
        largest = g.add(AdaptiveMaxPool(size=1), *node.data)
        return largest if self.keep else g.add(Flatten(), largest)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        yield Formula(
            "numbers in each maximum", "product of the sides", formulas.times(data[0].spatial), data[0].positions
        )
