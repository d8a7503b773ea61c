"""Locally connected layers: at every place a small matrix product of its own, whose rows are the samples.

forward          y (N, P, K)            = bias (P, K) + sum over taps, channels   x (N, P', C)  w (P, taps, C/groups, K)
data gradient    dx (N, P', C)          = sum over places and taps that read P'   dy (N, P, K)  w (P, taps, C/groups, K)
weight gradient  dw (P, taps, C/groups, K) = sum over samples                     x (N, P', C)  dy (N, P, K)

P' is the position that place P reads through a tap. Every weight is used once for each sample, so the forward
direction and the weight gradient touch the weights where they are; only the data gradient wants them turned, the
output channels in front. Activations are read and written plain: copies in between are small beside the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_numba.contract import NOTHING, Array, Call, Calls, Launch, Operand, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.copying import copy_channels
from netspec_numba.kernels.drivers import ENOUGH_TASKS, ceil_divide
from netspec_numba.kernels.finishing import UNLIMITED
from netspec_numba.kernels.index_tables import Int32s, as_offsets, positions_read
from netspec_numba.kernels.microkernels import GRADIENT_ROWS, PANEL_VECTORS, TILE_ROWS, forward_tile, gradient_tile
from netspec_numba.kernels.moves import copy_floats, zero_floats
from netspec_numba.kernels.packing import Int64s, column_panels, transpose_floats

Types = tuple[TensorType, ...]

TILE_FLOATS = GRADIENT_ROWS * PANEL_VECTORS * LANES
"""Sums of one gradient tile."""

SAMPLES_AT_ONCE = 64
"""Samples that one table of offsets covers."""

COLUMN, VECTORS, FIRST_CHANNEL, END_CHANNEL, COLUMNS = range(5)
"""Columns of a panel table: output channels of one group, and the input channels of the group."""


def _copied(tensor: TensorType, batch: int) -> int:
    """Floats of workspace for a plain copy, with a vector behind it, since rows are read in whole vectors."""
    return 0 if tensor.block is None else batch * tensor.elements + LANES


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    return {"input": _copied(inputs[0], batch), "output": _copied(outputs[0], batch)}


def _scratch_dx(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    dy, weight = inputs
    turned = weight.elements + PANEL_VECTORS * LANES
    return {"input": _copied(dy, batch), "output": _copied(outputs[0], batch), "weights": turned}


def _scratch_dw(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    x, dy = inputs
    return {"input": _copied(x, batch), "gradient": _copied(dy, batch), "tiles": ENOUGH_TASKS * TILE_FLOATS}


@kernel("locally_connected", scratch=_scratch)
def locally_connected(request: Request) -> Launch:
    """y = bias + at each place its own matrix times what the window sees."""
    x, weight, *bias = request.inputs
    (y,) = request.outputs
    joined = _forward_places(request.attrs.geometry(x.type), x.type)
    numbers = bias[0].array if bias else None
    return _product(request, x, y, joined, request.attrs.groups, weight.array, numbers)


@kernel("locally_connected.dx", scratch=_scratch_dx)
def data_gradient(request: Request) -> Launch:
    """dx = at each position, the turned matrices of the places that read it times their dy."""
    dy, weight = request.inputs
    (dx,) = request.outputs
    groups, geometry = request.attrs.layer.groups, request.attrs.layer.geometry(dx.type)
    joined, pairs = _backward_places(geometry, dy.type)
    turned = request.scratch["weights"]
    multiply = _product(request, dy, dx, joined, groups, turned, None)
    sizes = groups, dx.type.channels // groups, dy.type.channels // groups

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield turn_weights, (weight.array, turned, pairs, *sizes)
        yield multiply, (n,)

    return launch


@kernel("locally_connected.dw", scratch=_scratch_dw)
def weight_gradient(request: Request) -> Launch:
    """dw = at each place and tap the sum over samples of x times dy; zero where the tap meets padding."""
    x, dy = request.inputs
    (dw,) = request.outputs
    layer = request.attrs.layer
    read, prepare = _plain_input(request, x, "input")
    gradient, prepare_gradient = _plain_input(request, dy, "gradient")
    cells = as_offsets(positions_read(layer.geometry(x.type)).T)
    samples = np.arange(min(request.batch, SAMPLES_AT_ONCE))[:, None]
    offsets = as_offsets(samples * np.array([x.type.elements, dy.type.elements]))
    panels = _panels(x.type.channels, dy.type.channels, layer.groups)
    sizes = x.type.elements, dy.type.elements, x.type.channels, dy.type.channels, x.type.channels // layer.groups
    tables = cells.ravel(), cells.shape[1], offsets.ravel(), len(offsets), panels

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield prepare, (n,)
        yield prepare_gradient, (n,)
        yield multiply_samples, (n, read, gradient, dw.array, request.scratch["tiles"], *sizes, *tables)

    return launch


@dataclass(frozen=True, slots=True)
class _Places:
    """For each place of a result the positions it is made from, ``starts[i]`` to ``starts[i + 1]``.

    Entry ``e`` reads position ``positions[e]`` and the matrix number ``matrices[i] + taps[e]``.
    """

    starts: Int32s
    positions: Int64s
    taps: Int32s
    matrices: Int64s


def _forward_places(geometry: WindowGeometry, x: TensorType) -> _Places:
    """Output positions, and through each tap the input position that it meets."""
    read = positions_read(geometry).T  # [places, taps]
    place, tap = np.nonzero(read >= 0)
    matrices = np.arange(len(read), dtype=np.int64) * geometry.taps
    return _Places(_starts(place, len(read)), read[place, tap], as_offsets(tap), matrices)


def _backward_places(geometry: WindowGeometry, dy: TensorType) -> tuple[_Places, Int32s]:
    """Input positions with the output positions that read them, and in that order the matrices' numbers."""
    read = positions_read(geometry).T
    place, tap = np.nonzero(read >= 0)
    target = read[place, tap]
    order = np.argsort(target, kind="stable")
    positions = int(np.prod(geometry.input))
    starts = _starts(target, positions)
    within = np.arange(len(order)) - starts[target[order]]
    joined = _Places(starts, place[order].astype(np.int64), as_offsets(within), starts[:-1].astype(np.int64))
    return joined, as_offsets((place * geometry.taps + tap)[order])


