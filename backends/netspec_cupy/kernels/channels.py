"""Sums over the rows of a table, and what batch normalisation is made of: such sums, then one pass over the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from netspec.core.expression import Constant, Expression, sqrt, where
from netspec.core.expression import inputs as variables
from netspec.core.graph import Epilogue
from netspec.core.types import TensorType
from netspec_cupy.contract import (
    ALIKE,
    EITHER,
    Grid,
    Launch,
    Operand,
    Request,
    Types,
    in_turn,
    kernel,
    named,
    pointer,
)
from netspec_cupy.kernels.elementwise import elementwise

COLUMNS = 32
"""Columns of one block, as in channels.cu."""
MOST_CHUNKS = 128
FEWEST_ROWS = 64
"""Rows of a chunk, at least: eight for each row of threads."""
ITEM = 4


class Table:
    """How the numbers of a tensor are seen as rows and columns, and how the rows are cut into chunks."""

    def __init__(self, rows_per_sample: int, columns: int, batch: int, fewest: int = FEWEST_ROWS) -> None:
        self.rows_per_sample = rows_per_sample
        self.columns = columns
        rows = rows_per_sample * batch
        self.chunk_rows = max(fewest, -(-rows // MOST_CHUNKS))
        self.chunks = -(-rows // self.chunk_rows)

    def grid(self, n: int) -> Grid:
        """A block for each chunk of the rows of n samples, and each 32 columns."""
        return (-(-self.columns // COLUMNS), -(-n * self.rows_per_sample // self.chunk_rows), 1)

    def numbers(self, sums: int) -> int:
        """Numbers of the workspace for so many sums."""
        return self.chunks * sums * self.columns


def by_channel(type: TensorType, batch: int) -> Table:
    """A row for each position of each sample, a column for each channel."""
    return Table(type.positions, type.channels, batch)


def by_sample(type: TensorType, batch: int) -> Table:
    """A row for each sample, a column for each of its numbers."""
    return Table(1, type.elements, batch)


class Sums:
    """Launches of sums over rows: ``chunk`` makes those of each chunk, ``join`` adds one of them up."""

    def __init__(self, request: Request, table: Table, count: int) -> None:
        self._request, self._table, self._count = request, table, count
        self._parts = pointer(request.scratch["parts"])

    def chunk(self, name: str, *operands: Any, more: tuple[Any, ...] = ()) -> Launch:
        """The sums of each chunk, by a kernel of channels.cu; ``more`` follows its sizes."""
        table = self._table
        sizes = self._request.live, table.rows_per_sample, table.columns, table.chunk_rows
        return self._request.launch(name, table.grid, *operands, self._parts, *sizes, *more)

    def join(self, which: int, sums: Any = None, means: Any = None) -> Launch:
        """Sum number ``which`` of all chunks, and the mean of its terms, each where it is wanted."""
        table, request = self._table, self._request
        sizes = request.live, table.rows_per_sample, table.columns, table.chunk_rows
        operands = self._parts, sums, means, which, self._count
        return request.per_number("join_chunks", table.columns, *operands, *sizes, batched=False)


def _one_sum(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    return {"parts": by_channel(inputs[0], batch).numbers(1)}


@kernel("channel_sum", scratch=_one_sum, storage=EITHER)
def channel_sum(request: Request) -> Launch:
    """dy -> (C), the sum over live samples and positions."""
    (dy,), (total,) = request.inputs, request.outputs
    sums = Sums(request, by_channel(dy.type, request.batch), 1)
    return in_turn(sums.chunk(named("sum_rows", dy), dy), sums.join(0, sums=total))


def _over_samples(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    return {"parts": by_sample(inputs[0], batch).numbers(1)}


@kernel("sample_sum", scratch=_over_samples, storage=EITHER)
def sample_sum(request: Request) -> Launch:
    """dy -> the sum over live samples."""
    (dy,), (total,) = request.inputs, request.outputs
    sums = Sums(request, by_sample(dy.type, request.batch), 1)
    return in_turn(sums.chunk(named("sum_rows", dy), dy), sums.join(0, sums=total))


@kernel("prelu", storage=EITHER)
def prelu(request: Request) -> Launch:
    """x, slope (C) -> x where x > 0, else slope x."""
    x, slope = variables(2)
    return elementwise(request, [where(x > 0, x, slope * x)], request.inputs, request.outputs)


@kernel("prelu.dx", scratch=_one_sum, storage=ALIKE)
def prelu_dx(request: Request) -> Launch:
    """x, dy, slope (C) -> dx, and the sum of x dy where x <= 0."""
    (x, dy, slope), (dx, dslope) = request.inputs, request.outputs
    sums = Sums(request, by_channel(x.type, request.batch), 1)
    summed = in_turn(sums.chunk(named("sum_slopes", x), x, dy), sums.join(0, sums=dslope))
    number, gradient, factor = variables(3)
    passed = elementwise(request, [where(number > 0, gradient, factor * gradient)], (x, dy, slope), (dx,))
    return in_turn(summed, passed)


def from_factor() -> Expression:
    """(x − mean)·factor + summand, which the gradient's gate makes again."""
    x, mean, factor, summand = variables(4)
    return (x - mean) * factor + summand


