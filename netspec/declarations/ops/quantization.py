"""Inference with bytes: what stands in a quantised network in the place of layers of float32 numbers.

A byte q of an activation stands for ``scale·(q - zero)``, one scale for a tensor, with q from 0 to 255; a byte of a
weight for ``scale·q``, one scale for each output channel, with q from -127 to 127 (Jacob et al. 2018,
https://arxiv.org/abs/1712.05877; Krishnamoorthi 2018, https://arxiv.org/abs/1806.08342). Sums are exact int32. They
become bytes again by **requantisation**: the sum as float32, times a float32 factor, clipped, rounded to the nearest
whole number, ties to the even one, plus the zero. Every step is defined to the bit, so that kernels are compared for
equality.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netspec.core.attributes import attr
from netspec.core.op import op
from netspec.core.types import Quantized, TensorType

LOWEST, HIGHEST = 0, 255
"""What a byte of an activation holds."""


def _bytes(x: TensorType, shape: tuple[int, ...], y: Quantized) -> TensorType:
    return replace(x, shape=shape, dtype="uint8", block=None, quantized=y)


def _low() -> Any:
    return attr(default=LOWEST, doc="the smallest byte that comes out")


def _high() -> Any:
    return attr(default=HIGHEST, doc="the largest byte that comes out")


def _scale_of_output() -> Any:
    return attr(doc="what the bytes of the output stand for")


@op(
    "quantize",
    public=False,
    doc="Numbers as bytes: round(x·(factor/scale) + summand/scale) + zero, clipped, in float32; NaN is the lowest. "
    "Factor and summand are those of affine ops that are taken in.",
)
class Quantize:
    y: Quantized = _scale_of_output()
    factor: tuple[float, ...] = attr(default=(1.0,), doc="one factor, or one per channel")
    summand: tuple[float, ...] = attr(default=(0.0,), doc="one summand, or one per channel")

    def infer(self, x: TensorType) -> TensorType:
        return _bytes(x, x.shape, self.y)


@op("dequantize", public=False, doc="The float32 numbers that bytes stand for: scale·(q - zero).")
class Dequantize:
    def infer(self, x: TensorType) -> TensorType:
        return x.real()


@op(
    "quantize.weights",
    public=False,
    doc="A weight as bytes, symmetric around zero with a scale for each output channel; the bias in units of the sums, "
    "less what the zero of the input adds to them; and the factor that makes the output of a sum.",
)
class QuantizeWeights:
    x: Quantized = attr(doc="what the bytes of the layer's input stand for")
    y: Quantized | None = attr(doc="what those of its output stand for; None where that is float32")
    bias: bool = attr(doc="whether a bias follows the weight")

    def infer(self, weight: TensorType, *bias: TensorType) -> tuple[TensorType, ...]:
        factor = TensorType((weight.channels,), batched=False)
        return replace(weight, dtype="int8"), replace(factor, dtype="int32"), factor


@op(
    "conv.int8",
    public=False,
    doc="A convolution, or a dense layer, of bytes: round(factor·(Σ x·w + bias) + residual) + zero, clipped.",
)
class ConvInt8:
    layer: Any = attr(doc="the convolution or dense layer")
    y: Quantized | None = attr(doc="what the bytes of the output stand for; None where it is float32, factor·sum")
    low: int = _low()
    high: int = _high()

    def infer(
        self, x: TensorType, weight: TensorType, bias: TensorType, factor: TensorType, *residual: TensorType
    ) -> TensorType:
        real: TensorType = self.layer.infer(x.real())
        return real if self.y is None else _bytes(real, real.shape, self.y)


@op("add.int8", public=False, doc="The sum of two tensors of bytes, each brought to the scale of the output.")
class AddInt8:
    y: Quantized = _scale_of_output()
    low: int = _low()
    high: int = _high()

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        return _bytes(a, a.shape, self.y)


@op("rescale", public=False, doc="Bytes in another scale, clipped: what an activation that clips is among bytes.")
class Rescale:
    y: Quantized = _scale_of_output()
    low: int = _low()
    high: int = _high()

    def infer(self, x: TensorType) -> TensorType:
        return _bytes(x, x.shape, self.y)


@op(
    "concat.int8",
    public=False,
    doc="Channels of tensors of bytes side by side, each brought to the scale of the output.",
)
class ConcatInt8:
    concat: Any = attr(doc="the concat, along channels")
    y: Quantized = _scale_of_output()

    def infer(self, *inputs: TensorType) -> TensorType:
        shape = self.concat.infer(*(x.real() for x in inputs)).shape
        return _bytes(inputs[0], shape, self.y)


@op("max_pool.int8", public=False, doc="The largest byte under the window; a larger byte stands for a larger number.")
class MaxPoolInt8:
    pool: Any = attr(doc="the pooling")

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, shape=self.pool.infer(x.real())[0].shape, block=None)


@op(
    "mean.int8",
    public=False,
    doc="The mean of the bytes under a window, in a bin, or at all positions, in the scale of the output.",
)
class MeanInt8:
    pool: Any = attr(doc="the pooling")
    y: Quantized = _scale_of_output()

    def infer(self, x: TensorType) -> TensorType:
        return _bytes(x, self.pool.infer(x.real()).shape, self.y)


@op("move.int8", public=False, doc="Bytes moved along axes; the zero where nothing comes in.")
class MoveInt8:
    move: Any = attr(doc="the op, which states its axis_maps")

    def infer(self, x: TensorType) -> TensorType:
        return replace(x, shape=self.move.infer(x.real()).shape, block=None)
