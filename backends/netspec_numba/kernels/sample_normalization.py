"""Normalisation within each sample by groups of channels; that of each position has kernels of its own.

Sums are gathered per channel over parts of one sample's positions, as in batch normalisation, and only then joined over
the channels of a group, so that a group may begin and end anywhere in a vector.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Operand, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.lanes import as_double, as_single, load_lanes, prefetch, spread, store_first, store_lanes
from netspec_numba.kernels.loops import AHEAD, Walk, padded, parallel, parts, rows_in, same_layout, span, walk
from netspec_numba.kernels.position_normalization import position_gradient, position_norm

Types = tuple[TensorType, ...]


class Affine(NamedTuple):
    """A parameter as rows of vectors: the number of channel c at a position is at ``position*step + c``."""

    array: Array
    step: int


def affine(given: Operand | None, tensor: TensorType, otherwise: float) -> Affine:
    """The parameter given, per channel or per number of the tensor; one number for all where it is not learned."""
    if given is None:
        return Affine(np.full(tensor.channels + LANES, otherwise, np.float32), 0)
    return Affine(given.array, tensor.channels if given.type.shape == tensor.shape and tensor.spatial else 0)


def sample_walk(tensor: TensorType) -> Walk:
    """The walk in which every part lies within one sample."""
    return walk(tensor)._replace(samples_per_part=1)


def _scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """Two float64 sums for each lane of each part, and three coefficients for each channel of each sample."""
    if attrs.by_position:
        return {}
    over = sample_walk(inputs[0])
    return {"sums": 4 * parts(over, batch) * padded(over), "coefficients": 3 * batch * padded(over)}


def _gradient_scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """The same; and a mean for each channel of each sample."""
    if attrs.norm.by_position:
        over = walk(inputs[0])
        return {"sums": 4 * parts(over, batch) * padded(over)}
    return {"means": batch * padded(sample_walk(inputs[0])), **_scratch(attrs.norm, inputs, outputs, batch, threads)}


@kernel("sample_norm", scratch=_scratch)
def sample_norm(request: Request) -> Launch:
    """(x[, scale][, shift]) -> (y, mean, variance, both (N, statistics)); y may be x."""
    attrs, (x, *given), (y, mean, variance) = request.attrs, request.inputs, request.outputs
    same_layout(x.type, y.type)
    scale = affine(given.pop(0) if attrs.scale else None, x.type, 1.0)
    shift = affine(given.pop(0) if attrs.center else None, x.type, 0.0)
    if attrs.by_position:
        return position_norm(float(attrs.eps), x, scale.array, shift.array, y, mean, variance)
    over, eps, groups = sample_walk(x.type), float(attrs.eps), int(attrs.groups)
    sums, coefficients = request.scratch["sums"].view(np.float64), request.scratch["coefficients"]

    @Calls
    def launch(n: int) -> Iterator[Call]:
        count = parts(over, n)
        yield gather_moments, (n, count, over, x.array, sums)
        yield join_groups, (n, groups, over, sums, eps, mean.array, variance.array, coefficients)
        yield normalise_groups, (n, count, over, x.array, *scale, *shift, coefficients, y.array)

    return launch


@kernel("sample_norm.dx", scratch=_gradient_scratch)
def sample_norm_dx(request: Request) -> Launch:
    """(x, mean, variance, dy[, scale]) -> (dx[, dscale][, dshift]); dx may be x or dy."""
    norm, (x, mean, variance, dy, *given) = request.attrs.norm, request.inputs
    dx, *wanted = request.outputs
    same_layout(x.type, dy.type, dx.type)
    scale = affine(given.pop(0) if norm.scale else None, x.type, 1.0)
    unused = np.empty(x.type.elements if norm.whole else x.type.channels, np.float32)
    dscale = wanted.pop(0).array if norm.scale else unused
    dshift = wanted.pop(0).array if norm.center else unused.copy()
    sums = request.scratch["sums"].view(np.float64)
    if norm.by_position:
        return position_gradient(float(norm.eps), x, mean, variance, dy, scale.array, dx, dscale, dshift, sums)
    over, eps, groups = sample_walk(x.type), float(norm.eps), int(norm.groups)
    means, coefficients = request.scratch["means"], request.scratch["coefficients"]
    ones = affine(None, x.type, 1.0)
    # A factor per channel can wait until sums are joined; one per number cannot.
    inside, outside = (scale, ones) if norm.whole else (ones, scale)

    @Calls
    def launch(n: int) -> Iterator[Call]:
        count = parts(over, n)
        yield spread_means, (n, groups, over, mean.array, means)
        yield gather_group_slopes, (n, count, over, x.array, dy.array, means, *inside, sums)
        yield join_group_slopes, (n, groups, over, sums, eps, outside.array, variance.array, coefficients)
        if norm.whole:
            yield number_gradients, (n, over, x.array, dy.array, means, coefficients, dscale, dshift)
        else:
            yield channel_gradients, (n, over, sums, coefficients, dscale, dshift)
        yield group_input_gradient, (n, count, over, x.array, dy.array, means, *scale, coefficients, dx.array)

    return launch


@parallel
def gather_moments(n: int, parts: int, over: Walk, x: Array, sums: Array) -> None:
    """sums (parts, blocks, 2, LANES): mean and sum of squared deviations of the rows of each part."""
    blocks = over.blocks
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(parts * blocks):
        block, part = task % blocks, task // blocks
        first_sample, end_sample, first, end = span(over, n, part)
        total = spread(0.0)
        for sample in range(first_sample, end_sample):
            plane = sample * sample_stride + block * block_stride
            for position in range(first, end):
                prefetch(x, plane + position * row_stride + AHEAD)
                total = total + as_double(load_lanes(x, plane + position * row_stride))
        mean = total / spread(np.float64(rows_in(over, n, part)))
        squares = spread(0.0)
        for sample in range(first_sample, end_sample):
            plane = sample * sample_stride + block * block_stride
            for position in range(first, end):
                deviation = as_double(load_lanes(x, plane + position * row_stride)) - mean
                squares = squares + deviation * deviation
        store_lanes(sums, task * 2 * LANES, mean)
        store_lanes(sums, task * 2 * LANES + LANES, squares)


@parallel
def join_groups(
    n: int, groups: int, over: Walk, sums: Array, eps: float, mean: Array, variance: Array, coefficients: Array
) -> None:
    """mean, variance (n, groups) from sums (parts, blocks, 2, LANES), by the formula of Chan, Golub and LeVeque.

    coefficients (n, 3, blocks*LANES): mean, 1/deviation, and what rounding took from the mean, normalised.
    """
    width, lanes_of_all = over.channels // groups, over.blocks * LANES
    for task in prange(n * groups):
        sample, first = task // groups, task % groups * width
        rows, centre, squares = 0.0, 0.0, 0.0
        for channel in range(first, first + width):
            for part in range(sample * over.parts_per_sample, (sample + 1) * over.parts_per_sample):
                at = (part * over.blocks + channel // LANES) * 2 * LANES + channel % LANES
                more = np.float64(rows_in(over, n, part))
                distance, weight = sums[at] - centre, more / (rows + more)
                centre += distance * weight
                squares += sums[at + LANES] + distance * distance * rows * weight
                rows += more
        mean[task], variance[task] = centre, squares / rows
        inverse = 1.0 / math.sqrt(squares / rows + eps)
        rounded = np.float32(centre)
        for channel in range(first, first + width):
            at = sample * 3 * lanes_of_all + channel
            coefficients[at] = rounded
            coefficients[at + lanes_of_all] = inverse
            coefficients[at + 2 * lanes_of_all] = (np.float64(rounded) - centre) * inverse


@parallel
def normalise_groups(
    n: int,
    parts: int,
    over: Walk,
    x: Array,
    scale: Array,
    scale_step: int,
    shift: Array,
    shift_step: int,
    coefficients: Array,
    y: Array,
) -> None:
    """y = ((x - mean) / deviation) * scale + shift, the coefficients as ``join_groups`` leaves them."""
    blocks, writable = over.blocks, over.writable
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(parts * blocks):
        at = task % blocks * LANES
        sample, _, first, end = span(over, n, task // blocks)
        own = sample * 3 * blocks * LANES + at
        centre, inverse = load_lanes(coefficients, own), load_lanes(coefficients, own + blocks * LANES)
        offset = load_lanes(coefficients, own + 2 * blocks * LANES)
        plane = sample * sample_stride + task % blocks * block_stride
        for position in range(first, end):
            normal = (load_lanes(x, plane + position * row_stride) - centre) * inverse + offset
            moved = normal * load_lanes(scale, position * scale_step + at)
            moved = moved + load_lanes(shift, position * shift_step + at)
            store_first(y, plane + position * row_stride, moved, writable - at)


@parallel
def spread_means(n: int, groups: int, over: Walk, mean: Array, means: Array) -> None:
    """mean (n, groups) -> means (n, blocks*LANES), one for each channel."""
    width = over.channels // groups
    for sample in prange(n):
        for channel in range(over.channels):
            means[sample * over.blocks * LANES + channel] = mean[sample * groups + channel // width]


@parallel
def gather_group_slopes(
    n: int, parts: int, over: Walk, x: Array, dy: Array, means: Array, scale: Array, scale_step: int, sums: Array
) -> None:
    """sums (parts, blocks, 2, LANES): sums of g = dy * scale and of g * (x - mean) over the rows of each part."""
    blocks = over.blocks
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(parts * blocks):
        at = task % blocks * LANES
        sample, _, first, end = span(over, n, task // blocks)
        centre = as_double(load_lanes(means, sample * blocks * LANES + at))
        slopes, along = spread(0.0), spread(0.0)
        plane = sample * sample_stride + task % blocks * block_stride
        for position in range(first, end):
            slope = as_double(load_lanes(dy, plane + position * row_stride))
            slope = slope * as_double(load_lanes(scale, position * scale_step + at))
            slopes = slopes + slope
            along = along + slope * (as_double(load_lanes(x, plane + position * row_stride)) - centre)
        store_lanes(sums, task * 2 * LANES, slopes)
        store_lanes(sums, task * 2 * LANES + LANES, along)


@parallel
def join_group_slopes(
    n: int, groups: int, over: Walk, sums: Array, eps: float, scale: Array, variance: Array, coefficients: Array
) -> None:
    """coefficients (n, 3, blocks*LANES) of dx: of dy * scale, of x - mean, and the constant; scale (C,)."""
    width, lanes_of_all = over.channels // groups, over.blocks * LANES
    for task in prange(n * groups):
        sample, first = task // groups, task % groups * width
        slope, along = 0.0, 0.0
        for channel in range(first, first + width):
            for part in range(sample * over.parts_per_sample, (sample + 1) * over.parts_per_sample):
                at = (part * over.blocks + channel // LANES) * 2 * LANES + channel % LANES
                slope += sums[at] * scale[channel]
                along += sums[at + LANES] * scale[channel]
        inverse, count = 1.0 / math.sqrt(variance[task] + eps), np.float64(over.positions * width)
        for channel in range(first, first + width):
            at = sample * 3 * lanes_of_all + channel
            coefficients[at] = inverse
            coefficients[at + lanes_of_all] = -inverse * inverse * inverse * along / count
            coefficients[at + 2 * lanes_of_all] = -inverse * slope / count


@parallel
def group_input_gradient(
    n: int,
    parts: int,
    over: Walk,
    x: Array,
    dy: Array,
    means: Array,
    scale: Array,
    scale_step: int,
    coefficients: Array,
    dx: Array,
) -> None:
    """dx = (g - mean of g - normalised x * mean of g * normalised x) / deviation, with g = dy * scale."""
    blocks, writable = over.blocks, over.writable
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(parts * blocks):
        at = task % blocks * LANES
        sample, _, first, end = span(over, n, task // blocks)
        centre, own = load_lanes(means, sample * blocks * LANES + at), sample * 3 * blocks * LANES + at
        inverse, along = load_lanes(coefficients, own), load_lanes(coefficients, own + blocks * LANES)
        constant = load_lanes(coefficients, own + 2 * blocks * LANES)
        plane = sample * sample_stride + task % blocks * block_stride
        for position in range(first, end):
            row = plane + position * row_stride
            slope = load_lanes(dy, row) * load_lanes(scale, position * scale_step + at)
            centred = along * (load_lanes(x, row) - centre) + constant
            store_first(dx, row, inverse * slope + centred, writable - at)


@parallel
def channel_gradients(n: int, over: Walk, sums: Array, coefficients: Array, dscale: Array, dshift: Array) -> None:
    """dscale, dshift (C,) from sums of dy and dy * (x - mean), the parts in order."""
    blocks, pieces = over.blocks, over.parts_per_sample
    for block in prange(blocks):
        at = block * LANES
        slopes, along = spread(0.0), spread(0.0)
        for part in range(n * pieces):
            inverse = as_double(load_lanes(coefficients, part // pieces * 3 * blocks * LANES + at))
            source = (part * blocks + block) * 2 * LANES
            slopes = slopes + load_lanes(sums, source)
            along = along + load_lanes(sums, source + LANES) * inverse
        store_first(dscale, at, as_single(along), over.channels - at)
        store_first(dshift, at, as_single(slopes), over.channels - at)


@parallel
def number_gradients(
    n: int, over: Walk, x: Array, dy: Array, means: Array, coefficients: Array, dscale: Array, dshift: Array
) -> None:
    """dscale, dshift (positions, C): sums over the samples, in order, of dy * normalised x and of dy."""
    blocks, channels = over.blocks, over.channels
    sample_stride, block_stride, row_stride = over.sample_stride, over.block_stride, over.row_stride
    for task in prange(over.positions * blocks):
        position, at = task // blocks, task % blocks * LANES
        slopes, along = spread(0.0), spread(0.0)
        for sample in range(n):
            row = sample * sample_stride + task % blocks * block_stride + position * row_stride
            centre = as_double(load_lanes(means, sample * blocks * LANES + at))
            inverse = as_double(load_lanes(coefficients, sample * 3 * blocks * LANES + at))
            slope = as_double(load_lanes(dy, row))
            slopes = slopes + slope
            along = along + slope * ((as_double(load_lanes(x, row)) - centre) * inverse)
        store_first(dscale, position * channels + at, as_single(along), channels - at)
        store_first(dshift, position * channels + at, as_single(slopes), channels - at)