def _normalized(eps: float, scale: bool, center: bool) -> Expression:
    """(x − mean)/√(variance + eps)·scale + shift over x, [scale], [shift], mean, variance."""
    x, *affine, mean, variance = variables(3 + scale + center)
    y: Expression = (x - mean) / sqrt(variance + eps)
    y = y * affine[0] if scale else y
    return y + affine[-1] if center else y


def finished(request: Request, formula: Expression, operands: tuple[Operand, ...]) -> Launch:
    """The first output by a formula of these operands, and the step's epilogue."""
    (y, *_), epilogue = request.outputs, request.epilogue or Epilogue()
    if request.residual is not None:
        operands = (*operands, request.residual)
        formula = formula + variables(len(operands))[-1]
    formula = where(formula > epilogue.high, epilogue.high, formula) if epilogue.high < math.inf else formula
    formula = where(formula < epilogue.low, epilogue.low, formula) if epilogue.low > -math.inf else formula
    return elementwise(request, [formula], operands, (y,))


@kernel("batch_norm", epilogue=True, storage=EITHER)
def batch_norm(request: Request) -> Launch:
    """x, [scale], [shift], moving mean, moving variance -> y."""
    attrs = request.attrs
    return finished(request, _normalized(attrs.eps, attrs.scale, attrs.center), request.inputs)


@kernel("batch_norm.frozen_dx", storage=EITHER)
def batch_norm_frozen_dx(request: Request) -> Launch:
    """dy, [scale], moving variance -> dx."""
    dy, *scale, variance = variables(len(request.inputs))
    dx: Expression = dy * scale[0] if scale else dy
    return elementwise(request, [dx / sqrt(variance + request.attrs.eps)], request.inputs, request.outputs)


@kernel("batch_norm.train", scratch=_one_sum, epilogue=True, storage=EITHER)
def batch_norm_train(request: Request) -> Launch:
    """x, [scale], [shift] -> y, mean, variance, factor, summand.

    The mean comes first, since squares of deviations from it lose nothing.
    """
    (x, *affine), (_, mean, variance, factor, summand), attrs = request.inputs, request.outputs, request.attrs
    sums = Sums(request, by_channel(x.type, request.batch), 1)
    *learned, spread = variables(len(affine) + 1)
    of_x: Expression = (learned[0] if attrs.scale else 1) / sqrt(spread + attrs.eps)
    added: Expression = learned[-1] if attrs.center else Constant(0.0)
    return in_turn(
        sums.chunk(named("sum_rows", x), x),
        sums.join(0, means=mean),
        sums.chunk(named("sum_squares", x), x, mean),
        sums.join(0, means=variance),
        elementwise(request, [of_x, added], (*affine, variance), (factor, summand)),
        finished(request, from_factor(), (x, mean, factor, summand)),
    )


