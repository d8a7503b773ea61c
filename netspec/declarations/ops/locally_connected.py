"""Locally connected layers: convolutions whose window has weights of its own at each place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netspec.core import formulas
from netspec.core.attributes import Padding, Window, attr
from netspec.core.builder import Builder
from netspec.core.formulas import Formula
from netspec.core.graph import Node, Param, Value
from netspec.core.op import op
from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec.declarations.ops.convolution import check_groups, explain_places, times_signs
from netspec.declarations.ops.reductions import SampleSum
from netspec.declarations.ops.windows import Sliding, resolve


@op(
    "locally_connected",
    main="filters",
    doc="A convolution with weights of its own at each place of the window.",
    example="- locally_connected: {filters: 4, kernel: 4, stride: 2}\n- relu",
)
class LocallyConnected:
    filters: int = attr(doc="output channels", minimum=1)
    kernel: Window = attr(doc="window size, one number or one per axis", minimum=1)
    stride: Window = attr(default=1, doc="step of the window", minimum=1)
    padding: Padding = attr(default="valid", doc="cells of zeros added around the input")
    dilation: Window = attr(default=1, doc="distance between the cells that a window reads", minimum=1)
    groups: int = attr(
        default=1, doc="parts into which channels and filters are split, each seeing only its own", minimum=1
    )
    bias: bool = attr(default=True, doc="add one learned number per filter and place")

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
        """Weight ``(*output, *window, C/groups, K)``: at each place that of a convolution; bias ``(*output, K)``."""
        window = self.geometry(x)
        inputs, outputs = x.channels // self.groups, self.filters // self.groups
        shape = (*window.output, *window.size, inputs, self.filters)
        weight = Param(shape, "he", fan_in=window.taps * inputs, fan_out=window.taps * outputs)
        return {"weight": weight} | ({"bias": Param((*window.output, self.filters), "zeros")} if self.bias else {})

    def macs(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> int:
        window = self.geometry(data[0]).size
        return formulas.convolution_macs(outputs[0].positions, window, data[0].channels, self.groups, self.filters)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        x, weight = node.data[0], node.parameter("weight")
        dx = g.add(LocallyConnectedDx(layer=self, x=x.type), dy, weight)
        dw = g.add(LocallyConnectedDw(layer=self), x, dy)
        return (dx, dw, g.add(SampleSum(), dy)) if self.bias else (dx, dw)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        x, y = data[0], outputs[0]
        window = self.geometry(x)
        yield from explain_places(window, self.padding_after(x))
        places, sides, inputs = formulas.times(y.spatial), times_signs(window.size), x.channels // self.groups
        bias, more = (" + 1", y.elements) if self.bias else ("", 0)
        one = formulas.convolution_weights(window.size, x.channels, self.groups, self.filters)
        shared = one + (self.filters if self.bias else 0)
        weights = (y.positions, window.size, x.channels, self.groups, self.filters)
        yield Formula(
            "parameters",
            f"output positions · (kernel cells · c_in/groups{bias}) · c_out",
            f"{places} · ({sides}·{inputs}{bias})·{self.filters}",
            formulas.locally_connected_weights(*weights) + more,
            f"a convolution, which shares them, has {shared:,}",
        )
        yield Formula(
            "MACs",
            "output positions · kernel cells · c_in/groups · c_out",
            f"{places} · {sides} · {inputs} · {self.filters}",
            self.macs(data, outputs),
        )


@op("locally_connected.dx", public=False, doc="Gradient of a locally connected layer with respect to its input.")
class LocallyConnectedDx:
    layer: LocallyConnected = attr(doc="the layer")
    x: TensorType = attr(doc="type of its input")

    def infer(self, dy: TensorType, weight: TensorType) -> TensorType:
        return replace(self.x, dtype="float32", block=None)


@op("locally_connected.dw", public=False, doc="Gradient of a locally connected layer with respect to its weight.")
class LocallyConnectedDw:
    layer: LocallyConnected = attr(doc="the layer")

    def infer(self, x: TensorType, dy: TensorType) -> TensorType:
        return TensorType(self.layer.params(x)["weight"].shape, batched=False)
