"""Transposed convolution: the gradient of a convolution as a layer of its own, which makes images larger."""

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
from netspec.declarations.ops.convolution import check_groups, times_signs
from netspec.declarations.ops.reductions import ChannelSum
from netspec.declarations.ops.windows import Sliding, check_image, padding_pairs, per_axis


@op(
    "conv_transpose",
    main="filters",
    doc="Transposed convolution: every position sends a window of numbers, where windows overlap they are summed.",
    example=(
        "- conv: {filters: 8, kernel: 3, stride: 2, padding: same}\n"
        "- relu\n"
        "- conv_transpose: {filters: 4, kernel: 4, stride: 2, padding: same}\n"
        "- relu"
    ),
)
class ConvTranspose:
    filters: int = attr(doc="output channels", minimum=1)
    kernel: Window = attr(doc="window size, one number or one per axis", minimum=1)
    stride: Window = attr(default=1, doc="distance between the windows of neighbours in the output", minimum=1)
    padding: Padding = attr(
        default="valid", doc="cells cut off the output's edges; same leaves n·s, causal cuts behind only and leaves n·s"
    )
    dilation: Window = attr(default=1, doc="distance between the cells that a window writes", minimum=1)
    groups: int = attr(
        default=1, doc="parts into which channels and filters are split, each seeing only its own", minimum=1
    )
    bias: bool = attr(default=True, doc="add one learned number per filter")
    output_padding: Window = attr(default=0, doc="cells added behind the output, less than stride", minimum=0)

    weighs_channels = True

    @property
    def channel_parts(self) -> int:
        """Groups: parts of the channels, of equal size."""
        return self.groups

    def reverse(self, x: TensorType) -> WindowGeometry:
        """The window of the convolution whose gradient this is: from an image like our output to one like ``x``."""
        check_image(x)
        axes = len(x.spatial)
        size = per_axis(self.kernel, axes, "kernel")
        stride = per_axis(self.stride, axes, "stride")
        dilation = per_axis(self.dilation, axes, "dilation")
        self._check_output_padding(stride, dilation)
        cut, more = self._cut(x), per_axis(self.output_padding, axes, "output_padding")
        output = []
        for n, k, s, d, (before, after), added in zip(x.spatial, size, stride, dilation, cut, more, strict=True):
            output.append(formulas.conv_transpose_output(n, k, s, before + after, d, added))
            if output[-1] < 1:
                shown = formulas.show_conv_transpose_output(n, k, s, before, after, d, added)
                raise ShapeError("NS221", attr="padding", formula=shown)
        return WindowGeometry(tuple(output), x.spatial, size, stride, dilation, tuple(before for before, _ in cut))

    def _check_output_padding(self, stride: tuple[int, ...], dilation: tuple[int, ...]) -> None:
        """Cells that the next window would reach, or the gaps of this one, at most: so that n follows from the size."""
        more = per_axis(self.output_padding, len(stride), "output_padding")
        for added, s, d in zip(more, stride, dilation, strict=True):
            if added >= max(s, d):
                raise ShapeError("NS220", attr="output_padding", amount=added, largest=max(s, d) - 1)

    def _cut(self, x: TensorType) -> tuple[tuple[int, int], ...]:
        """Cells cut off before and after each axis; fewer than none are added. An odd cell of ``same`` is cut after."""
        axes = len(x.spatial)
        if self.padding not in ("same", "causal"):
            return padding_pairs(Sliding(self.kernel, self.stride, self.dilation, self.padding, "kernel"), x.spatial)
        if self.padding == "causal" and axes != 1:
            raise ShapeError("NS213", attr="padding", axes=axes)
        windows = (per_axis(getattr(self, name), axes, name) for name in ("kernel", "stride", "dilation"))
        totals = [formulas.conv_transpose_same_cut(*window) for window in zip(*windows, strict=True)]
        befores = [max(total, 0) // 2 if self.padding == "same" else 0 for total in totals]
        return tuple((before, total - before) for before, total in zip(befores, totals, strict=True))

    def infer(self, x: TensorType) -> TensorType:
        check_groups(self.groups, x.channels, self.filters)
        return replace(x, shape=(*self.reverse(x).input, self.filters), dtype="float32", block=None)

    def params(self, x: TensorType) -> dict[str, Param]:
        window = self.reverse(x)
        inputs, outputs = x.channels // self.groups, self.filters // self.groups
        # Windows a stride apart: of the cells, an output number meets only the share that the stride leaves it.
        met = max(1, window.taps // math.prod(window.stride))
        weight = Param((*window.size, inputs, self.filters), "he", fan_in=met * inputs, fan_out=window.taps * outputs)
        return {"weight": weight} | ({"bias": Param((self.filters,), "zeros")} if self.bias else {})

    def macs(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> int:
        (x,) = data
        return formulas.convolution_macs(x.positions, self.reverse(x).size, x.channels, self.groups, self.filters)

    def grad(self, g: Builder, node: Node, dy: Value) -> tuple[Value | None, ...]:
        x, weight = node.data[0], node.parameter("weight")
        dx = g.add(ConvTransposeDx(conv=self, x=x.type), dy, weight)
        dw = g.add(ConvTransposeDw(conv=self), x, dy)
        return (dx, dw, g.add(ChannelSum(), dy)) if self.bias else (dx, dw)

    def explain(self, data: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Iterator[Formula]:
        (x,) = data
        window, cut = self.reverse(x), self._cut(x)
        more = per_axis(self.output_padding, len(cut), "output_padding")
        for axis, (before, after) in enumerate(cut):
            sides = (x.spatial[axis], window.size[axis], window.stride[axis], before, after, window.dilation[axis])
            text = formulas.show_conv_transpose_output(*sides, more[axis])
            substituted = text.rsplit(" = ", 1)[0]
            symbolic = "(n − 1)s − 2p + (d(k−1)+1) + output_padding"
            yield Formula(f"output axis {axis + 1}", symbolic, substituted, window.input[axis])
        inputs, bias = x.channels // self.groups, " + 1" if self.bias else ""
        count = formulas.convolution_weights(window.size, x.channels, self.groups, self.filters)
        yield Formula(
            "parameters",
            f"(kernel cells · c_in/groups{bias}) · c_out",
            f"({times_signs(window.size)}·{inputs}{bias})·{self.filters}",
            count + (self.filters if self.bias else 0),
            "the size of the image does not enter",
        )
        yield Formula(
            "MACs",
            "input positions · kernel cells · c_in/groups · c_out",
            f"{formulas.times(x.spatial)} · {times_signs(window.size)} · {inputs} · {self.filters}",
            self.macs(data, outputs),
            "every input position sends a whole window",
        )


@op(
    "conv_transpose.dx",
    public=False,
    doc="Gradient of a transposed convolution with respect to its input: the convolution of dy with the weight.",
)
class ConvTransposeDx:
    conv: ConvTranspose = attr(doc="the transposed convolution")
    x: TensorType = attr(doc="type of its input")

    def infer(self, dy: TensorType, weight: TensorType) -> TensorType:
        return replace(self.x, dtype="float32", block=None)


@op(
    "conv_transpose.dw",
    public=False,
    doc="Gradient of a transposed convolution with respect to its weight: x times the dy that its windows reach.",
)
class ConvTransposeDw:
    conv: ConvTranspose = attr(doc="the transposed convolution")

    def infer(self, x: TensorType, dy: TensorType) -> TensorType:
        return TensorType(self.conv.params(x)["weight"].shape, batched=False)