def _starts(rows: Int64s, count: int) -> Int32s:
    return as_offsets(np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))]))


def _panels(channels: int, columns: int, groups: int) -> Int64s:
    """Panel table: the output channels of each group in one or two vectors."""
    ours, theirs = channels // groups, columns // groups
    rows = [
        (group * theirs + first, vectors, group * ours, (group + 1) * ours, theirs - first)
        for group in range(groups)
        for first, vectors in column_panels(theirs)
    ]
    return np.array(rows, np.int64)


def _plain_input(request: Request, operand: Operand, name: str) -> tuple[Array, Launch]:
    """The operand's numbers in the plain layout, and what brings them there."""
    if operand.type.block is None:
        return operand.array, NOTHING
    plain = Operand(operand.type.plain(), request.scratch[name])
    return plain.array, copy_channels(operand, 0, plain, 0, operand.type.channels, request.batch)


def _plain_output(request: Request, operand: Operand) -> tuple[Array, Launch]:
    """Where the plain numbers go, and what brings them from there into the operand."""
    if operand.type.block is None:
        return operand.array, NOTHING
    plain = Operand(operand.type.plain(), request.scratch["output"])
    return plain.array, copy_channels(plain, 0, operand, 0, operand.type.channels, request.batch)


def _product(
    request: Request, x: Operand, y: Operand, places: _Places, groups: int, weights: Array, bias: Array | None
) -> Launch:
    """y = bias + x times the matrices of each place; a matrix has the channels of x in a group, and all those of y."""
    channels, columns = x.type.channels, y.type.channels
    read, prepare = _plain_input(request, x, "input")
    written, finish = _plain_output(request, y)
    rows = np.arange(TILE_ROWS)
    sources = as_offsets(rows[None, :] * x.type.elements + places.positions[:, None] * channels)
    destinations = as_offsets(rows * y.type.elements)
    zeros = np.zeros(max(channels, PANEL_VECTORS * LANES), np.float32)
    operands = (read, x.type.elements, channels, weights, zeros if bias is None else bias, bias is not None)
    results = (written, y.type.elements, columns, zeros)
    tables = (places.starts, places.taps, sources.ravel(), destinations, places.matrices * (channels // groups))
    panels = _panels(channels, columns, groups)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield prepare, (n,)
        yield multiply_places, (n, *operands, *results, *tables, panels, UNLIMITED)
        yield finish, (n,)

    return launch


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def multiply_places(
    n,
    x,
    x_sample,
    channels,
    weights,
    bias,
    has_bias,
    y,
    y_sample,
    columns,
    zeros,
    starts,
    taps,
    sources,
    destinations,
    rows,
    panels,
    limits,
):
    """y (n, places, columns) = bias (places, columns) + x (n, positions, channels) times the matrices of each place.

    ``rows`` [places] is the first row of a place's matrices in ``weights`` [rows, columns].
    """
    for number in prange((len(starts) - 1) * len(panels)):
        task = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        place, panel = task // len(panels), panels[task % len(panels)]
        cell = place * columns + panel[COLUMN]
        for first in range(0, n, TILE_ROWS):
            live = min(TILE_ROWS, n - first)
            forward_tile(
                panel[VECTORS],
                x.ctypes.data + 4 * first * x_sample,
                live * x_sample,
                zeros.ctypes.data,
                sources.ctypes.data + 4 * TILE_ROWS * starts[place],
                taps.ctypes.data + 4 * starts[place],
                np.int64(starts[place + 1] - starts[place]),
                panel[FIRST_CHANNEL],
                panel[END_CHANNEL],
                channels,
                0,
                weights.ctypes.data + 4 * (rows[place] * columns + panel[COLUMN]),
                0,
                4 * columns,
                bias.ctypes.data + 4 * (cell if has_bias else 0),
                panel[COLUMNS] if has_bias else 0,
                y.ctypes.data + 4 * (first * y_sample + cell),
                live * y_sample,
                destinations.ctypes.data,
                panel[COLUMNS],
                4 * LANES,
                0,
                0,
                limits.ctypes.data,
            )


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def turn_weights(weight, turned, matrices, groups, group_channels, group_columns):
    """turned [i, column, group, channel] = weight [matrices[i], channel, group, column]; both within the group."""
    channels, columns = groups * group_channels, groups * group_columns
    size = group_channels * columns
    for number in prange(len(matrices)):
        task = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        for group in range(groups):
            target, source = task * size + group * group_channels, matrices[task] * size + group * group_columns
            transpose_floats(turned, target, channels, weight, source, columns, group_columns, group_channels)


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def multiply_samples(
    n,
    x,
    dy,
    dw,
    tiles,
    x_sample,
    dy_sample,
    channels,
    columns,
    group_channels,
    cells,
    taps,
    offsets,
    samples,
    panels,
):
    """dw [places, taps, group_channels, columns] = sum over n samples of x (positions, channels) dy (places, columns).

    ``cells`` [places, taps] is the position that a place reads through a tap, or -1.
    """
    for number in prange(ENOUGH_TASKS):
        task = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        tile = tiles.ctypes.data + 4 * task * TILE_FLOATS
        for matrix in range(task * len(cells) // ENOUGH_TASKS, (task + 1) * len(cells) // ENOUGH_TASKS):
            result = dw.ctypes.data + 4 * matrix * group_channels * columns
            if cells[matrix] < 0:
                zero_floats(result, group_channels * columns)
                continue
            for panel in panels:
                width = panel[VECTORS] * LANES
                for row in range(0, group_channels, GRADIENT_ROWS):
                    zero_floats(tile, TILE_FLOATS)
                    for cover in range(ceil_divide(n, samples)):
                        first = cover * samples
                        cell = first * x_sample + cells[matrix] * channels + panel[FIRST_CHANNEL] + row
                        place = first * dy_sample + matrix // taps * columns + panel[COLUMN]
                        gradient_tile(
                            group_channels - row,
                            panel[VECTORS],
                            x.ctypes.data + 4 * cell,
                            dy.ctypes.data + 4 * place,
                            offsets.ctypes.data,
                            min(samples, n - first),
                            4 * LANES,
                            tile,
                            0,
                        )
                    for line in range(min(GRADIENT_ROWS, group_channels - row)):
                        target = result + 4 * ((row + line) * columns + panel[COLUMN])
                        copy_floats(target, tile + 4 * line * width, min(width, panel[COLUMNS]))
