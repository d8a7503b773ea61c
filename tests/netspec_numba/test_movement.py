"""Ops that move numbers along axes, forward and back, against matrices in float64, in both layouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from kernel_operands import close, empty, logical, operand, run, tensor

from netspec.core import axis_map
from netspec.core.axis_map import AxisMap
from netspec.core.types import TensorType
from netspec_numba.host import LANES
from netspec_numba.kernels import movement as _  # noqa: F401 - registers the kernels

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Move:
    """Attributes of an op that moves numbers; ``value`` is what ``pad`` reads."""

    maps: tuple[AxisMap | None, ...]
    value: float = 0.0

    def axis_maps(self, x: TensorType) -> tuple[AxisMap | None, ...]:
        return self.maps


def matrix(made: AxisMap) -> Array:
    found = np.zeros((made.output, made.input))
    for output, row in enumerate(made.rows):
        for place, weight in row:
            found[output, place] += weight
    return found


def moved(x: Array, maps: Sequence[AxisMap | None]) -> Array:
    for axis, made in enumerate(maps, 1):
        if made is not None:
            x = np.moveaxis(np.tensordot(matrix(made), x.astype(np.float64), (1, axis)), 0, axis)
    return x


def shape_of(x: tuple[int, ...], maps: Sequence[AxisMap | None]) -> tuple[int, ...]:
    return tuple(side if made is None else made.output for side, made in zip(x, maps, strict=True))


MOVES: list[tuple[tuple[int, ...], tuple[AxisMap | None, ...]]] = [
    ((5,), (axis_map.take(5, (4, 0, 0)),)),
    ((40,), (axis_map.take(40, range(20, 40)),)),
    ((3, 4, 1), (axis_map.nearest(3, 6), axis_map.nearest(4, 4), None)),
    ((3, 4, LANES + 1), (axis_map.bilinear(3, 7), axis_map.bilinear(4, 3), None)),
    ((3, 4, LANES), (axis_map.middle(3, 1), None, None)),
    ((2, 3, 2 * LANES), (None, None, axis_map.take(2 * LANES, range(LANES, 2 * LANES)))),
    ((2, 3, 3 * LANES), (None, None, axis_map.take(3 * LANES, range(5, 2 * LANES + 3)))),
    ((2, 3, LANES + 2), (None, None, axis_map.take(LANES + 2, range(LANES + 1, -1, -1)))),
    ((2, 3, LANES), (None, None, axis_map.pad(LANES, LANES, 3, "value"))),
    (
        (2, 3, 5),
        (axis_map.pad(2, 1, 0, "replicate"), None, axis_map.pad(5, 0, LANES, "reflect" if LANES < 5 else "value")),
    ),
    ((2, 3, 2, 17), (axis_map.pad(2, 1, 1, "reflect"), axis_map.take(3, (2, 0)), None, axis_map.take(17, (16, 16)))),
    ((40, 41, 3), (axis_map.bilinear(40, 80), axis_map.bilinear(41, 82), None)),
]


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(("shape", "maps"), MOVES, ids=lambda v: str(v) if len(str(v)) < 30 else "")
def test_moves_and_their_gradients(shape: tuple[int, ...], maps: tuple[AxisMap | None, ...], plain: bool) -> None:
    batch, n = 3, 2
    rng = np.random.default_rng(1)
    kinds = [tensor(shape), tensor(shape_of(shape, maps))]
    x_kind, y_kind = [kind.plain() for kind in kinds] if plain else kinds
    x = rng.normal(size=(n, *shape)).astype(np.float32)
    y = empty(y_kind, batch)
    run("select", Move(maps), [operand(x_kind, x, batch)], [y], batch, n)
    close(logical(y, n), moved(x, maps))

    transposed = tuple(None if made is None else made.transposed() for made in maps)
    dy = rng.normal(size=(n, *y_kind.shape)).astype(np.float32)
    dx = empty(x_kind, batch)
    run("moved.dx", Move(transposed), [operand(y_kind, dy, batch)], [dx], batch, n)
    close(logical(dx, n), moved(dy, transposed), scale=16)  # of sums of up to nine numbers


@pytest.mark.parametrize("value", [0.0, -0.3, float("-inf"), float("nan")])
@pytest.mark.parametrize(
    ("shape", "margins"),
    [
        ((5,), ((2, 1),)),
        ((3, LANES), ((1, 0), (0, 0))),
        ((3, 4, 17), ((0, 2), (1, 1), (0, 0))),
        ((3, 4, LANES), ((0, 0), (0, 0), (1, LANES))),
        ((2, 3, 5), ((1, 1), (0, 1), (2, 0))),
    ],
)
def test_padding_is_numpy_s_and_exact(shape: tuple[int, ...], margins: Any, value: float) -> None:
    batch, n = 3, 2
    x = np.random.default_rng(2).normal(size=(n, *shape)).astype(np.float32)
    want = np.pad(x, ((0, 0), *margins), constant_values=value)
    maps = tuple(
        axis_map.pad(side, *each, "value") if any(each) else None for side, each in zip(shape, margins, strict=True)
    )
    y = empty(tensor(want.shape[1:]), batch)
    run("pad", Move(maps, value), [operand(tensor(shape), x, batch)], [y], batch, n)
    np.testing.assert_array_equal(logical(y, n), want)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_goes_where_its_number_goes_and_nowhere_else(special: float) -> None:
    shape = (3, 4, LANES + 1)
    maps = (axis_map.nearest(3, 6), axis_map.take(4, (3, 1)), axis_map.take(LANES + 1, (LANES, 0)))
    x = np.ones((1, *shape), np.float32)
    x[0, 1, 3, LANES] = special
    y = empty(tensor((6, 2, 2)), 1)
    run("select", Move(maps), [operand(tensor(shape), x, 1)], [y], 1, 1)
    want = np.ones((1, 6, 2, 2), np.float32)
    want[0, 2:4, 0, 0] = special
    np.testing.assert_array_equal(logical(y, 1), want)
