"""Convolution (cross-correlation, as networks mean it) over one, two or three axes, and its gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from netspec.core import formulas
from netspec.core.attributes import Padding, Window, attr
from netspec.core.builder import Builder
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Param, Value
from netspec.core.op import ShapeError, op
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.declarations.ops.reductions import ChannelSum
from netspec.declarations.ops.windows import Sliding, resolve


@op(
    "conv",
    main="filters",
    doc="Cross-correlation of a window with learned filters, over one, two or three axes.",
    example="- conv: {filters: 16, kernel: 3, stride: 2, padding: same}\n- relu",
)
class Conv:
    filters: int = attr(doc="output channels", minimum=1)
    kernel: Window = attr(doc="window size, one number or one per axis", minimum=1)
    stride: Window = attr(default=1, doc="step of the window", minimum=1)
    padding: Padding = attr(default="valid", doc="cells of zeros added around the input")
    dilation: Window = attr(default=1, doc="distance between the cells that a window reads", minimum=1)
    groups: int = attr(
        default=1, doc="parts into which channels and filters are split, each seeing only its own", minimum=1
    )
    bias: bool = attr(default=True, doc="add one learned number per filter")

    weighs_channels = True

    @property
    def channel_parts(self) -> int:
        """Groups: parts of the channels, of equal size."""
        return self.groups

    def _sliding(self) -> Sliding:
        return Sliding(self.kernel, self.stride, self.dilation, self.padding, "kernel")

    def geometry(self, x: TensorType) -> WindowGeometry:
        """The window over the axes of ``x``."""
        return resolve(self._sliding(), x)[0]

    def padding_after(self, x: TensorType) -> tuple[int, ...]:
        """Cells of padding behind each axis of ``x``."""
        return resolve(self._sliding(), x)[1]

    def infer(self, x: TensorType) -> TensorType:
        check_groups(self.groups, x.channels, self.filters)
        return replace(x, shape=(*self.geometry(x).output, self.filters), dtype="float32", block=None)

    def params(self, x: TensorType) -> dict[str, Param]:
        window = self.geometry(x).size
        cells, inputs, outputs = self.geometry(x).taps, x.channels // self.groups, self.filters // self.groups
        weight = Param((*window, inputs, self.filters), "he", fan_in=cells * inputs, fan_out=cells * outputs)
        return {"weight": weight} | ({"bias": Param((self.filters,), "zeros")} if self.bias else {})

    def macs(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> int:
        window = self.geometry(data[0]).size
        return formulas.convolution_macs(outputs[0].positions, window, data[0].channels, self.groups, self.filters)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        x, weight = node.data[0], node.parameter("weight")
        dx = g.add(ConvDx(conv=self, x=x.type), dy, weight)
        dw = g.add(ConvDw(conv=self), x, dy)
        return (dx, dw, g.add(ChannelSum(), dy)) if self.bias else (dx, dw)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        x, y = data[0], outputs[0]
        window = self.geometry(x)
        yield from explain_places(window, self.padding_after(x))
        inputs = x.channels // self.groups
        sides = times_signs(window.size)
        bias = " + 1" if self.bias else ""
        count = formulas.convolution_weights(window.size, x.channels, self.groups, self.filters)
        yield Formula(
            "parameters",
            f"(kernel cells · c_in/groups{bias}) · c_out",
            f"({sides}·{inputs}{bias})·{self.filters}",
            count + (self.filters if self.bias else 0),
            "the size of the image does not enter",
        )
        yield Formula(
            "MACs",
            "output positions · kernel cells · c_in/groups · c_out",
            f"{formulas.times(y.spatial)} · {sides} · {inputs} · {self.filters}",
            self.macs(data, outputs),
        )


def check_groups(groups: int, channels: int, filters: int) -> None:
    """Refuse groups that do not divide the channels that come in and those that go out."""
    for which, count in (("input", channels), ("output", filters)):
        if count % groups:
            common = math.gcd(channels, filters)
            divisors = formulas.divisors(common)
            raise ShapeError("NS202", attr="groups", groups=groups, channels=count, which=which, divisors=divisors)


def explain_places(window: WindowGeometry, after: tuple[int, ...]) -> Iterator[Formula]:
    """How many places the window has along each axis; ``after`` is the padding behind each."""
    for axis, behind in enumerate(after):
        sides = (window.input[axis], window.size[axis], window.stride[axis])
        text = formulas.show_window_output(*sides, window.before[axis], behind, window.dilation[axis])
        substituted = text.rsplit(" = ", 1)[0]
        yield Formula(f"output axis {axis + 1}", "⌊(n + 2p − (d(k−1)+1))/s⌋ + 1", substituted, window.output[axis])


def times_signs(numbers: tuple[int, ...]) -> str:
    """``3·3``: a product written out."""
    return "·".join(map(str, numbers))


@op("conv.dx", public=False, doc="Gradient of a convolution with respect to its input: dy * rot180(w).")
class ConvDx:
    conv: Conv = attr(doc="the convolution")
    x: TensorType = attr(doc="type of its input")

    @property
    def groups(self) -> int:
        """Groups of the convolution."""
        return self.conv.groups

    def geometry(self, x: TensorType) -> WindowGeometry:
        """The forward window over the axes of ``x``, the type of dx."""
        return self.conv.geometry(x)

    def infer(self, dy: TensorType, weight: TensorType) -> TensorType:
        return replace(self.x, dtype="float32", block=None)


@op("conv.dw", public=False, doc="Gradient of a convolution with respect to its weight: x * dy, not turned.")
class ConvDw:
    conv: Conv = attr(doc="the convolution")

    @property
    def groups(self) -> int:
        """Groups of the convolution."""
        return self.conv.groups

    def geometry(self, x: TensorType) -> WindowGeometry:
        """The forward window over the axes of ``x``."""
        return self.conv.geometry(x)

    def infer(self, x: TensorType, dy: TensorType) -> TensorType:
        return TensorType(self.conv.params(x)["weight"].shape, batched=False)
