"""Pooling: the maximum or the mean under a window, or over all positions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netspec.core import formulas
from netspec.core.attributes import Padding, Window, attr
from netspec.core.builder import Builder
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Value
from netspec.core.op import op
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.declarations.ops.windows import Sliding, check_image, resolve

_SIZE_DOC = "window size, one number or one per axis"
_STRIDE_DOC = "step of the window; without it the size, so that windows tile"
_ROUND_DOC = "whether a last window that is only partly filled is dropped (floor) or kept (ceil)"


def _resolved(pool: MaxPool | AvgPool, x: TensorType) -> tuple[WindowGeometry, tuple[int, ...]]:
    sliding = Sliding(pool.size, pool.stride or pool.size, 1, pool.padding, "size", pool.round == "ceil")
    return resolve(sliding, x)


def _geometry(self: MaxPool | AvgPool, x: TensorType) -> WindowGeometry:
    """The window over the axes of ``x``."""
    return _resolved(self, x)[0]


def _padding_after(self: MaxPool | AvgPool, x: TensorType) -> tuple[int, ...]:
    """Cells of padding behind each axis of ``x``."""
    return _resolved(self, x)[1]


def _explain(attrs: MaxPool | AvgPool, x: TensorType) -> Iterator[Formula]:
    window, after = attrs.geometry(x), attrs.padding_after(x)
    brackets = "⌊⌋" if attrs.round == "floor" else "⌈⌉"
    for axis, n in enumerate(window.input):
        k, s, before = window.size[axis], window.stride[axis], window.before[axis]
        pads = f" + {before} + {after[axis]}" if before or after[axis] else ""
        yield Formula(
            f"output axis {axis + 1}",
            f"{brackets[0]}(n + p − F)/s{brackets[1]} + 1",
            f"{brackets[0]}({n}{pads} − {k})/{s}{brackets[1]} + 1",
            window.output[axis],
        )


@op("max_pool", main="size", doc="The largest number under the window, per channel; on ties the first is recorded.")
class MaxPool:
    size: Window = attr(doc=_SIZE_DOC, minimum=1)
    stride: Window = attr(default=None, doc=_STRIDE_DOC, minimum=1)
    padding: Padding = attr(default="valid", doc="cells added around the input; they never win")
    round: str = attr(default="floor", doc=_ROUND_DOC, enum=("floor", "ceil"))

    geometry = _geometry
    padding_after = _padding_after

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        geometry = self.geometry(x)
        y = replace(x, shape=(*geometry.output, x.channels), dtype="float32", block=None)
        return y, replace(y, dtype="uint8" if geometry.taps <= 256 else "int32")

    def grad(self, g: Builder, node: Node, dy: Value, _: Value | None = None) -> tuple[Value | None, ...]:
        return (g.add(MaxPoolDx(pool=self, x=node.data[0].type), node.outputs[1], dy),)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        return _explain(self, data[0])


@op("max_pool.dx", public=False, doc="Sends each gradient to the recorded maximum.")
class MaxPoolDx:
    pool: MaxPool = attr(doc="the pooling")
    x: TensorType = attr(doc="type of its input")

    def geometry(self, x: TensorType) -> WindowGeometry:
        """The forward window over the axes of ``x``, the type of dx."""
        return self.pool.geometry(x)

    def infer(self, index: TensorType, dy: TensorType) -> TensorType:
        return replace(self.x, dtype="float32", block=None)


@op("avg_pool", main="size", doc="The mean of the numbers under the window, per channel.")
class AvgPool:
    size: Window = attr(doc=_SIZE_DOC, minimum=1)
    stride: Window = attr(default=None, doc=_STRIDE_DOC, minimum=1)
    padding: Padding = attr(default="valid", doc="cells of zeros added around the input")
    round: str = attr(default="floor", doc=_ROUND_DOC, enum=("floor", "ceil"))
    count_padding: bool = attr(default=False, doc="whether padding counts in the divisor")

    geometry = _geometry
    padding_after = _padding_after

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, shape=(*self.geometry(x).output, x.channels), dtype="float32", block=None)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(AvgPoolDx(pool=self, x=node.data[0].type), dy),)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        return _explain(self, data[0])


@op("avg_pool.dx", public=False, doc="Spreads each gradient evenly over its window.")
class AvgPoolDx:
    pool: AvgPool = attr(doc="the pooling")
    x: TensorType = attr(doc="type of its input")

    @property
    def count_padding(self) -> bool:
        """Whether padding counts in the divisor."""
        return self.pool.count_padding

    def geometry(self, x: TensorType) -> WindowGeometry:
        """The forward window over the axes of ``x``, the type of dx."""
        return self.pool.geometry(x)

    def padding_after(self, x: TensorType) -> tuple[int, ...]:
        """Cells of padding behind each axis of ``x``, the type of dx."""
        return self.pool.padding_after(x)

    def infer(self, dy: TensorType) -> TensorType:
        return replace(self.x, dtype="float32", block=None)


@op("global_avg_pool", main="keep", doc="The mean over all positions, one number per channel.")
class GlobalAvgPool:
    keep: bool = attr(default=False, doc="keep the spatial axes, each of length 1")

    def infer(self, x: TensorType) -> TensorType:
        check_image(x)
        ones = (1,) * len(x.spatial) if self.keep else ()
        return replace(x, shape=(*ones, x.channels), dtype="float32", block=None)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(GlobalAvgPoolDx(x=node.data[0].type), dy),)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        yield Formula(
            "numbers in each mean", "product of the sides", formulas.times(data[0].spatial), data[0].positions
        )


@op("global_avg_pool.dx", public=False, doc="Spreads each channel's gradient evenly over all positions.")
class GlobalAvgPoolDx:
    x: TensorType = attr(doc="type of the input of the pooling")

    def infer(self, dy: TensorType) -> TensorType:
        return replace(self.x, dtype="float32", block=None)
