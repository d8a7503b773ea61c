"""Ops that move numbers along axes, means and sums under windows: a sparse matrix for each axis, and one kernel."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from netspec.core.axis_map import AxisMap
from netspec.core.types import ITEM_BYTES, TensorType
from netspec.core.window import WindowGeometry
from netspec_cupy.contract import HALVES, Launch, Operand, Request, in_turn, kernel, named
from netspec_cupy.geometry import AXES, AxisTable, Cell, Movement, all_axes, axes, row_steps
from netspec_cupy.kernels.elementwise import BLOCKS_PER_PROCESSOR

Maps = Sequence[AxisMap | None]


@kernel("part", storage=HALVES)
@kernel("select", storage=HALVES)
@kernel("channel_shuffle", storage=HALVES)
@kernel("upsample", storage=HALVES)
@kernel("crop", storage=HALVES)
@kernel("moved.dx", storage=HALVES)
def move(request: Request) -> Launch:
    """x -> y, each number of y from where the op's maps say; 0 where nothing comes in."""
    (x,), (y,) = request.inputs, request.outputs
    return moved(request, "move", x, y, request.attrs.axis_maps(x.type))


@kernel("pad", storage=HALVES)
def pad(request: Request) -> Launch:
    """x -> y with the value in the cells that come from nowhere."""
    (x,), (y,) = request.inputs, request.outputs
    return moved(request, "move", x, y, request.attrs.axis_maps(x.type), gap=float(request.attrs.value))


def moved(
    request: Request,
    name: str,
    x: Operand,
    y: Operand,
    maps: Maps,
    *more: Any,
    gap: float = 0.0,
    made: TensorType | None = None,
    first: int = 0,
) -> Launch:
    """A launch of a kernel of movement.cu: one map per axis of ``x``, the channels last.

    ``made`` is the type of the part of y that is made, where it is not all of it, and ``first`` where it begins.
    """
    part = made or y.type
    tables = [AxisTable()] * (AXES + 1 - len(maps)) + [_axis(request, each) for each in maps]
    movement = Movement(
        (AxisTable * (AXES + 1))(*tables),
        all_axes(part.shape, 1),
        all_axes(x.type.shape, 1),
        y.type.elements,
        first,
        all_axes(row_steps(y.type.shape), 0),
        gap,
    )
    return request.per_sample(named(name, x), part.elements, x, *more, y, movement)


def _axis(request: Request, made: AxisMap | None) -> AxisTable:
    """The map of an axis in device memory."""
    if made is None:
        return AxisTable()
    entries = [entry for row in made.rows for entry in row]
    first = np.cumsum([0, *(len(row) for row in made.rows)]).astype(np.int32)
    place = np.array([place for place, _ in entries], np.int32)
    weight = np.array([weight for _, weight in entries], np.float32)
    weighted = bool((weight != 1).any())
    return AxisTable(request.table(first), request.table(place), request.table(weight) if weighted else None)


@kernel("concat", storage=HALVES)
def concat(request: Request) -> Launch:
    """k inputs -> y, end to end along the axis."""
    (y,) = request.outputs
    axis = request.attrs.axis_index(len(y.type.spatial))
    launches, offset = [], 0
    for x in request.inputs:
        first = offset * row_steps(y.type.shape)[axis]
        stays = (None,) * len(x.type.shape)
        launches.append(moved(request, "move", x, y, stays, made=x.type, first=first))
        offset += x.type.shape[axis]
    return in_turn(*launches)


@kernel("concat.dx", storage=HALVES)
def concat_dx(request: Request) -> Launch:
    """dy -> dx, the slice of dy that begins at ``attrs.offset`` and is as long as dx."""
    (dy,), (dx,), attrs = request.inputs, request.outputs, request.attrs
    axis = attrs.axis_index(len(dy.type.spatial))
    rows = tuple(((attrs.offset + place, 1.0),) for place in range(dx.type.shape[axis]))
    maps: list[AxisMap | None] = [None] * len(dy.type.shape)
    maps[axis] = AxisMap(dy.type.shape[axis], rows)
    return moved(request, "move", dy, dx, maps)


