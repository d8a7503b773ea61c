"""One number from many, one number for many, and the moving statistics."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

from netspec_cupy.contract import Launch, Operand, Request, Types, in_turn, kernel, pointer

PARTS = 64
"""Blocks that each array is cut into."""
DOUBLES = 2
"""Workspaces are counted in float32, of which a float64 takes two."""


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    return {"parts": DOUBLES * PARTS * len(inputs)}


@kernel("batch_mean", scratch=_scratch)
def batch_mean(request: Request) -> Launch:
    """x (N, ...) -> the mean of all numbers."""
    (x,), (mean,) = request.inputs, request.outputs
    parts, each = pointer(request.scratch["parts"]), ctypes.c_longlong(x.type.elements)
    summed = request.launch("sum_numbers", lambda n: (PARTS, 1, 1), x, parts, request.live, each)
    return in_turn(summed, request.launch("join_mean", _one_block, parts, mean, PARTS, request.live, each))


@kernel("batch_mean.dx")
def batch_mean_dx(request: Request) -> Launch:
    """dy () -> dx (N, ...), the same share for each."""
    (dy,), (dx,) = request.inputs, request.outputs
    each = dx.type.elements
    return request.per_number("fill_share", each, dy, dx, request.live, ctypes.c_longlong(each))


@kernel("global_norm", scratch=_scratch)
def global_norm(request: Request) -> Launch:
    """Arrays -> the root of the sum of all their squares."""
    return _over_all(request, "sum_of_squares", "join_length")


@kernel("all_finite", scratch=_scratch)
def all_finite(request: Request) -> Launch:
    """Arrays -> 1 or 0."""
    return _over_all(request, "count_not_finite", "join_finite")


def _over_all(request: Request, term: str, join: str) -> Launch:
    def part(at: int, x: Operand) -> Launch:
        own = pointer(request.scratch["parts"] + at * PARTS * ctypes.sizeof(ctypes.c_double))
        return request.launch(term, lambda n: (PARTS, 1, 1), x, own, ctypes.c_longlong(x.type.elements))

    parts = [part(at, x) for at, x in enumerate(request.inputs)]
    operands = pointer(request.scratch["parts"]), request.outputs[0], PARTS * len(parts)
    return in_turn(*parts, request.launch(join, _one_block, *operands))


def _one_block(n: int) -> tuple[int, int, int]:
    return (1, 1, 1)


@kernel("constant")
def constant(request: Request) -> Launch:
    """Writes the number at every run: its place in the arena belongs to other values before and after."""
    value = float(request.attrs.value)
    return request.launch("set_number", _one_block, request.outputs[0], value, threads=32)


@kernel("batch_norm.moving")
def batch_norm_moving(request: Request) -> Launch:
    """Old moving mean and variance, those of the batch -> the new moving ones."""
    attrs, channels = request.attrs, request.outputs[0].type.channels
    rule = ctypes.c_double(attrs.momentum), int(attrs.unbiased)
    sizes = request.live, attrs.positions, channels
    operands = *request.inputs, *request.outputs
    return request.per_number("move_statistics", channels, *operands, *sizes, *rule, batched=False)
