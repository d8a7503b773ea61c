"""Inference with bytes, number by number. What rounds is done in float32, as kernels do it: equality is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.core.declare import attributes_of, declaration_of
from netspec.core.op import reference
from netspec.core.reference import Context
from netspec.core.types import LARGEST_WEIGHT, Quantized, TensorType
from netspec.declarations.ops.pooling import AvgPool
from netspec.declarations.ops.pooling_reference import divisor_of
from netspec.declarations.ops.quantization import (
    AddInt8,
    ConcatInt8,
    ConvInt8,
    Dequantize,
    MaxPoolInt8,
    MeanInt8,
    MoveInt8,
    Quantize,
    QuantizeWeights,
    Rescale,
)

Array = np.ndarray[Any, np.dtype[Any]]


def _held(tensor: TensorType) -> Quantized:
    assert tensor.quantized is not None, f"{tensor} holds no real numbers"
    return tensor.quantized


def _rounded(value: Array, zero: int, low: int, high: int) -> Array:
    """float32 numbers, in units of the output's scale, as bytes."""
    first, last = np.float32(low - zero), np.float32(high - zero)
    clipped = np.where(value > first, value, first)  # this way round NaN becomes the first
    return np.rint(np.where(clipped > last, last, clipped)).astype(np.int64) + zero


def _scaled(x: Array, given: Quantized, wanted: Quantized) -> Array:
    """Bytes as float32 numbers in units of another scale."""
    return (x - given.zero).astype(np.float32) * np.float32(given.scale / wanted.scale)


def quantize(attrs: Quantize, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,*axes,C)`` to bytes."""
    factor, summand = (
        (np.array(numbers) / attrs.y.scale).astype(np.float32) for numbers in (attrs.factor, attrs.summand)
    )
    return (_rounded(inputs[0].astype(np.float32) * factor + summand, attrs.y.zero, 0, 255),)


def dequantize(attrs: Dequantize, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Bytes to ``scale·(q - zero)``."""
    given = _held(context.x)
    return ((inputs[0] - given.zero).astype(np.float32) * np.float32(given.scale),)


def quantize_weights(attrs: QuantizeWeights, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``weight (..., K)`` and ``bias (K)`` to bytes, int32 and factors; in float64."""
    weight = inputs[0].reshape(-1, inputs[0].shape[-1])
    bias = inputs[1] if attrs.bias else np.zeros(weight.shape[1])
    largest = np.abs(weight).max(axis=0, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0) / LARGEST_WEIGHT
    rounded = np.rint(weight / scale)
    unit = attrs.x.scale * scale
    sums = np.rint(bias / unit) - attrs.x.zero * rounded.sum(axis=0)
    limits = np.iinfo(np.int32)
    factor = unit if attrs.y is None else unit / attrs.y.scale
    return rounded.reshape(inputs[0].shape), np.clip(sums, limits.min, limits.max), np.asarray(factor, np.float32)


def conv_int8(attrs: ConvInt8, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Bytes ``x``, bytes ``weight``, int32 ``bias`` and float32 ``factor``, and a residual of bytes, if any."""
    x, weight, bias, factor, *residual = inputs
    layer = type(attrs.layer)(**{**attributes_of(attrs.layer), "bias": False})
    zero = _held(context.x).zero
    # Around the input lie cells of the zero, and so of the number 0; in float64, where these whole numbers are exact.
    (products,) = reference(declaration_of(layer))(layer, [np.float64(x - zero), np.float64(weight)], context)
    sums = products + (bias + zero * weight.reshape(-1, weight.shape[-1]).sum(axis=0))
    value = sums.astype(np.float32) * np.float32(factor)
    if attrs.y is None:
        return (value,)
    if residual:
        value = value + _scaled(residual[0], _held(context.node.inputs[-1].type), attrs.y)
    return (_rounded(value, attrs.y.zero, attrs.low, attrs.high),)


def add_int8(attrs: AddInt8, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Two tensors of bytes to one."""
    a, b = (_scaled(x, _held(v.type), attrs.y) for x, v in zip(inputs, context.node.inputs, strict=True))
    return (_rounded(a + b, attrs.y.zero, attrs.low, attrs.high),)


def rescale(attrs: Rescale, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Bytes to bytes."""
    return (_rounded(_scaled(inputs[0], _held(context.x), attrs.y), attrs.y.zero, attrs.low, attrs.high),)


def concat_int8(attrs: ConcatInt8, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Tensors of bytes to one with the channels of all."""
    parts = (_scaled(x, _held(v.type), attrs.y) for x, v in zip(inputs, context.node.inputs, strict=True))
    return (np.concatenate([_rounded(part, attrs.y.zero, 0, 255) for part in parts], axis=-1),)


def max_pool_int8(attrs: MaxPoolInt8, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The definition of the pooling on bytes."""
    found: Array = reference(declaration_of(attrs.pool))(attrs.pool, [np.float64(inputs[0])], context)[0]
    return (found,)


def mean_int8(attrs: MeanInt8, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """Sums of bytes less the zero are exact; the divisor is part of the float32 factor."""
    given, pool = _held(context.x), attrs.pool
    divisor = divisor_of(pool, context.x) if isinstance(pool, AvgPool) else np.float64(context.x.positions)
    (mean,) = reference(declaration_of(pool))(pool, [np.float64(inputs[0] - given.zero)], context)
    sums = np.rint(mean * divisor).astype(np.float32)
    factor = np.float32(given.scale / (attrs.y.scale * divisor))
    return (_rounded(sums * factor, attrs.y.zero, 0, 255),)


def move_int8(attrs: MoveInt8, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The definition of the move on the distance to the zero."""
    zero = _held(context.x).zero
    (found,) = reference(declaration_of(attrs.move))(attrs.move, [np.float64(inputs[0] - zero)], context)
    return (found + zero,)
