"""Layers of bytes that multiply no weights: to bytes and back, sums, channels side by side, pooling, moves."""

from __future__ import annotations

import ctypes
from functools import reduce
from typing import Any

import numpy as np

from netspec.core.axis_map import AxisMap
from netspec.core.declare import declaration_of
from netspec.core.expression import Expression, rint, where
from netspec.core.expression import inputs as variables
from netspec.core.types import Quantized, TensorType, scalar
from netspec_cupy.contract import Launch, Operand, Request, in_turn, kernel
from netspec_cupy.geometry import Rounding
from netspec_cupy.kernels.elementwise import BLOCKS_PER_PROCESSOR, elementwise
from netspec_cupy.kernels.movement import Averaged, averaged, cells_under, moved

LOWEST, HIGHEST = 0, 255
"""What a byte of an activation holds."""


def held(tensor: TensorType) -> Quantized:
    """What the bytes of a tensor stand for; raises ValueError where they stand for nothing."""
    if tensor.quantized is None:
        raise ValueError(f"{tensor} holds no bytes that stand for numbers")
    return tensor.quantized


def rounding(y: Quantized, low: int = LOWEST, high: int = HIGHEST) -> Rounding:
    """How kernels that are written by hand round to bytes of ``y``."""
    return Rounding(low - y.zero, high - y.zero, y.zero)


def _rounded(number: Expression, low: Expression, high: Expression, zero: Expression) -> Expression:
    """The same in a generated kernel; this way round NaN becomes the lowest."""
    clipped = where(number > low, number, low)
    return rint(where(clipped > high, high, clipped)) + zero


def _scalars(request: Request, *numbers: float) -> tuple[Operand, ...]:
    """Numbers in device memory, so that a kernel is compiled once for whatever scales there are."""
    return tuple(Operand(scalar(), request.table(np.array([each], np.float32))) for each in numbers)


def _limits(request: Request, y: Quantized, low: int = LOWEST, high: int = HIGHEST) -> tuple[Operand, ...]:
    return _scalars(request, low - y.zero, high - y.zero, y.zero)


@kernel("quantize")
def quantize(request: Request) -> Launch:
    """x (uint8 or float32) -> bytes."""
    (x,), attrs = request.inputs, request.attrs
    per_channel = TensorType((x.type.channels,), batched=False)
    affine = (
        np.broadcast_to((np.array(numbers) / attrs.y.scale).astype(np.float32), (x.type.channels,))
        for numbers in (attrs.factor, attrs.summand)
    )
    tables = tuple(Operand(per_channel, request.table(np.ascontiguousarray(row))) for row in affine)
    number, factor, summand, *limits = variables(6)
    formula = _rounded(number * factor + summand, *limits)
    return elementwise(request, [formula], (x, *tables, *_limits(request, attrs.y)), request.outputs)


@kernel("dequantize")
def dequantize(request: Request) -> Launch:
    """Bytes -> float32."""
    (x,), given = request.inputs, held(request.inputs[0].type)
    byte, zero, scale = variables(3)
    operands = x, *_scalars(request, given.zero, given.scale)
    return elementwise(request, [(byte - zero) * scale], operands, request.outputs)


@kernel("add.int8")
def add(request: Request) -> Launch:
    """Two tensors of bytes -> their sum."""
    a, b = request.inputs
    given, other, made = held(a.type), held(b.type), request.attrs.y
    numbers = given.zero, given.scale / made.scale, other.zero, other.scale / made.scale
    one, two, one_zero, one_scale, two_zero, two_scale, *limits = variables(9)
    formula = _rounded((one - one_zero) * one_scale + (two - two_zero) * two_scale, *limits)
    clipped = _limits(request, made, request.attrs.low, request.attrs.high)
    return elementwise(request, [formula], (a, b, *_scalars(request, *numbers), *clipped), request.outputs)


@kernel("rescale")
def rescale(request: Request) -> Launch:
    """Bytes -> bytes of another scale."""
    (x,), attrs = request.inputs, request.attrs
    return _rescaled(request, x, 0, rounding(attrs.y, attrs.low, attrs.high))


@kernel("concat.int8")
def concat(request: Request) -> Launch:
    """Tensors of bytes -> one, the channels of all beside each other."""
    launches, first = [], 0
    for x in request.inputs:
        launches.append(_rescaled(request, x, first, rounding(request.attrs.y)))
        first += x.type.channels
    return in_turn(*launches)


def _rescaled(request: Request, x: Operand, first: int, ending: Rounding) -> Launch:
    """Bring the channels of x into those of the output from ``first`` on."""
    (y,), given = request.outputs, held(x.type)
    most = request.device.processors * BLOCKS_PER_PROCESSOR
    sizes = request.live, ctypes.c_longlong(x.type.elements), x.type.channels, y.type.channels, first
    numbers = float(given.scale / request.attrs.y.scale), given.zero, ending
    return request.launch("rescale_bytes", lambda n: (most, 1, 1), x, y, *sizes, *numbers)


@kernel("max_pool.int8")
def max_pool(request: Request) -> Launch:
    """x -> the largest byte under each window, or in each bin."""
    (x,), (y,), pool = request.inputs, request.outputs, request.attrs.pool

    def cells(axis: int, side: int) -> AxisMap:
        if hasattr(pool, "bins"):
            found = [range(first, end) for first, end in pool.bins(x.type).bins(axis)]
        else:
            found = cells_under(pool.geometry(x.type), axis)
        return _ones(side, [[cell for cell in each if 0 <= cell < side] for each in found])

    return moved(request, "largest_bytes", x, y, (*map(cells, *_numbered(x.type)), None))


def _numbered(x: TensorType) -> tuple[range, tuple[int, ...]]:
    return range(len(x.spatial)), x.spatial


def _ones(side: int, cells: Any) -> AxisMap:
    return AxisMap(side, tuple(tuple((cell, 1.0) for cell in each) for each in cells))


@kernel("mean.int8")
def mean(request: Request) -> Launch:
    """x -> the mean of the bytes under each window, or of all."""
    (x,), (y,), pool = request.inputs, request.outputs, request.attrs.pool
    if declaration_of(pool).name == "avg_pool":
        places = averaged(pool, x.type)
    else:
        places = tuple((Averaged(tuple(range(side)), side),) for side in x.type.spatial)
    given, made = held(x.type), request.attrs.y
    divisors = reduce(np.multiply.outer, (np.array([float(at.divisor) for at in axis]) for axis in places), np.ones(()))
    factors = request.table((given.scale / (made.scale * divisors.reshape(-1))).astype(np.float32))
    maps = [_ones(side, [at.cells for at in axis]) for side, axis in zip(x.type.spatial, places, strict=True)]
    flat = Operand(TensorType((*map(len, places), y.type.channels), "uint8"), y.address)
    operands = ctypes.c_void_p(factors), given.zero, rounding(made)
    return moved(request, "mean_of_bytes", x, flat, (*maps, None), *operands)


@kernel("move.int8")
def move(request: Request) -> Launch:
    """x -> y, each byte of y from where the op's maps say; the zero where nothing comes in."""
    (x,), (y,) = request.inputs, request.outputs
    gap = float(held(x.type).zero)
    return moved(request, "move_bytes", x, y, request.attrs.move.axis_maps(x.type), gap=gap)