@kernel("flatten", storage=HALVES)
@kernel("flatten.dx", storage=HALVES)
@kernel("layout.convert")
def copy(request: Request) -> Launch:
    """The same numbers in another shape: there is one layout only."""
    (x,), (y,) = request.inputs, request.outputs
    each = x.type.elements * ITEM_BYTES[x.type.dtype]
    most = request.device.processors * BLOCKS_PER_PROCESSOR
    sizes = request.live if x.type.batched else 1, ctypes.c_longlong(each)
    return request.launch("copy_bytes", lambda n: (most, 1, 1), x, y, *sizes)


@kernel("depth_to_space", storage=HALVES)
def depth_to_space(request: Request) -> Launch:
    """x (N, cells, factors · C) -> y (N, cells · factors, C)."""
    (x,), (y,) = request.inputs, request.outputs
    return _regroup(request, coarse=x, fine=y, factors=request.attrs.factors(x.type), into_fine=True)


@kernel("depth_to_space.dx", storage=HALVES)
def depth_to_space_dx(request: Request) -> Launch:
    """dy (N, cells · factors, C) -> dx (N, cells, factors · C)."""
    (dy,), (dx,) = request.inputs, request.outputs
    return _regroup(request, coarse=dx, fine=dy, factors=request.attrs.factors, into_fine=False)


def _regroup(request: Request, coarse: Operand, fine: Operand, factors: tuple[int, ...], into_fine: bool) -> Launch:
    operands = (coarse, fine) if into_fine else (fine, coarse)
    sizes = Cell(axes(coarse.type.spatial, 1)), Cell(axes(factors, 1)), fine.type.channels
    return request.per_sample(named("depth_to_space", fine), fine.type.elements, *operands, int(into_fine), *sizes)


@kernel("avg_pool", storage=HALVES)
def avg_pool(request: Request) -> Launch:
    """x (N, cells, C) -> the means under the window, (N, places, C)."""
    (x,), (y,) = request.inputs, request.outputs
    return moved(request, "move", x, y, (*_mean_maps(request.attrs, x.type), None))


@kernel("avg_pool.dx", storage=HALVES)
def avg_pool_dx(request: Request) -> Launch:
    """dy (N, places, C) -> dx (N, cells, C)."""
    (dy,), (dx,) = request.inputs, request.outputs
    maps = (each.transposed() for each in _mean_maps(request.attrs, dx.type))
    return moved(request, "move", dy, dx, (*maps, None))


class Averaged(NamedTuple):
    """The cells that a mean is taken of along one axis, and what their sum is divided by."""

    cells: tuple[int, ...]
    divisor: int


def averaged(pool: Any, x: TensorType) -> tuple[tuple[Averaged, ...], ...]:
    """Per axis what is averaged at each place: the mean is a product over the axes."""
    window: WindowGeometry = pool.geometry(x)
    after = pool.padding_after(x) if pool.count_padding else (0,) * len(window.input)

    def counted(axis: int, cell: int) -> bool:
        before, behind = (window.before[axis], after[axis]) if pool.count_padding else (0, 0)
        return -before <= cell < window.input[axis] + behind

    def at(axis: int, cells: range) -> Averaged:
        inside = tuple(cell for cell in cells if 0 <= cell < window.input[axis])
        return Averaged(inside, max(1, sum(counted(axis, cell) for cell in cells)))

    return tuple(tuple(at(axis, cells) for cells in cells_under(window, axis)) for axis in range(len(window.input)))


def _mean_maps(pool: Any, x: TensorType) -> tuple[AxisMap, ...]:
    """Per axis the cells under the window at each place, each with its share."""
    return tuple(
        AxisMap(side, tuple(tuple((cell, 1.0 / each.divisor) for cell in each.cells) for each in places))
        for side, places in zip(x.spatial, averaged(pool, x), strict=True)
    )


