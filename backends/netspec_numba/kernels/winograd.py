"""Convolutions with a 3x3 window and stride 1 by Winograd's short convolutions (:mod:`winograd_matrices`).

forward          y (N, P, K)   = bias (K) + sum over taps, input channels   x (N, P', C)  w (3, 3, C, K)
data gradient    dx (N, P', C) = sum over taps, output channels             dy (N, P, K)  w (3, 3, C, K) turned
weight gradient  dw (3, 3, C, K) = sum over samples, positions              x (N, P', C)  dy (N, P, K)

Four (or 2.25, with the smaller tiles) times fewer multiplications than by the definition, and larger rounding errors,
which tests hold to the bound that is stated beside the definition of the op.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

import numpy as np

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_numba.contract import Array, Call, Calls, Launch, Prepared, Request, Types, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.costs import FETCH, KEPT_SUM, LAST_CACHE, READ_TILE, TILED, WEIGHT_TILE, WRITE_TILE
from netspec_numba.kernels.drivers import ENOUGH_TASKS
from netspec_numba.kernels.finishing import ending
from netspec_numba.kernels.microkernels import GRADIENT_ROWS, PANEL_VECTORS
from netspec_numba.kernels.moments import cells_size, moments_wanted
from netspec_numba.kernels.packing import Int64s, forward_order, transposed_order
from netspec_numba.kernels.winograd_drivers import (
    BLOCK_TILES,
    PANEL,
    PIECES,
    Image,
    Tiling,
    Weights,
    convolve_tiles,
    panel_start,
    transform_weights,
)
from netspec_numba.kernels.winograd_gradients import (
    RUN_TILES,
    accumulate_parts,
    accumulate_tiles,
    sums_room,
    tiles_room,
    transform_sums,
)
from netspec_numba.kernels.winograd_matrices import TAPS, TRANSFORMS
from netspec_numba.kernels.winograd_tiles import OUTSIDE

FEWEST_BLOCKS = 8
"""Blocks of tiles from which on a worker takes one after the other through everything."""

PASSING_TASKS = 8
"""Products of a block and a panel of weights that nobody keeps, until the next weights are transformed."""

OWN_TILES = 2**17
"""Floats of a block of transformed tiles, x and dy, up to which a worker goes through the blocks on its own."""

TOGETHER = 2**19
"""Floats of transformed tiles that the workers go through together, so that they stay in the third-level cache."""
MOST_STRIPS = 8
"""Strips of channels whose sums of all numbers, with one panel, stay in the second-level cache."""

FEWEST_TOGETHER = 3
"""Blocks of tiles to go through together in any case: the sums are loaded and stored once for all."""


def _fits(attrs: Any, x: TensorType, y: TensorType) -> bool:
    """Whether the convolution from x to y is one that these kernels compute."""
    geometry = attrs.geometry(x)
    window = geometry.size == (TAPS, TAPS) and geometry.stride == geometry.dilation == (1, 1)
    fill_panels = all(each.channels // attrs.groups % PANEL == 0 for each in (x, y))
    return window and (attrs.groups == 1 or fill_panels) and x.block == y.block == LANES


def _tiling(outputs: int, result: TensorType, groups: int = 1) -> Tiling:
    """Tiles of ``outputs`` squared that cover an image."""
    rows, columns = (-(-side // outputs) for side in result.spatial)
    return Tiling(outputs, rows, columns, groups)


def _image(tensor: TensorType) -> Image:
    return Image(tensor.channels, tensor.sample_stride, tensor.positions * tensor.lanes)


def _tables(tiling: Tiling, sides: tuple[int, ...], cells: int, before: tuple[int, ...]) -> Int64s:
    """For every row of tiles, then every column, the distances in bytes of the ``cells`` rows (columns) in reach."""
    found = []
    cell = 4 * LANES
    for tiles, side, margin, step in zip(tiling[1:3], sides, before, (sides[1] * cell, cell), strict=True):
        places = np.arange(tiles)[:, None] * tiling.outputs - margin + np.arange(cells)
        found.append(np.where((places >= 0) & (places < side), places * step, OUTSIDE))
    return np.concatenate(found)


def _blocks(tiling: Tiling, batch: int, together: int = BLOCK_TILES) -> int:
    return -(-batch * tiling.rows * tiling.columns // together)


def _cell(outputs: int, tiles: int = BLOCK_TILES) -> int:
    """Floats of a block of tiles in the transform domain, for one block of channels."""
    return TRANSFORMS[outputs].side ** 2 * tiles * LANES


def _places(tiling: Tiling, sides: tuple[int, ...]) -> Int64s:
    """[tiles of a sample, outputs²], flat: where in a block of channels each number of a tile lies, -1 if outside."""
    rows, columns = (np.arange(tiles * tiling.outputs).reshape(tiles, -1) for tiles in (tiling.rows, tiling.columns))
    rows, columns = rows[:, None, :, None], columns[None, :, None, :]
    return np.where((rows < sides[0]) & (columns < sides[1]), (rows * sides[1] + columns) * LANES, -1).ravel()


def product_scratch(
    outputs: int, x: TensorType, y: TensorType, batch: int, threads: int, moments: bool = False
) -> Mapping[str, int]:
    """Workspace of the forward direction from x to y, and of the data gradient, for which dy is x and dx is y."""
    blocks = _blocks(_tiling(outputs, y), batch)
    held = blocks if _shared(outputs, y, batch) else threads
    return {
        "tiles": held * x.blocks * _cell(outputs),
        "products": threads * (PANEL_VECTORS * _cell(outputs) + LANES),
        "taps": threads * TAPS * TAPS * LANES * PANEL,
        **({"cells": cells_size(PIECES * blocks, y)} if moments else {}),
    }


def _shared(outputs: int, y: TensorType, batch: int) -> bool:
    """Whether blocks of tiles are so few that threads share them, rather than take one each through everything."""
    return _blocks(_tiling(outputs, y), batch) < FEWEST_BLOCKS


def weights_size(outputs: int, x: TensorType, y: TensorType, groups: int) -> int:
    """Floats of the transformed weights."""
    return int(panel_start(outputs, x.channels // groups, -(-y.channels // PANEL)))


def _panels_at_once(outputs: int, y: TensorType, batch: int) -> int:
    """Panels of weights that are transformed at once where nobody keeps them: few, so that they stay in a cache."""
    panels = -(-y.channels // PANEL)
    if not _shared(outputs, y, batch):
        return panels
    return min(panels, -(-PASSING_TASKS // _blocks(_tiling(outputs, y), batch)))


def passing_size(outputs: int, x: TensorType, y: TensorType, groups: int, batch: int) -> int:
    """Floats of transformed weights that nobody keeps."""
    return int(panel_start(outputs, x.channels // groups, _panels_at_once(outputs, y, batch)))


def convolve(request: Request, outputs: int, geometry: WindowGeometry, turned: bool) -> Launch:
    """y from x with the weights as they are; with ``turned`` dx from dy, which take the places of y and x."""
    x, weight, *bias = request.inputs
    y, scratch, workers = request.outputs[0], request.scratch, request.threads
    groups = request.attrs.groups
    tiling = _tiling(outputs, y.type, groups)
    before = tuple(TAPS - 1 - side if turned else side for side in geometry.before)
    zeros = np.zeros(LANES, np.float32)
    x_image, y_image = _image(x.type), _image(y.type)
    panels, kept = -(-y.type.channels // PANEL), "weights" in scratch
    u = scratch["weights" if kept else "passing"]
    at_once = panels if kept else _panels_at_once(outputs, y.type, request.batch)
    if turned:
        order = transposed_order(TAPS * TAPS, y.type.channels, x.type.channels, LANES, groups)
    else:
        order = forward_order(TAPS * TAPS, x.type.channels, LANES, y.type.channels, groups)
    steps = (order.tap_stride, order.group_stride, order.channel_stride, order.column_stride)
    lying = Weights(order.group_channels, order.columns, order.group_columns, *steps, int(turned))
    weights = (weight.array, lying, scratch["taps"], u)
    inputs = (x.array, x_image, _tables(tiling, x.type.spatial, TRANSFORMS[outputs].side, before), zeros, u)
    biases = (bias[0].array, y.type.channels) if bias else (zeros, 0)
    results = (y.array, y_image, _tables(tiling, y.type.spatial, outputs, (0, 0)))
    spaces = (scratch["tiles"], scratch["products"])
    shared = _shared(outputs, y.type, request.batch)
    finish = (*ending(request), _places(tiling, y.type.spatial), *moments_wanted(request))

    def transforming(first: int, end: int) -> Call:
        return transform_weights, (workers, outputs, first, end, *weights)

    def convolving(n: int, first: int, end: int) -> Call:
        return convolve_tiles, (n, workers, shared, first, end, tiling, *inputs, *biases, *results, *spaces, *finish)

    @Calls
    def prepare(n: int) -> Iterator[Call]:
        yield transforming(0, panels)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield convolving(n, 0, panels)

    @Calls
    def pass_through(n: int) -> Iterator[Call]:
        for first in range(0, panels, at_once):
            end = min(first + at_once, panels)
            yield transforming(first, end)
            yield convolving(n, first, end)

    return Prepared(prepare, launch) if kept else pass_through


def _parts(outputs: int, x: TensorType, dy: TensorType, batch: int) -> int | None:
    """Parts of the batch with sums of their own; ``None`` where all workers go through the tiles together."""
    blocks = _blocks(_tiling(outputs, dy), batch, RUN_TILES)
    alone = (x.blocks + dy.blocks) * _cell(outputs, RUN_TILES) <= OWN_TILES and blocks >= ENOUGH_TASKS
    return ENOUGH_TASKS if alone else None


def _together(outputs: int, x: TensorType, dy: TensorType, batch: int) -> int:
    """Blocks of tiles that a weight gradient transforms before it multiplies them."""
    blocks = _blocks(_tiling(outputs, dy), batch, RUN_TILES)
    most = max(FEWEST_TOGETHER, TOGETHER // ((x.blocks + dy.blocks) * _cell(outputs, RUN_TILES)))
    return -(-blocks // -(-blocks // most))


def _strips(groups: int, x: TensorType, dy: TensorType) -> int:
    """Strips of channels that a task of the weight gradient sums up: as many as leave enough tasks."""
    strips = -(-x.channels // groups // LANES) * LANES // GRADIENT_ROWS
    return max(1, min(MOST_STRIPS, strips * -(-dy.channels // PANEL) // ENOUGH_TASKS))


def gradient_scratch(
    outputs: int, groups: int, x: TensorType, dy: TensorType, batch: int, threads: int
) -> Mapping[str, int]:
    """Workspace of the weight gradient."""
    parts, together = _parts(outputs, x, dy, batch), _together(outputs, x, dy, batch)
    tiling = _tiling(outputs, dy)
    room = tiles_room(batch * tiling.rows * tiling.columns, together)
    held = threads * _cell(outputs, RUN_TILES) if parts else TRANSFORMS[outputs].side ** 2 * LANES * room
    group_blocks = -(-x.channels // groups // LANES)
    if parts:
        sums = TRANSFORMS[outputs].side ** 2 * group_blocks * dy.blocks * LANES * LANES * parts
    else:
        strips = _strips(groups, x, dy)
        tasks = -(-group_blocks * LANES // (strips * GRADIENT_ROWS)) * -(-dy.channels // PANEL)
        one_pass = together == _blocks(tiling, batch, RUN_TILES)
        sums = sums_room(outputs, strips)
        sums *= threads if one_pass else max(threads, tasks)
    return {"tiles": held * x.blocks, "gradients": held * dy.blocks, "sums": sums}


def accumulate(request: Request, outputs: int, geometry: WindowGeometry) -> Launch:
    """dw from x and dy."""
    x, dy = request.inputs
    (dw,) = request.outputs
    groups = request.attrs.groups
    tiling = _tiling(outputs, dy.type, groups)
    parts, workers = _parts(outputs, x.type, dy.type, request.batch), request.threads
    together, strips = _together(outputs, x.type, dy.type, request.batch), _strips(groups, x.type, dy.type)
    zeros = np.zeros(LANES, np.float32)
    inputs = (x.array, _image(x.type), _tables(tiling, x.type.spatial, TRANSFORMS[outputs].side, geometry.before))
    gradients = (dy.array, _image(dy.type), _tables(tiling, dy.type.spatial, outputs, (0, 0)), zeros)
    du: Array = request.scratch["sums"]
    spaces = (request.scratch["tiles"], request.scratch["gradients"], du)
    channels, columns = x.type.channels // groups, dy.type.channels

    @Calls
    def launch(n: int) -> Iterator[Call]:
        if parts:
            yield accumulate_parts, (n, workers, parts, tiling, *inputs, *gradients, *spaces)
            yield transform_sums, (outputs, du, channels, columns, dw.array)
        else:
            yield accumulate_tiles, (n, workers, together, strips, tiling, *inputs, *gradients, *spaces, dw.array)

    return launch


def _product_cost(outputs: int, groups: int, x: TensorType, y: TensorType, batch: int, kept: bool) -> float:
    numbers, tiling = TRANSFORMS[outputs].side ** 2, _tiling(outputs, y)
    tiles = batch * tiling.rows * tiling.columns
    weights = numbers * x.channels // groups * y.blocks
    transforms = tiles * numbers * (x.blocks * READ_TILE + y.blocks * WRITE_TILE)
    return max(TILED * tiles * weights, FETCH * weights) + transforms + (0.0 if kept else WEIGHT_TILE * weights)


def _gradient_cost(outputs: int, groups: int, x: TensorType, dy: TensorType, batch: int) -> float:
    numbers, tiling = TRANSFORMS[outputs].side ** 2, _tiling(outputs, dy)
    tiles = batch * tiling.rows * tiling.columns
    sums = numbers * x.channels // groups * dy.blocks
    passes = _parts(outputs, x, dy, batch) or -(-_blocks(tiling, batch, RUN_TILES) // _together(outputs, x, dy, batch))
    keeping = KEPT_SUM if passes == 1 or sums * LANES <= LAST_CACHE else 2 * FETCH
    transforms = tiles * numbers * (x.blocks + dy.blocks) * READ_TILE
    return TILED * tiles * sums + transforms + passes * keeping * sums


def _register(outputs: int) -> None:
    """Register the kernels of one size of tiles."""
    name = f"winograd-{outputs}"

    def sizes(attrs: Any, inputs: Types, made: Types, batch: int, threads: int) -> Mapping[str, int]:
        return product_scratch(outputs, inputs[0], made[0], batch, threads, moments=len(made) > 1)

    def weights(attrs: Any, inputs: Types, made: Types, batch: int, threads: int) -> Mapping[str, int]:
        return {"weights": weights_size(outputs, inputs[0], made[0], attrs.groups)}

    def passing(attrs: Any, inputs: Types, made: Types, batch: int, threads: int) -> Mapping[str, int]:
        return {"passing": passing_size(outputs, inputs[0], made[0], attrs.groups, batch)}

    def forward_cost(attrs: Any, inputs: Types, made: Types, batch: int, kept: bool) -> float:
        x, y = inputs[0], made[0]
        return _product_cost(outputs, attrs.groups, x, y, batch, kept) if _fits(attrs, x, y) else inf

    def backward_cost(attrs: Any, inputs: Types, made: Types, batch: int, kept: bool) -> float:
        dy, dx = inputs[0], made[0]
        return _product_cost(outputs, attrs.groups, dy, dx, batch, kept) if _fits(attrs, dx, dy) else inf

    def sums_cost(attrs: Any, inputs: Types, made: Types, batch: int, kept: bool) -> float:
        x, dy = inputs
        return _gradient_cost(outputs, attrs.groups, x, dy, batch) if _fits(attrs, x, dy) else inf

    def sums_sizes(attrs: Any, inputs: Types, made: Types, batch: int, threads: int) -> Mapping[str, int]:
        x, dy = inputs
        return gradient_scratch(outputs, attrs.groups, x, dy, batch, threads)

    @kernel(
        "conv",
        scratch=sizes,
        prepared=weights,
        passing=passing,
        cost=forward_cost,
        algorithm=name,
        exact=False,
        epilogue=True,
        slices=True,
    )
    def convolution(request: Request) -> Launch:
        return convolve(request, outputs, request.attrs.geometry(request.inputs[0].type), turned=False)

    @kernel(
        "conv.dx",
        scratch=sizes,
        prepared=weights,
        passing=passing,
        cost=backward_cost,
        algorithm=name,
        exact=False,
        slices=True,
    )
    def data_gradient(request: Request) -> Launch:
        return convolve(request, outputs, request.attrs.geometry(request.outputs[0].type), turned=True)

    @kernel("conv.dw", scratch=sums_sizes, cost=sums_cost, algorithm=name, exact=False, slices=True)
    def weight_gradient(request: Request) -> Launch:
        return accumulate(request, outputs, request.attrs.geometry(request.inputs[0].type))


for _outputs in TRANSFORMS:
    _register(_outputs)
