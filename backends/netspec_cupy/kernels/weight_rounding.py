"""Weights rounded to bytes, for good or as training meets it, and between which numbers those of a batch lie."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

from netspec_cupy.contract import Grid, Launch, Operand, Request, Types, in_turn, kernel, pointer
from netspec_cupy.kernels.totals import PARTS

COLUMNS = 32
"""Columns of one block, as in weight_rounding.cu."""


def _by_columns(request: Request, name: str, weight: Operand, *arguments: Any) -> Launch:
    """A block for each 32 columns of a weight (..., K)."""
    columns = weight.type.channels
    grid: Grid = (-(-columns // COLUMNS), 1, 1)
    return request.launch(name, lambda n: grid, weight, *arguments)


def _sizes(weight: Operand) -> tuple[int, int]:
    return weight.type.elements // weight.type.channels, weight.type.channels


@kernel("quantize.weights")
def quantize_weights(request: Request) -> Launch:
    """weight (..., K), [bias (K)] -> int8 (..., K), int32 (K), float32 (K)."""
    (weight, *bias), attrs = request.inputs, request.attrs
    scale = 1.0 if attrs.y is None else attrs.y.scale
    numbers = ctypes.c_double(attrs.x.scale), attrs.x.zero, ctypes.c_double(scale)
    operands = bias[0] if bias else None, *request.outputs, *_sizes(weight)
    return _by_columns(request, "quantize_weights", weight, *operands, *numbers)


@kernel("fake_quantize.weights")
def fake_quantize_weights(request: Request) -> Launch:
    """weight (..., K) -> the same as bytes hold it."""
    (weight,), (made,) = request.inputs, request.outputs
    return _by_columns(request, "fake_quantize_weights", weight, made, *_sizes(weight))


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    return {"parts": 2 * PARTS}


@kernel("extremes", scratch=_scratch)
def extremes(request: Request) -> Launch:
    """x (N, ...) -> the smallest and the largest number of live samples."""
    (x,), parts = request.inputs, pointer(request.scratch["parts"])
    each = ctypes.c_longlong(x.type.elements)
    return in_turn(
        request.launch("extremes_of_parts", lambda n: (PARTS, 1, 1), x, parts, request.live, each),
        request.launch("join_extremes", lambda n: (1, 1, 1), parts, *request.outputs, PARTS),
    )