def cells_under(window: WindowGeometry, axis: int) -> list[range]:
    """The cells that the window meets along an axis at each of its places, those of the padding too."""
    step, length = window.dilation[axis], window.size[axis]
    firsts = (place * window.stride[axis] - window.before[axis] for place in range(window.output[axis]))
    return [range(first, first + length * step, step) for first in firsts]


@kernel("adaptive_avg_pool", storage=HALVES)
def adaptive_avg_pool(request: Request) -> Launch:
    """x (N, cells, C) -> the means of the bins."""
    (x,), (y,) = request.inputs, request.outputs
    return moved(request, "move", x, y, (*_bin_maps(request.attrs.bins(x.type)), None))


@kernel("adaptive_avg_pool.dx", storage=HALVES)
def adaptive_avg_pool_dx(request: Request) -> Launch:
    """dy -> dx, each gradient spread over its bin."""
    (dy,), (dx,) = request.inputs, request.outputs
    maps = (each.transposed() for each in _bin_maps(request.attrs.bins(dx.type)))
    return moved(request, "move", dy, dx, (*maps, None))


def _bin_maps(bins: Any) -> tuple[AxisMap, ...]:
    def rows(axis: int) -> tuple[tuple[tuple[int, float], ...], ...]:
        return tuple(tuple((cell, 1.0 / (end - first)) for cell in range(first, end)) for first, end in bins.bins(axis))

    return tuple(AxisMap(side, rows(axis)) for axis, side in enumerate(bins.input))


@kernel("global_avg_pool", storage=HALVES)
def global_avg_pool(request: Request) -> Launch:
    """x (N, cells, C) -> the mean of all positions, (N, C) or with axes of length 1."""
    (x,), (y,) = request.inputs, request.outputs
    flat = Operand(replace(y.type, shape=(*(1 for _ in x.type.spatial), x.type.channels)), y.address)
    return moved(request, "move", x, flat, (*_whole_maps(x.type), None))


@kernel("global_avg_pool.dx", storage=HALVES)
def global_avg_pool_dx(request: Request) -> Launch:
    """dy (N, C) -> dx (N, cells, C), equal shares."""
    (dy,), (dx,) = request.inputs, request.outputs
    flat = Operand(replace(dy.type, shape=(*(1 for _ in dx.type.spatial), dx.type.channels)), dy.address)
    maps = (each.transposed() for each in _whole_maps(dx.type))
    return moved(request, "move", flat, dx, (*maps, None))


def _whole_maps(x: TensorType) -> tuple[AxisMap, ...]:
    """One place per axis that has an equal share of all cells."""
    return tuple(AxisMap(side, (tuple((cell, 1.0 / side) for cell in range(side)),)) for side in x.spatial)


@kernel("lrn.squares")
def lrn_squares(request: Request) -> Launch:
    """x -> the sum of the squares under the window."""
    (x,), (y,) = request.inputs, request.outputs
    return moved(request, "move_squares", x, y, _window_maps(request.attrs.lrn, x.type, lambda side: (side - 1) // 2))


@kernel("lrn.squares.dx")
def lrn_squares_dx(request: Request) -> Launch:
    """x, ds -> 2x times the sum of ds over the windows that see x, which are those of the window turned around."""
    (x, ds), (dx,) = request.inputs, request.outputs
    maps = _window_maps(request.attrs.lrn, x.type, lambda side: side // 2)
    return moved(request, "move_squares_gradient", ds, dx, maps, x)


def _window_maps(lrn: Any, x: TensorType, before: Callable[[int], int]) -> Maps:
    """Per axis the cells from ``before`` before each place on, as many as the window has."""
    sides = lrn.window(x)
    windows = (*sides, None) if lrn.across == "space" else (*(None for _ in x.spatial), sides[0])

    def made(length: int, side: int | None) -> AxisMap | None:
        if side is None:
            return None
        firsts = (place - before(side) for place in range(length))
        cells = (range(max(first, 0), min(first + side, length)) for first in firsts)
        return AxisMap(length, tuple(tuple((cell, 1.0) for cell in each) for each in cells))

    return [made(length, side) for length, side in zip(x.shape, windows, strict=True)]
