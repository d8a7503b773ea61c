"""Softmax over the channels of each position, and its fusion with cross-entropy in the log-sum-exp form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Launch, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.functions import exp
from netspec_numba.kernels.loops import check_layout, device, load, parallel, same_layout, serial, store

NUMBERS_PER_PART = 4096
"""Channels times positions in one part: some ten microseconds of work."""


class Rows(NamedTuple):
    """The channels of one position: ``blocks`` runs of ``lanes`` channels (the last one shorter), a plane apart."""

    channels: int
    lanes: int
    blocks: int
    positions: int
    rows_per_part: int


def rows_of(tensor: TensorType) -> Rows:
    """The rows of a tensor that is plain or blocked by LANES."""
    check_layout(tensor)
    per_part = max(1, NUMBERS_PER_PART // max(1, tensor.channels))
    return Rows(tensor.channels, tensor.lanes, tensor.blocks, tensor.positions, per_part)


def _parts(rows: Rows, n: int) -> int:
    return -(-n * rows.positions // rows.rows_per_part)


def _scratch(
    attrs: Any, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], batch: int, threads: int
) -> Mapping[str, int]:
    """A float64 sum for each lane, and one more for the loss, in each part."""
    return {"sums": 2 * (LANES + 1) * _parts(rows_of(inputs[0]), batch)}


@kernel("softmax", scratch=_scratch)
def softmax(request: Request) -> Launch:
    """x -> y = exp(x) / sum of exp(x) over the channels; y may be x."""
    (x,), (y,) = request.inputs, request.outputs
    same_layout(x.type, y.type)
    rows, sums = rows_of(x.type), request.scratch["sums"].view(np.float64)

    def launch(n: int) -> None:
        normalise(n, _parts(rows, n), rows, x.array, sums, y.array)

    return launch


@kernel("softmax.dx", scratch=_scratch)
def softmax_dx(request: Request) -> Launch:
    """(y, dy) -> dx = y * (dy - sum of y * dy over the channels); dx may be y or dy."""
    (y, dy), (dx,) = request.inputs, request.outputs
    same_layout(y.type, dy.type, dx.type)
    rows, sums = rows_of(y.type), request.scratch["sums"].view(np.float64)

    def launch(n: int) -> None:
        normalise_gradient(n, _parts(rows, n), rows, y.array, dy.array, sums, dx.array)

    return launch


@kernel("cross_entropy", scratch=_scratch)
def cross_entropy(request: Request) -> Launch:
    """(logits, labels) -> the mean loss over live samples and positions. A label out of range makes it NaN."""
    (logits, labels), (loss,) = request.inputs, request.outputs
    rows, sums = rows_of(logits.type), request.scratch["sums"].view(np.float64)
    smoothing = float(request.attrs.label_smoothing)

    def launch(n: int) -> None:
        count = _parts(rows, n)
        gather_losses(n, count, rows, smoothing, logits.array, labels.array, sums)
        join_losses(count, n * rows.positions, sums, loss.array)

    return launch


@kernel("cross_entropy.dx", scratch=_scratch)
def cross_entropy_dx(request: Request) -> Launch:
    """(logits, labels, dloss) -> dlogits = (softmax - target) * dloss / count; dlogits may be logits."""
    (logits, labels, dloss), (dlogits,) = request.inputs, request.outputs
    same_layout(logits.type, dlogits.type)
    rows, sums = rows_of(logits.type), request.scratch["sums"].view(np.float64)
    smoothing = float(request.attrs.label_smoothing)

    def launch(n: int) -> None:
        count = _parts(rows, n)
        loss_gradient(n, count, rows, smoothing, logits.array, labels.array, dloss.array, sums, dlogits.array)

    return launch


@device
def _start(rows: Rows, row: int) -> int:
    """Where a position begins; its next block of channels lies ``positions * lanes`` further on."""
    sample, position = row // rows.positions, row % rows.positions
    return (sample * rows.blocks * rows.positions + position) * rows.lanes


@device
def _maximum(rows: Rows, x: Array, start: int) -> np.float32:
    """The largest channel; NaN loses every comparison here, and comes out of the sum of exponentials instead."""
    largest = np.float32(-np.inf)
    for block in range(rows.blocks):
        at = start + block * rows.positions * rows.lanes
        for lane in range(min(rows.lanes, rows.channels - block * rows.lanes)):
            value = load(x, at + lane)
            largest = value if value > largest else largest
    return largest


@device
def _add_exponentials(x: Array, at: int, width: int, largest: np.float32, sums: Array, to: int) -> None:
    for lane in range(width):
        store(sums, to + lane, load(sums, to + lane) + exp(load(x, at + lane) - largest))


@device
def _add_products(x: Array, y: Array, at: int, width: int, sums: Array, to: int) -> None:
    for lane in range(width):
        product = np.float64(load(x, at + lane)) * load(y, at + lane)
        store(sums, to + lane, load(sums, to + lane) + product)


@device
def _sum_of_lanes(sums: Array, to: int) -> float:
    total = 0.0
    for lane in range(LANES):
        total += load(sums, to + lane)
    return total


@device
def _exponentials(rows: Rows, x: Array, start: int, largest: np.float32, sums: Array, to: int) -> float:
    """Sum of exp(x - largest), each lane by itself first, so that it vectorises."""
    for lane in range(LANES):
        store(sums, to + lane, 0.0)
    for block in range(rows.blocks):
        at = start + block * rows.positions * rows.lanes
        width = min(rows.lanes, rows.channels - block * rows.lanes)
        for first in range(0, width, LANES):
            if width - first >= LANES:
                _add_exponentials(x, at + first, LANES, largest, sums, to)
            else:
                _add_exponentials(x, at + first, width - first, largest, sums, to)
    return _sum_of_lanes(sums, to)


@device
def _products(rows: Rows, x: Array, y: Array, start: int, sums: Array, to: int) -> float:
    """Sum of x * y over the channels of a position."""
    for lane in range(LANES):
        store(sums, to + lane, 0.0)
    for block in range(rows.blocks):
        at = start + block * rows.positions * rows.lanes
        width = min(rows.lanes, rows.channels - block * rows.lanes)
        for first in range(0, width, LANES):
            if width - first >= LANES:
                _add_products(x, y, at + first, LANES, sums, to)
            else:
                _add_products(x, y, at + first, width - first, sums, to)
    return _sum_of_lanes(sums, to)


@parallel
def normalise(n: int, parts: int, rows: Rows, x: Array, sums: Array, y: Array) -> None:
    """x, y (n, blocks, positions, lanes), sums (parts, LANES + 1)."""
    per_part, count = rows.rows_per_part, n * rows.positions
    for part in prange(parts):
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start = _start(rows, row)
            largest = _maximum(rows, x, start)
            factor = np.float32(1.0 / _exponentials(rows, x, start, largest, sums, part * (LANES + 1)))
            for block in range(rows.blocks):
                at = start + block * rows.positions * rows.lanes
                for lane in range(min(rows.lanes, rows.channels - block * rows.lanes)):
                    store(y, at + lane, exp(load(x, at + lane) - largest) * factor)


@parallel
def normalise_gradient(n: int, parts: int, rows: Rows, y: Array, dy: Array, sums: Array, dx: Array) -> None:
    """y, dy, dx (n, blocks, positions, lanes), sums (parts, LANES + 1)."""
    per_part, count = rows.rows_per_part, n * rows.positions
    for part in prange(parts):
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start = _start(rows, row)
            along = np.float32(_products(rows, y, dy, start, sums, part * (LANES + 1)))
            for block in range(rows.blocks):
                at = start + block * rows.positions * rows.lanes
                for lane in range(min(rows.lanes, rows.channels - block * rows.lanes)):
                    store(dx, at + lane, load(y, at + lane) * (load(dy, at + lane) - along))


@device
def _label_place(rows: Rows, start: int, label: int) -> int:
    """Where the logit of a label lies."""
    return start + label // rows.lanes * rows.positions * rows.lanes + label % rows.lanes


@device
def _mean_distance(rows: Rows, x: Array, start: int, largest: np.float32) -> float:
    """Mean over the channels of largest - x."""
    total = 0.0
    for block in range(rows.blocks):
        at = start + block * rows.positions * rows.lanes
        for lane in range(min(rows.lanes, rows.channels - block * rows.lanes)):
            total += np.float64(largest) - load(x, at + lane)
    return total / rows.channels


@parallel
def gather_losses(n: int, parts: int, rows: Rows, smoothing: float, x: Array, labels: Array, sums: Array) -> None:
    """x (n, blocks, positions, lanes), labels (n, positions) -> sums (parts, LANES + 1), the last the loss.

    With m the largest logit, loss = log(sum of exp(x - m)) + sum of target * (m - x): no term of it can overflow.
    """
    per_part, count = rows.rows_per_part, n * rows.positions
    for part in prange(parts):
        to, total = part * (LANES + 1), 0.0
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start, label = _start(rows, row), np.int64(labels[row])
            if label < 0 or label >= rows.channels:
                total = np.nan
                continue
            largest = _maximum(rows, x, start)
            distance = np.float64(largest) - load(x, _label_place(rows, start, label))
            if smoothing > 0.0:
                distance = (1.0 - smoothing) * distance + smoothing * _mean_distance(rows, x, start, largest)
            total = total + (math.log(_exponentials(rows, x, start, largest, sums, to)) + distance)
        sums[to + LANES] = total


@serial
def join_losses(parts: int, count: int, sums: Array, loss: Array) -> None:
    """sums (parts, LANES + 1) -> loss (1,), the parts in order."""
    total = 0.0
    for part in range(parts):
        total += sums[part * (LANES + 1) + LANES]
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
    sums: Array,
    dx: Array,
) -> None:
    """x, dx (n, blocks, positions, lanes), labels (n, positions), dloss (1,), sums (parts, LANES + 1)."""
    per_part, count = rows.rows_per_part, n * rows.positions
    slope = dloss[0] / count
    elsewhere = np.float32(slope * smoothing / rows.channels)
    here = np.float32(slope * (1.0 - smoothing))
    for part in prange(parts):
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start, label = _start(rows, row), np.int64(labels[row])
            largest = _maximum(rows, x, start)
            factor = np.float32(slope / _exponentials(rows, x, start, largest, sums, part * (LANES + 1)))
            known = label >= 0 and label < rows.channels
            factor = factor if known else np.float32(np.nan)
            for block in range(rows.blocks):
                at = start + block * rows.positions * rows.lanes
                for lane in range(min(rows.lanes, rows.channels - block * rows.lanes)):
                    store(dx, at + lane, exp(load(x, at + lane) - largest) * factor - elsewhere)
            if known:
                place = _label_place(rows, start, label)
                store(dx, place, load(dx, place) - here)
