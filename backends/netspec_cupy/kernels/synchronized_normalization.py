"""Batch normalisation whose moments, and whose gradient's means, are those of the batch of all ranks.

The sums are those of :mod:`channels`; between them stands what the ranks exchange.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.core.expression import Constant, Expression, maximum, sqrt
from netspec.core.expression import inputs as variables
from netspec.core.types import TensorType
from netspec_cupy.contract import Launch, Operand, Request, Types, in_turn, kernel
from netspec_cupy.kernels.channels import ITEM, Sums, by_channel, finished, from_factor
from netspec_cupy.kernels.elementwise import elementwise


def _two_sums(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    return {"parts": by_channel(inputs[0], batch).numbers(2)}


def _coefficients(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    return {"coefficients": 2 * inputs[0].channels}


@kernel("batch_norm.moments", scratch=_two_sums)
def batch_norm_moments(request: Request) -> Launch:
    """x -> mean, what is missing from it as it is rounded, variance, all (C)."""
    return _moments_of(request, *request.outputs)


@kernel("moments", scratch=_two_sums)
def moments(request: Request) -> Launch:
    """x -> the same three, (3, C)."""
    per_channel, first = TensorType((request.inputs[0].type.channels,), batched=False), request.outputs[0].address
    rows = (Operand(per_channel, first + at * per_channel.channels * ITEM) for at in range(3))
    return _moments_of(request, *rows)


def _moments_of(request: Request, mean: Operand, missing: Operand, variance: Operand) -> Launch:
    """The moments of the request's input, to where they go."""
    (x,) = request.inputs
    plain = Sums(request, by_channel(x.type, request.batch), 1)
    about = Sums(request, by_channel(x.type, request.batch), 2)
    distance, square = variables(2)
    return in_turn(
        plain.chunk("sum_rows", x),
        plain.join(0, means=mean),
        about.chunk("sum_deviations", x, mean),
        about.join(0, means=missing),
        about.join(1, means=variance),
        elementwise(request, [maximum(square - distance * distance, 0.0)], (missing, variance), (variance,)),
    )


@kernel("batch_norm.synchronized", scratch=_coefficients, epilogue=True)
def batch_norm_synchronized(request: Request) -> Launch:
    """x, mean, missing, variance, share, samples, [scale], [shift] -> y."""
    x, mean, missing, variance, _, _, *affine = request.inputs
    per_channel, first, attrs = mean.type, request.scratch["coefficients"], request.attrs
    factor, summand = (Operand(per_channel, first + at * per_channel.channels * ITEM) for at in range(2))
    distance, spread, *learned = variables(2 + len(affine))
    of_x: Expression = (learned[0] if attrs.scale else 1) / sqrt(spread + attrs.eps)
    shift: Expression = learned[-1] if attrs.center else Constant(0.0)
    # What rounding took from the mean is given back through the shift.
    return in_turn(
        elementwise(request, [of_x, shift - distance * of_x], (missing, variance, *affine), (factor, summand)),
        finished(request, from_factor(), (x, mean, factor, summand)),
    )


@kernel("batch_norm.sums", scratch=_two_sums)
def batch_norm_sums(request: Request) -> Launch:
    """x, mean, variance, dy -> the sums of dy times the normalised x, and of dy, both (C)."""
    (x, mean, variance, dy), (along, slope) = request.inputs, request.outputs
    sums = Sums(request, by_channel(x.type, request.batch), 2)
    ungated = None, None, float(request.attrs.eps), 0.0, 0.0
    return in_turn(
        sums.chunk("sum_batch_gradients", x, mean, variance, dy, *ungated),
        sums.join(0, sums=along),
        sums.join(1, sums=slope),
    )


@kernel("batch_norm.synchronized_dx")
def batch_norm_synchronized_dx(request: Request) -> Launch:
    """x, mean, variance, dy, the mean of dy times the normalised x, the mean of dy, [scale] -> dx."""
    x, mean, variance, dy, along, slope, *scale = variables(len(request.inputs))
    sigma = sqrt(variance + request.attrs.eps)
    formula: Expression = (dy - slope - (x - mean) / sigma * along) / sigma
    formula = formula * scale[0] if scale else formula
    return elementwise(request, [formula], request.inputs, request.outputs)
