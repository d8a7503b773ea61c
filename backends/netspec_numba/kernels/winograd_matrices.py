"""The matrices of Winograd's short convolutions, and how a vector is multiplied with one of them in few operations.

F(m, 3) computes m neighbouring outputs of a window of three from m + 2 inputs with m + 2 multiplications, where the
definition takes 3m. In two dimensions, for a tile of m x m outputs (Lavin and Gray, "Fast algorithms for convolutional
neural networks", 2016, https://arxiv.org/abs/1509.09308):

forward          y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A
weight gradient  dw = Gᵀ [(A dy Aᵀ) ⊙ (Bᵀ x B)] G, summed over all tiles before it is transformed

The data gradient is the forward direction on turned weights. The matrices follow from m + 1 points by the construction
of Toom and Cook; the last point is infinity. The points decide how far rounding errors grow: 0, ±5/8, ±3/2 lose four
times less than the usual 0, ±1, ±2, and their products are exact in binary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir

from netspec_numba.kernels.vectors import constant, fused_multiply_add, load

TAPS = 3
"""Side of the window."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Transforms:
    """Matrices of F(outputs, 3)."""

    outputs: int
    """Side of a tile of outputs, m."""
    input: Matrix
    """Bᵀ [m + 2, m + 2]"""
    weight: Matrix
    """G [m + 2, 3]"""
    output: Matrix
    """Aᵀ [m, m + 2]"""

    @property
    def side(self) -> int:
        """Side of a tile of inputs, and of a transformed tile."""
        return self.outputs + TAPS - 1


def toom_cook(points: Sequence[float]) -> Transforms:
    """The transforms that evaluate polynomials at these points and at infinity."""
    side = len(points) + 1
    outputs = side - TAPS + 1
    given = np.asarray(points)
    powers = given[:, None] ** np.arange(side)
    infinity = np.eye(side)[-1:]
    divisors = np.array([np.prod(point - np.delete(given, number)) for number, point in enumerate(given)])
    others = [np.poly(np.delete(given, number))[::-1] for number in range(len(given))]
    return Transforms(
        outputs,
        input=np.array([*(np.append(each, 0.0) for each in others), np.poly(given)[::-1]]),
        weight=np.vstack([powers[:, :TAPS] / divisors[:, None], infinity[:, -TAPS:]]),
        output=np.vstack([powers[:, :outputs], infinity[:, -outputs:]]).T,
    )


TRANSFORMS: dict[int, Transforms] = {
    2: toom_cook((0.0, 1.0, -1.0)),
    4: toom_cook((0.0, 0.625, -0.625, 1.5, -1.5)),
}
"""By the side of a tile of outputs."""

Vectors = list[ir.Value]


def transform(builder: ir.IRBuilder, matrix: Matrix, places: list[list[ir.Value]]) -> list[Vectors]:
    """matrix · square · matrixᵀ, for a square of vectors at these addresses, each of which is a number per lane.

    A column is loaded when it is multiplied: a whole square does not fit the registers.
    """
    columns = []
    for place in range(len(places)):
        columns.append(multiply(builder, matrix, [load(builder, row[place]) for row in places]))
    return [multiply(builder, matrix, [column[place] for column in columns]) for place in range(len(matrix))]


def multiply(builder: ir.IRBuilder, matrix: Matrix, vectors: Vectors) -> Vectors:
    """matrix · vectors.

    Points come in pairs of opposite sign. Two rows that belong to such a pair are the sum and the difference of their
    even and their odd part; two columns are wanted only as their sum and difference.
    """
    matrix, vectors = _paired_columns(builder, matrix, vectors)
    results: dict[int, ir.Value] = {}
    for number, row in enumerate(matrix):
        if number in results:
            continue
        mirrored = _mirrored_row(matrix, number)
        if mirrored is None:
            results[number] = _sum(builder, row, vectors)
            continue
        odd = row != matrix[mirrored]
        scale = row[odd][-1]
        even_part = _sum(builder, np.where(odd, 0.0, row), vectors)
        odd_part = _sum(builder, np.where(odd, row / scale, 0.0), vectors)
        results[number] = _add(builder, scale, odd_part, even_part)
        results[mirrored] = _add(builder, -scale, odd_part, even_part)
    return [results[number] for number in range(len(matrix))]


def _paired_columns(builder: ir.IRBuilder, matrix: Matrix, vectors: Vectors) -> tuple[Matrix, Vectors]:
    """The same product with columns of equal magnitudes replaced by their sum and their difference."""
    matrix, vectors = matrix.copy(), list(vectors)
    for left in range(matrix.shape[1] - 1):
        right = left + 1
        ours, theirs = matrix[:, left], matrix[:, right]
        if (abs(ours) != abs(theirs)).any() or (ours == theirs).all() or np.count_nonzero(ours) < 2:
            continue
        first, second = vectors[left], vectors[right]
        vectors[left], vectors[right] = builder.fadd(first, second), builder.fsub(first, second)
        same = ours == theirs
        matrix[:, left], matrix[:, right] = np.where(same, ours, 0.0), np.where(same, 0.0, ours)
    return matrix, vectors


def _mirrored_row(matrix: Matrix, number: int) -> int | None:
    """A later row that differs from this one in the sign of some numbers, and agrees in others."""
    row = matrix[number]
    for other in range(number + 1, len(matrix)):
        mirrored = matrix[other]
        differs = row != mirrored
        if (abs(row) == abs(mirrored)).all() and differs.any() and row[~differs].any():
            return other
    return None


def _sum(builder: ir.IRBuilder, factors: Matrix, vectors: Vectors) -> ir.Value:
    """Sum of factor times vector over the factors that are not zero, beginning with one that is 1 if there is any."""
    (places,) = np.nonzero(factors)
    first, *others = sorted(places, key=lambda place: factors[place] != 1.0)
    total = vectors[first]
    if factors[first] != 1.0:
        total = builder.fmul(constant(factors[first]), total)
    for place in others:
        total = _add(builder, factors[place], vectors[place], total)
    return total


def _add(builder: ir.IRBuilder, factor: Any, vector: ir.Value, total: ir.Value) -> ir.Value:
    """factor·vector + total"""
    if factor == 1.0:
        return builder.fadd(total, vector)
    if factor == -1.0:
        return builder.fsub(total, vector)
    return fused_multiply_add(builder, constant(factor), vector, total)
