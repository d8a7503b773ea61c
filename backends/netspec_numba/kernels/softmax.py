"""Softmax over the channels of each position, and its fusion with cross-entropy in the log-sum-exp form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Launch, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.functions import exp_lanes
from netspec_numba.kernels.lanes import (
    as_double,
    choose,
    largest_of_lanes,
    load_lanes,
    spread,
    store_first,
    sum_of_lanes,
)
from netspec_numba.kernels.loops import device, load, parallel, same_layout, serial, store
from netspec_numba.kernels.rows import Rows, lanes_in_use, row_parts, row_start, rows_of


def _loss_scratch(
    attrs: Any, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], batch: int, threads: int
) -> Mapping[str, int]:
    """A float64 sum of losses for each part."""
    return {"losses": 2 * row_parts(rows_of(inputs[0]), batch)}


@kernel("softmax")
def softmax(request: Request) -> Launch:
    """x -> y = exp(x) / sum of exp(x) over the channels; y may be x."""
    (x,), (y,) = request.inputs, request.outputs
    same_layout(x.type, y.type)
    rows = rows_of(x.type)

    def launch(n: int) -> None:
        normalise(n, row_parts(rows, n), rows, x.array, y.array)

    return launch


@kernel("softmax.dx")
def softmax_dx(request: Request) -> Launch:
    """(y, dy) -> dx = y * (dy - sum of y * dy over the channels); dx may be y or dy."""
    (y, dy), (dx,) = request.inputs, request.outputs
    same_layout(y.type, dy.type, dx.type)
    rows = rows_of(y.type)

    def launch(n: int) -> None:
        normalise_gradient(n, row_parts(rows, n), rows, y.array, dy.array, dx.array)

    return launch


@kernel("cross_entropy", scratch=_loss_scratch)
def cross_entropy(request: Request) -> Launch:
    """(logits, labels) -> the mean loss over live samples and positions. A label out of range makes it NaN."""
    (logits, labels), (loss,) = request.inputs, request.outputs
    rows, losses = rows_of(logits.type), request.scratch["losses"].view(np.float64)
    smoothing = float(request.attrs.label_smoothing)

    def launch(n: int) -> None:
        count = row_parts(rows, n)
        gather_losses(n, count, rows, smoothing, logits.array, labels.array, losses)
        join_losses(count, n * rows.positions, losses, loss.array)

    return launch


@kernel("cross_entropy.dx")
def cross_entropy_dx(request: Request) -> Launch:
    """(logits, labels, dloss) -> dlogits = (softmax - target) * dloss / count; dlogits may be logits."""
    (logits, labels, dloss), (dlogits,) = request.inputs, request.outputs
    same_layout(logits.type, dlogits.type)
    rows = rows_of(logits.type)
    smoothing = float(request.attrs.label_smoothing)

    def launch(n: int) -> None:
        count = row_parts(rows, n)
        loss_gradient(n, count, rows, smoothing, logits.array, labels.array, dloss.array, dlogits.array)

    return launch


@device
def _maximum(rows: Rows, x: Array, start: int) -> np.float32:
    """The largest channel; NaN loses every comparison here, and comes out of the sum of exponentials instead."""
    largest = spread(np.float32(-np.inf))
    for block in range(rows.blocks):
        at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
        for first in range(0, min(rows.lanes, rows.channels - channel), LANES):
            values = load_lanes(x, at + first)
            largest = choose(lanes_in_use(rows, channel, first) & (values > largest), values, largest)
    return largest_of_lanes(largest)


@device
def _exponentials(rows: Rows, x: Array, start: int, largest: np.float32) -> float:
    """Sum of exp(x - largest) over the channels of a position."""
    total = spread(0.0)
    for block in range(rows.blocks):
        at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
        for first in range(0, min(rows.lanes, rows.channels - channel), LANES):
            powers = exp_lanes(load_lanes(x, at + first) - spread(largest))
            total = total + as_double(choose(lanes_in_use(rows, channel, first), powers, spread(np.float32(0.0))))
    return sum_of_lanes(total)


@device
def _products(rows: Rows, x: Array, y: Array, start: int) -> float:
    """Sum of x * y over the channels of a position."""
    total = spread(0.0)
    for block in range(rows.blocks):
        at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
        for first in range(0, min(rows.lanes, rows.channels - channel), LANES):
            product = as_double(load_lanes(x, at + first)) * as_double(load_lanes(y, at + first))
            total = total + choose(lanes_in_use(rows, channel, first), product, spread(0.0))
    return sum_of_lanes(total)


@parallel
def normalise(n: int, parts: int, rows: Rows, x: Array, y: Array) -> None:
    """x, y (n, blocks, positions, lanes)."""
    per_part, count = rows.rows_per_part, n * rows.positions
    for part in prange(parts):
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start = row_start(rows, row)
            largest = _maximum(rows, x, start)
            factor = np.float32(1.0 / _exponentials(rows, x, start, largest))
            for block in range(rows.blocks):
                at = start + block * rows.positions * rows.lanes
                width = min(rows.lanes, rows.channels - block * rows.lanes)
                for first in range(0, width, LANES):
                    powers = exp_lanes(load_lanes(x, at + first) - spread(largest))
                    store_first(y, at + first, powers * spread(factor), width - first)


@parallel
def normalise_gradient(n: int, parts: int, rows: Rows, y: Array, dy: Array, dx: Array) -> None:
    """y, dy, dx (n, blocks, positions, lanes)."""
    per_part, count = rows.rows_per_part, n * rows.positions
    for part in prange(parts):
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start = row_start(rows, row)
            along = spread(np.float32(_products(rows, y, dy, start)))
            for block in range(rows.blocks):
                at = start + block * rows.positions * rows.lanes
                width = min(rows.lanes, rows.channels - block * rows.lanes)
                for first in range(0, width, LANES):
                    slope = load_lanes(dy, at + first) - along
                    store_first(dx, at + first, load_lanes(y, at + first) * slope, width - first)


@device
def _label_place(rows: Rows, start: int, label: int) -> int:
    """Where the logit of a label lies."""
    return start + label // rows.lanes * rows.positions * rows.lanes + label % rows.lanes


@device
def _mean_distance(rows: Rows, x: Array, start: int, largest: np.float32) -> float:
    """Mean over the channels of largest - x."""
    total = spread(0.0)
    for block in range(rows.blocks):
        at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
        for first in range(0, min(rows.lanes, rows.channels - channel), LANES):
            distance = spread(np.float64(largest)) - as_double(load_lanes(x, at + first))
            total = total + choose(lanes_in_use(rows, channel, first), distance, spread(0.0))
    return sum_of_lanes(total) / rows.channels


@parallel
def gather_losses(n: int, parts: int, rows: Rows, smoothing: float, x: Array, labels: Array, losses: Array) -> None:
    """x (n, blocks, positions, lanes), labels (n, positions) -> losses (parts,).

    With m the largest logit, loss = log(sum of exp(x - m)) + sum of target * (m - x): no term of it can overflow.
    """
    per_part, count = rows.rows_per_part, n * rows.positions
    for part in prange(parts):
        total = 0.0
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start, label = row_start(rows, row), np.int64(labels[row])
            if label < 0 or label >= rows.channels:
                total = np.nan
                continue
            largest = _maximum(rows, x, start)
            distance = np.float64(largest) - load(x, _label_place(rows, start, label))
            if smoothing > 0.0:
                distance = (1.0 - smoothing) * distance + smoothing * _mean_distance(rows, x, start, largest)
            total = total + (math.log(_exponentials(rows, x, start, largest)) + distance)
        losses[part] = total


@serial
def join_losses(parts: int, count: int, losses: Array, loss: Array) -> None:
    """losses (parts,) -> loss (1,), their sum in order over the count."""
    total = 0.0
    for part in range(parts):
        total += losses[part]
    loss[0] = total / count


@parallel
def loss_gradient(
    n: int,
    parts: int,
    rows: Rows,
    smoothing: float,
    x: Array,
    labels: Array,
    dloss: Array,
    dx: Array,
) -> None:
    """x, dx (n, blocks, positions, lanes), labels (n, positions), dloss (1,)."""
    per_part, count = rows.rows_per_part, n * rows.positions
    slope = dloss[0] / count
    elsewhere = np.float32(slope * smoothing / rows.channels)
    here = np.float32(slope * (1.0 - smoothing))
    for part in prange(parts):
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start, label = row_start(rows, row), np.int64(labels[row])
            largest = _maximum(rows, x, start)
            factor = np.float32(slope / _exponentials(rows, x, start, largest))
            known = label >= 0 and label < rows.channels
            factor = factor if known else np.float32(np.nan)
            for block in range(rows.blocks):
                at = start + block * rows.positions * rows.lanes
                width = min(rows.lanes, rows.channels - block * rows.lanes)
                for first in range(0, width, LANES):
                    powers = exp_lanes(load_lanes(x, at + first) - spread(largest))
                    store_first(dx, at + first, powers * spread(factor) - spread(elsewhere), width - first)
            if known:
                place = _label_place(rows, start, label)
                store(dx, place, load(dx, place) - here)