@kernel("fold_norm")
def fold_norm(request: Request) -> Launch:
    """weight (..., C), [bias], [scale], [shift], mean, variance -> weight and bias."""
    (weight, *vectors), (new_weight, new_bias), attrs = request.inputs, request.outputs, request.attrs
    *given, mean, variance = variables(len(vectors))
    bias: Expression = given.pop(0) if attrs.bias else Constant(0.0)
    scale = (vectors[attrs.bias],) if attrs.scale else ()
    moved = (bias - mean) * ((given.pop(0) if attrs.scale else 1) / sqrt(variance + attrs.eps))
    moved = moved + given[0] if attrs.center else moved
    number, *factor, spread = variables(2 + len(scale))
    scaled = number * ((factor[0] if factor else 1) / sqrt(spread + attrs.eps))
    return in_turn(
        elementwise(request, [scaled], (weight, *scale, vectors[-1]), (new_weight,)),
        elementwise(request, [moved], vectors, (new_bias,)),
    )


def _batch_gradients(attrs: Any, inputs: Types, outputs: Types, batch: int) -> Mapping[str, int]:
    return {"parts": by_channel(inputs[0], batch).numbers(2), "means": 2 * inputs[0].channels}


@kernel("batch_norm.dx", scratch=_batch_gradients, storage=ALIKE)
def batch_norm_dx(request: Request) -> Launch:
    """x, mean, variance, dy, [scale], [factor, summand] -> dx, [Σ dy x̂], [Σ dy]; a gate shuts dy out."""
    (x, mean, variance, dy, *others), (dx, *affine), attrs = request.inputs, request.outputs, request.attrs
    scale = others[: attrs.scale]
    opened: list[Operand | None] = [*others[attrs.scale :]] or [None, None]
    low, high = attrs.gate or (-math.inf, math.inf)
    sums = Sums(request, by_channel(x.type, request.batch), 2)
    per_channel, first = mean.type, request.scratch["means"]
    along, plain = (Operand(per_channel, first + at * per_channel.channels * ITEM) for at in range(2))
    number, middle, spread, given, mean_along, mean_plain, *rest = variables(6 + len(others))
    factor, slope = rest[: len(scale)], cast(Expression, given)
    if attrs.gate is not None:
        y = (number - middle) * rest[-2] + rest[-1]
        slope = where(y > low, where(y < high, slope, 0), 0)
    sigma = sqrt(spread + attrs.eps)
    formula: Expression = (slope - mean_plain - (number - middle) / sigma * mean_along) / sigma
    formula = formula * factor[0] if factor else formula
    return in_turn(
        sums.chunk(named("sum_batch_gradients", x), x, mean, variance, dy, *opened, float(attrs.eps), low, high),
        sums.join(0, sums=affine[0] if attrs.scale else None, means=along),
        sums.join(1, sums=affine[-1] if attrs.center else None, means=plain),
        elementwise(request, [formula], (x, mean, variance, dy, along, plain, *others), (dx,)),
    )


@kernel("affine", storage=EITHER)
def affine(request: Request) -> Launch:
    """x (uint8 or float32) -> y = x * scale + shift, each one number or one per channel."""
    (x,), (y,), attrs = request.inputs, request.outputs, request.attrs
    number, scale, shift = variables(3)
    return elementwise(request, [number * scale + shift], (x, *_constants(request, attrs.scale, attrs.shift)), (y,))


def _constants(request: Request, *numbers: tuple[float, ...]) -> tuple[Operand, ...]:
    """Numbers, one per channel of the input, in device memory."""
    channels = request.inputs[0].type.channels
    kind = TensorType((channels,), batched=False)
    rows = (np.broadcast_to(np.array(each, np.float32), (channels,)) for each in numbers)
    return tuple(Operand(kind, request.table(row)) for row in rows)


@kernel("scale", storage=EITHER)
def scale(request: Request) -> Launch:
    """x, [scale (C)], [shift (C)] -> x scale + shift, or x times a fixed number."""
    x, *parameters = variables(len(request.inputs))
    by = request.attrs.by
    y = x * (parameters.pop(0) if isinstance(by, str) else by)
    formula = y + parameters[0] if request.attrs.bias else y
    return elementwise(request, [formula], request.inputs, request.outputs)
