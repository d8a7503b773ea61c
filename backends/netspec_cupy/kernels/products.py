"""Products of stretched tensors, and squared distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netspec.core.types import TensorType
from netspec_cupy.contract import Launch, Operand, Request, kernel, pointer
from netspec_cupy.geometry import AXES, Stretched, all_axes, filled, row_steps


@kernel("multiply")
def multiply(request: Request) -> Launch:
    """Factors -> y, their product; axes of 1 are stretched."""
    (y,) = request.outputs
    return _product(request, request.inputs, y, filled(y.type.shape, 1, AXES + 1))


@kernel("multiply.dx")
def multiply_dx(request: Request) -> Launch:
    """dy and the other factors -> dx, their product summed over the axes along which x was stretched."""
    (dx,) = request.outputs
    sides = [filled(each.type.shape, 1, AXES + 1) for each in request.inputs]
    full = tuple(max(lengths) for lengths in zip(*sides, strict=True))
    return _product(request, request.inputs, dx, full)


def _product(request: Request, factors: Sequence[Operand], y: Operand, full: tuple[int, ...]) -> Launch:
    """The product over the shape ``full``, summed along the axes where y has one place and that shape more."""
    made = filled(y.type.shape, 1, AXES + 1)
    summed = tuple(1 if own == whole else whole for own, whole in zip(made, full, strict=True))
    steps = np.array([_steps(each.type, made, summed) for each in factors], np.int64)
    places = np.array([each.address for each in factors], np.uint64)
    shape = Stretched(all_axes(made, 1), all_axes(summed, 1), len(factors))
    tables = pointer(request.table(places)), pointer(request.table(steps))
    return request.per_number("multiply_stretched", y.type.elements, *tables, y, request.live, shape)


def _steps(factor: TensorType, made: tuple[int, ...], summed: tuple[int, ...]) -> list[int]:
    """From one place to the next of the samples, of the axes that are made, and of those that are summed."""
    sides = filled(factor.shape, 1, AXES + 1)
    steps = [step if side > 1 else 0 for side, step in zip(sides, row_steps(sides), strict=True)]
    own = [step if count > 1 else 0 for step, count in zip(steps, made, strict=True)]
    across = [step if count > 1 else 0 for step, count in zip(steps, summed, strict=True)]
    return [factor.elements if factor.batched else 0, *own, *across]


@kernel("rbf")
def rbf(request: Request) -> Launch:
    """x (N, I), weight (I, U) -> y (N, U)."""
    x, weight = request.inputs
    (y,) = request.outputs
    return request.per_number("squared_distances", y.type.elements, x, weight, y, request.live, *weight.type.shape)


@kernel("rbf.dx")
def rbf_dx(request: Request) -> Launch:
    """x, weight, dy -> dx (N, I)."""
    (dx,) = request.outputs
    sizes = request.live, *request.inputs[1].type.shape
    return request.per_number("distances_input_gradient", dx.type.elements, *request.inputs, dx, *sizes)


@kernel("rbf.dw")
def rbf_dw(request: Request) -> Launch:
    """x, weight, dy -> dw (I, U)."""
    (dw,) = request.outputs
    operands = *request.inputs, dw, request.live, *dw.type.shape
    return request.per_number("distances_weight_gradient", dw.type.elements, *operands, batched=False)
