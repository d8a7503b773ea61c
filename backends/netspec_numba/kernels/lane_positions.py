"""Convolutions of one channel with few results per position: the lanes of a vector are positions.

forward  y (N, P, K) = bias (K) + sum over taps  x (N, P')  w (taps, 1, K)

For results of at most half a vector, where a vector of results would mostly hold zeros. The image is copied with zeros
all around, so that no position has to look where it is, and the weights are read where they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit, prange

from netspec.core.types import TensorType
from netspec.core.window import WindowGeometry
from netspec_numba.contract import Call, Calls, Launch, Request, Types, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.costs import TURNED
from netspec_numba.kernels.drivers import ENOUGH_TASKS
from netspec_numba.kernels.finishing import ending
from netspec_numba.kernels.index_tables import positions_read
from netspec_numba.kernels.lane_position_tiles import (
    MOST_COLUMNS,
    POOLED_SPANS,
    SPANS,
    lane_position_tile,
    pooled_position_tile,
)
from netspec_numba.kernels.moves import copy_floats, zero_floats
from netspec_numba.kernels.packing import Int64s
from netspec_numba.kernels.views import output_view, stored_columns
from netspec_numba.kernels.windows import are_squares, forward_gather

PAIRS = LANES // 2
"""Windows of a pooled tile."""


def _spans(geometry: WindowGeometry) -> int:
    """Vectors of positions in an image, in whole tiles."""
    spans = math.prod(geometry.output[:-1]) * -(-geometry.output[-1] // LANES)
    return -(-spans // SPANS) * SPANS


def cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    """Cost of ``conv``."""
    x, y = inputs[0], outputs[0]
    one_channel = x.channels == 1 and x.block is None and attrs.groups == 1
    if not one_channel or y.channels > MOST_COLUMNS or not x.spatial:
        return math.inf
    geometry = attrs.geometry(x)
    if not math.prod(geometry.output) or geometry.stride[-1] != 1:
        return math.inf
    return float(batch * _spans(geometry) * (geometry.taps * y.channels + TURNED))


def padded_window(geometry: WindowGeometry) -> WindowGeometry:
    """The same window over an image that is as large as what it reaches, padding and all."""
    reach = tuple(
        max((output - 1) * stride + (size - 1) * dilation + 1, 1)
        for output, stride, size, dilation in zip(
            geometry.output, geometry.stride, geometry.size, geometry.dilation, strict=True
        )
    )
    return replace(geometry, input=reach, before=(0,) * len(reach))


def scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Workspace of ``conv``: the images with their padding."""
    return {"image": batch * math.prod(padded_window(attrs.geometry(inputs[0])).input) + LANES}


def image_rows(geometry: WindowGeometry) -> Int64s:
    """For every row of the padded image, the row of the image that it holds, or -1."""
    rows = np.zeros(1, np.int64)
    reach = padded_window(geometry).input
    for length, padded, before in zip(geometry.input[:-1], reach[:-1], geometry.before[:-1], strict=True):
        axis = np.arange(padded) - before
        axis = np.where((axis >= 0) & (axis < length), axis, -1)
        both = np.where((rows[:, None] < 0) | (axis < 0), -1, rows[:, None] * length + axis)
        rows = both.ravel()
    return rows


