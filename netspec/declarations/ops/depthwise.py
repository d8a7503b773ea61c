"""Convolutions that keep the channels apart: depthwise, and with a 1x1 behind it separable. Both are lowered."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core import formulas
from netspec.core.attributes import Padding, Window, attr
from netspec.core.builder import Builder
from netspec.core.channels import Sources
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Param, Value
from netspec.core.op import op
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.declarations.ops.convolution import Conv, explain_places, times_signs

_MULTIPLIER_DOC = "filters per channel; those of a channel come out side by side"


@op(
    "depthwise_conv",
    main="kernel",
    doc="Cross-correlation of each channel with filters of its own.",
    example=(
        "- conv: {filters: 8, kernel: 3, padding: same}\n- relu\n- depthwise_conv: {kernel: 3, padding: same}\n- relu"
    ),
)
class DepthwiseConv:
    kernel: Window = attr(doc="window size, one number or one per axis", minimum=1)
    stride: Window = attr(default=1, doc="step of the window", minimum=1)
    padding: Padding = attr(default="valid", doc="cells of zeros added around the input")
    dilation: Window = attr(default=1, doc="distance between the cells that a window reads", minimum=1)
    multiplier: int = attr(default=1, doc=_MULTIPLIER_DOC, minimum=1)
    bias: bool = attr(default=True, doc="add one learned number per filter")

    def channel_sources(self, x: TensorType) -> Sources:
        return tuple(((0, channel),) for channel in range(x.channels) for _ in range(self.multiplier))

    def _conv(self, x: TensorType) -> Conv:
        """The same as a convolution with a group for each channel; even the weight is, ``(*window, 1, C·m)``."""
        return Conv(
            filters=x.channels * self.multiplier,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=x.channels,
            bias=self.bias,
        )

    def geometry(self, x: TensorType) -> WindowGeometry:
        """The window over the axes of ``x``."""
        return self._conv(x).geometry(x)

    def padding_after(self, x: TensorType) -> tuple[int, ...]:
        """Cells of padding behind each axis of ``x``."""
        return self._conv(x).padding_after(x)

    def infer(self, x: TensorType) -> TensorType:
        return self._conv(x).infer(x)

    def params(self, x: TensorType) -> dict[str, Param]:
        return self._conv(x).params(x)

    def macs(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> int:
        return self._conv(data[0]).macs(data, outputs)

    def lower(self, g: Builder, node: Node) -> Value:
        (x,) = node.data
        return g.apply(self._conv(x.type), x, **{name: node.parameter(name) for name in node.parameters})

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        x, y = data[0], outputs[0]
        window = self.geometry(x)
        yield from explain_places(window, self.padding_after(x))
        sides, filters = times_signs(window.size), f"{x.channels}·{self.multiplier}"
        bias, more = (" + 1", y.channels) if self.bias else ("", 0)
        weights = formulas.convolution_weights(window.size, x.channels, x.channels, y.channels)
        yield Formula(
            "parameters",
            f"(kernel cells{bias}) · c_in · multiplier",
            f"({sides}{bias})·{filters}",
            weights + more,
            "each filter sees one channel",
        )
        yield Formula(
            "MACs",
            "output positions · kernel cells · c_in · multiplier",
            f"{formulas.times(y.spatial)} · {sides} · {filters}",
            self.macs(data, outputs),
        )


@op(
    "separable_conv",
    main="filters",
    doc="A depthwise convolution, then a 1x1 that mixes the channels.",
    example=(
        "- conv: {filters: 8, kernel: 3, padding: same}\n"
        "- relu\n"
        "- separable_conv: {filters: 16, kernel: 3, padding: same}\n"
        "- relu"
    ),
)
class SeparableConv:
    filters: int = attr(doc="output channels", minimum=1)
    kernel: Window = attr(doc="window size, one number or one per axis", minimum=1)
    stride: Window = attr(default=1, doc="step of the window", minimum=1)
    padding: Padding = attr(default="valid", doc="cells of zeros added around the input")
    dilation: Window = attr(default=1, doc="distance between the cells that a window reads", minimum=1)
    multiplier: int = attr(default=1, doc=_MULTIPLIER_DOC, minimum=1)
    bias: bool = attr(default=True, doc="add one learned number per filter, at the end")

    weighs_channels = True
    mixing_weight = "pointwise_weight"
    spreading_weight = "depthwise_weight"

    def _depthwise(self) -> DepthwiseConv:
        return DepthwiseConv(
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            multiplier=self.multiplier,
            bias=False,
        )

    def _pointwise(self) -> Conv:
        return Conv(filters=self.filters, kernel=1, bias=self.bias)

    def geometry(self, x: TensorType) -> WindowGeometry:
        """The window over the axes of ``x``."""
        return self._depthwise().geometry(x)

    def padding_after(self, x: TensorType) -> tuple[int, ...]:
        """Cells of padding behind each axis of ``x``."""
        return self._depthwise().padding_after(x)

    def infer(self, x: TensorType) -> TensorType:
        return self._pointwise().infer(self._depthwise().infer(x))

    def params(self, x: TensorType) -> dict[str, Param]:
        first = self._depthwise().params(x)
        second = self._pointwise().params(self._depthwise().infer(x))
        weights = {"depthwise_weight": first["weight"], "pointwise_weight": second.pop("weight")}
        return weights | second

    def macs(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> int:
        window, channels = self.geometry(data[0]).size, data[0].channels
        return formulas.separable_macs(outputs[0].positions, window, channels, self.multiplier, self.filters)

    def lower(self, g: Builder, node: Node) -> Value:
        between = g.apply(self._depthwise(), *node.data, weight=node.parameter("depthwise_weight"))
        bias = {"bias": node.parameter("bias")} if self.bias else {}
        return g.apply(self._pointwise(), between, weight=node.parameter("pointwise_weight"), **bias)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        x, y = data[0], outputs[0]
        window = self.geometry(x)
        yield from explain_places(window, self.padding_after(x))
        between = f"{x.channels}·{self.multiplier}"
        bias, substituted, more = (" + c_out", f" + {self.filters}", self.filters) if self.bias else ("", "", 0)
        full = formulas.convolution_weights(window.size, x.channels, 1, self.filters)
        products = f"{times_signs(window.size)}·{between} + {between}·{self.filters}"
        yield Formula(
            "parameters",
            f"kernel cells · c_in·m + c_in·m · c_out{bias}",
            f"{products}{substituted}",
            formulas.separable_weights(window.size, x.channels, self.multiplier, self.filters) + more,
            f"a full convolution has {full + more:,}",
        )
        macs, full_macs = self.macs(data, outputs), y.positions * full
        yield Formula(
            "MACs",
            "output positions · (kernel cells · c_in·m + c_in·m · c_out)",
            f"{formulas.times(y.spatial)} · ({products})",
            macs,
            f"a full convolution takes {full_macs:,}, {full_macs / macs:.1f} times as many",
        )
