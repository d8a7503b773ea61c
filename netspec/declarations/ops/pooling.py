"""Pooling: the maximum or the mean under a window, and the mean over all positions.

Of a window that reaches beyond the padding, as it may where sizes are rounded up, the cells out there count nowhere, as
in Caffe and PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from netspec.core import formulas
from netspec.core.attributes import Padding, Window, attr
from netspec.core.builder import Builder
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Value
from netspec.core.op import ShapeError, op
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.declarations.ops.windows import Sliding, check_image, resolve


class Pool(Protocol):
    """The attributes of an op that pools under a window."""

    @property
    def size(self) -> Window: ...
    @property
    def stride(self) -> Window: ...
    @property
    def padding(self) -> Padding: ...
    @property
    def round(self) -> str: ...


def size_attr() -> Any:
    """The attribute ``size`` of a pooling."""
    return attr(doc="window size, one number or one per axis", minimum=1)


def stride_attr() -> Any:
    """The attribute ``stride`` of a pooling."""
    return attr(default=None, doc="step of the window; without it the size, so that windows tile", minimum=1)


def round_attr() -> Any:
    """The attribute ``round`` of a pooling."""
    doc = "whether a last window that is only partly filled is dropped (floor) or kept (ceil)"
    return attr(default="floor", doc=doc, enum=("floor", "ceil"), dialects={"caffe": "ceil"})


def _resolved(pool: Pool, x: TensorType) -> tuple[WindowGeometry, tuple[int, ...]]:
    sliding = Sliding(pool.size, pool.stride or pool.size, 1, pool.padding, "size", pool.round == "ceil")
    return resolve(sliding, x)


def pool_geometry(self: Pool, x: TensorType) -> WindowGeometry:
    """The window over the axes of ``x``."""
    return _resolved(self, x)[0]


def pool_padding_after(self: Pool, x: TensorType) -> tuple[int, ...]:
    """Cells of padding behind each axis of ``x``."""
    return _resolved(self, x)[1]


def filled_geometry(self: Pool, x: TensorType) -> WindowGeometry:
    """The window over the axes of ``x``; NS228 where one lies in the padding as a whole, for ops that want a number."""
    window = pool_geometry(self, x)
    axes = zip(window.input, window.output, window.size, window.stride, window.before, strict=True)
    for axis, (n, places, size, stride, before) in enumerate(axes):
        if size <= before or (places - 1) * stride >= before + n:
            raise ShapeError("NS228", attr="padding", axis=axis + 1, size=size, largest=size - 1)
    return window


def explain_pool(self: Pool, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
    """The size of the output along each axis."""
    (window, after), brackets = _resolved(self, data[0]), "⌊⌋" if self.round == "floor" else "⌈⌉"
    for axis, n in enumerate(window.input):
        k, s, before = window.size[axis], window.stride[axis], window.before[axis]
        pads = f" + {before} + {after[axis]}" if before or after[axis] else ""
        yield Formula(
            f"output axis {axis + 1}",
            f"{brackets[0]}(n + p − F)/s{brackets[1]} + 1",
            f"{brackets[0]}({n}{pads} − {k})/{s}{brackets[1]} + 1",
            window.output[axis],
        )


@op(
    "max_pool",
    main="size",
    doc="The largest number under the window, per channel; on ties the first is recorded.",
    example="- conv: {filters: 8, kernel: 3, padding: same}\n- relu\n- max_pool: 2",
)
class MaxPool:
    size: Window = size_attr()
    stride: Window = stride_attr()
    padding: Padding = attr(default="valid", doc="cells added around the input; they never win")
    round: str = round_attr()

    per_channel = True

    geometry = filled_geometry
    padding_after = pool_padding_after
    explain = explain_pool

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        geometry = self.geometry(x)
        y = replace(x, shape=(*geometry.output, x.channels), dtype="float32", block=None)
        return y, replace(y, dtype="uint8" if geometry.taps <= 256 else "int32")

    def grad(self, g: Builder, node: Node, dy: Value, _: Value | None = None) -> tuple[Value | None, ...]:
        return (g.add(MaxPoolDx(pool=self, x=node.data[0].type), node.outputs[1], dy),)

    def inference(self, g: Builder, node: Node) -> Value:
        return g.add(MaxPoolValues(pool=self), node.data[0])


@op("max_pool.values", public=False, doc="What max_pool and adaptive_max_pool yield, without recording where it was.")
class MaxPoolValues:
    pool: Any = attr(doc="the pooling")

    def infer(self, x: TensorType) -> TensorType:
        values: TensorType = self.pool.infer(x)[0]
        return values


@op("max_pool.dx", public=False, doc="Sends each gradient to the recorded maximum.")
class MaxPoolDx:
    pool: MaxPool = attr(doc="the pooling")
    x: TensorType = attr(doc="type of its input")

    selects = True

    def geometry(self, x: TensorType) -> WindowGeometry:
        """The forward window over the axes of ``x``, the type of dx."""
        return self.pool.geometry(x)

    def infer(self, index: TensorType, dy: TensorType) -> TensorType:
        return replace(self.x, dtype="float32", block=None)


@op(
    "avg_pool",
    main="size",
    doc="The mean of the numbers under the window, per channel.",
    example=("- conv: {filters: 8, kernel: 3, padding: same}\n- relu\n- avg_pool: {size: 3, stride: 2, padding: 1}"),
)
class AvgPool:
    size: Window = size_attr()
    stride: Window = stride_attr()
    padding: Padding = attr(default="valid", doc="cells of zeros added around the input")
    round: str = round_attr()
    count_padding: bool = attr(
        default=False, doc="whether padding counts in the divisor", dialects={"caffe": True, "torch": True}
    )

    per_channel = True

    geometry = pool_geometry
    padding_after = pool_padding_after
    explain = explain_pool

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, shape=(*self.geometry(x).output, x.channels), dtype="float32", block=None)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        return (g.add(AvgPoolDx(pool=self, x=node.data[0].type), dy),)


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


@op(
    "global_avg_pool",
    main="keep",
    doc="The mean over all positions, one number per channel.",
    example="- conv: {filters: 8, kernel: 3, padding: same}\n- relu\n- global_avg_pool",
)
class GlobalAvgPool:
    keep: bool = attr(default=False, doc="keep the spatial axes, each of length 1")

    per_channel = True

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