def _span_table(geometry: WindowGeometry, y: TensorType) -> Int64s:
    """The table of spans: runs of up to ``LANES`` positions of a row, whole tiles of them."""
    length = geometry.output[-1]
    first = np.arange(0, length, LANES)
    starts = (np.arange(math.prod(geometry.output[:-1]))[:, None] * length + first).ravel()
    counts = np.tile(np.minimum(length - first, LANES), len(starts) // len(first))
    sources = positions_read(padded_window(geometry))[0, starts]
    table = np.stack([sources, starts * output_view(y).position, counts], axis=1)
    return np.concatenate([table, np.zeros((-len(table) % SPANS, 3), np.int64)])


def pooled_cost(attrs: Any, inputs: Types, outputs: Types, batch: int, kept: bool) -> float:
    """Cost of ``conv.pooled``: a quarter as many vectors are turned."""
    x, y = inputs[0], outputs[0]
    if not math.isfinite(cost(attrs, inputs, outputs, batch, kept)) or not are_squares(attrs.windows(x)):
        return math.inf
    spans = y.positions // y.spatial[-1] * -(-y.spatial[-1] // PAIRS)
    return float(batch * spans * (POOLED_SPANS * attrs.geometry(x).taps * y.channels + TURNED))


def _pooled_span_table(attrs: Any, x: TensorType, y: TensorType) -> Int64s:
    """The table of spans, those of a tile below each other: up to ``PAIRS`` windows."""
    width = y.spatial[-1]
    seen = forward_gather(attrs.windows(x)).source.reshape(y.positions, POOLED_SPANS, 2)[..., 0]
    first = np.arange(0, width, PAIRS)
    places = (np.arange(y.positions // width)[:, None] * width + first).ravel()
    counts = np.tile(np.minimum(width - first, PAIRS), len(places) // len(first))
    sources = positions_read(padded_window(attrs.geometry(x)))[0, seen[places]]
    stored = np.stack([places * output_view(y).position, counts], axis=1)
    both = np.broadcast_to(stored[:, None], (len(places), POOLED_SPANS, 2))
    return np.concatenate([sources[..., None], both], axis=2).reshape(-1, 3)


@kernel("conv", scratch=scratch, cost=cost, algorithm="lane-positions", epilogue=True)
def convolution(request: Request) -> Launch:
    """y = convolution of x with weight, plus bias if there is a third input."""
    spans = _span_table(request.attrs.geometry(request.inputs[0].type), request.outputs[0].type)
    return _launch(request, convolve_positions, spans, SPANS)


@kernel("conv.pooled", scratch=scratch, cost=pooled_cost, algorithm="lane-positions")
def convolution_pooled(request: Request) -> Launch:
    """y = maxima of the convolution of x with weight, plus bias if there is a third input."""
    spans = _pooled_span_table(request.attrs, request.inputs[0].type, request.outputs[0].type)
    return _launch(request, pool_positions, spans, POOLED_SPANS)


def _launch(request: Request, convolve: Any, spans: Int64s, height: int) -> Launch:
    """A launch that copies the images, and computes tiles of ``height`` spans of the table by ``convolve``."""
    x, weight, *bias = request.inputs
    (y,) = request.outputs
    geometry = request.attrs.geometry(x.type)
    window, made = padded_window(geometry), output_view(y.type)
    image = request.scratch["image"]
    rows, row = image_rows(geometry), geometry.input[-1]
    copied = (rows, row, window.input[-1], geometry.before[-1])
    read = positions_read(window)
    distances = np.ascontiguousarray(read[:, 0] - read[0, 0])
    pieces = max(1, min(len(spans) // height, -(-ENOUGH_TASKS // request.batch)))
    biases = (bias[0].array, y.type.channels) if bias else (np.zeros(1, np.float32), 0)
    results = (y.array, made.sample, made.position, y.type.channels, stored_columns(y.type))
    arguments = (image, math.prod(window.input), spans, distances, weight.array, *biases, *results)
    finish = ending(request)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield pad_images, (n, x.array, x.type.stored, image, *copied)
        yield convolve, (n, pieces, *arguments, *finish)

    return launch


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def pad_images(n, x, x_sample, image, rows, row, padded_row, before):
    """x [n, *, row] -> image [n, rows, padded_row]: each row moved right by ``before``, with zeros around it."""
    for number in prange(n):
        sample = np.int64(number)  # prange counts in uint64, which mixes with int64 to float64
        start = image.ctypes.data + 4 * sample * len(rows) * padded_row
        pad_image(x.ctypes.data + 4 * sample * x_sample, start, rows, row, padded_row, before)


@njit(cache=True)
def pad_image(x, image, rows, row, padded_row, before):
    """One sample of :func:`pad_images`; x and image are addresses."""
    copied = max(0, min(row, padded_row - before))
    for place in range(len(rows)):
        target = image + 4 * place * padded_row
        zero_floats(target, padded_row)
        if rows[place] >= 0:
            copy_floats(target + 4 * before, x + 4 * rows[place] * row, copied)


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def convolve_positions(
    n,
    pieces,
    image,
    image_sample,
    spans,
    distances,
    weights,
    bias,
    bias_columns,
    y,
    y_sample,
    y_position,
    columns,
    y_columns,
    residual,
    adds,
    limits,
):
    """y = bias + x*w, and its ending, for the first ``n`` samples: every tile of a table of spans."""
    tiles = len(spans) // SPANS
    for number in prange(n * pieces):
        task = np.int64(number)
        sample, piece = task // pieces, task % pieces
        for tile in range(piece * tiles // pieces, (piece + 1) * tiles // pieces):
            lane_position_tile(
                columns,
                image.ctypes.data + 4 * sample * image_sample,
                spans.ctypes.data + 8 * 3 * SPANS * tile,
                distances.ctypes.data,
                len(distances),
                weights.ctypes.data,
                bias.ctypes.data,
                bias_columns,
                y.ctypes.data + 4 * sample * y_sample,
                4 * y_position,
                y_columns,
                adds,
                residual.ctypes.data - y.ctypes.data,
                limits.ctypes.data,
            )


@njit(cache=True, parallel={"fusion": False}, nogil=True)
def pool_positions(
    n,
    pieces,
    image,
    image_sample,
    spans,
    distances,
    weights,
    bias,
    bias_columns,
    y,
    y_sample,
    y_position,
    columns,
    y_columns,
    residual,
    adds,
    limits,
):
    """y = maxima of bias + x*w, clipped, for the first ``n`` samples: every tile of a table of pooled spans."""
    tiles = len(spans) // POOLED_SPANS
    for number in prange(n * pieces):
        task = np.int64(number)
        sample, piece = task // pieces, task % pieces
        for tile in range(piece * tiles // pieces, (piece + 1) * tiles // pieces):
            pooled_position_tile(
                columns,
                image.ctypes.data + 4 * sample * image_sample,
                spans.ctypes.data + 8 * 3 * POOLED_SPANS * tile,
                distances.ctypes.data,
                len(distances),
                weights.ctypes.data,
                bias.ctypes.data,
                bias_columns,
                y.ctypes.data + 4 * sample * y_sample,
                4 * y_position,
                y_columns,
                adds,
                residual.ctypes.data - y.ctypes.data,
                limits.ctypes.data,
            )
