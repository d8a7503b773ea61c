"""Cross-entropy of the softmax over the channels of each position, in the log-sum-exp form.

With m the largest logit, log Σⱼ e^zⱼ − zₖ = log Σⱼ e^(zⱼ − m) + (m − zₖ): no term of it can overflow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import prange

from netspec.core.types import TensorType
from netspec_numba.contract import Array, Call, Calls, Launch, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.functions import exp_lanes
from netspec_numba.kernels.lanes import as_double, choose, load_lanes, spread, store_first, sum_of_lanes
from netspec_numba.kernels.loops import device, load, parallel, same_layout, serial, store
from netspec_numba.kernels.rows import Rows, lanes_in_use, row_parts, row_start, rows_of
from netspec_numba.kernels.softmax import exponentials_of_row, largest_of_row

Types = tuple[TensorType, ...]


class Blend(NamedTuple):
    """How the target of a row is made: (1 - smoothing) of what is given and smoothing / channels, times the weights."""

    smoothing: float
    total_weight: float


def _loss_scratch(attrs: Any, inputs: Types, outputs: Types, batch: int, threads: int) -> Mapping[str, int]:
    """A float64 sum of losses, and one of weights, for each part."""
    count = 2 * row_parts(rows_of(inputs[0]), batch)
    return {"losses": count, "counts": count}


def _blend(attrs: Any, rows: Rows) -> tuple[Blend, Array]:
    """The blend, and the weight of each lane of every block; padding has none."""
    weights = np.zeros(rows.blocks * rows.lanes + LANES, np.float32)
    weights[: rows.channels] = 1 if attrs.class_weights is None else attrs.class_weights
    return Blend(float(attrs.label_smoothing), float(weights.sum(dtype=np.float64))), weights


@kernel("cross_entropy", scratch=_loss_scratch)
def cross_entropy(request: Request) -> Launch:
    """(logits, target) -> (the mean loss over live samples and positions, what its sum was divided by).

    The target is a label for each row, and one out of range makes the loss NaN, or a number for each channel.
    """
    (logits, target), (loss, divisor) = request.inputs, request.outputs
    rows = rows_of(logits.type)
    blend, weights = _blend(request.attrs, rows)
    losses, counts = (request.scratch[name].view(np.float64) for name in ("losses", "counts"))
    gather = gather_losses
    if target.type.dtype != "int32":
        same_layout(logits.type, target.type)
        gather = gather_target_losses

    @Calls
    def launch(n: int) -> Iterator[Call]:
        parts = row_parts(rows, n)
        yield gather, (n, parts, rows, blend, weights, logits.array, target.array, losses, counts)
        yield join_losses, (parts, losses, counts, loss.array, divisor.array)

    return launch


@kernel("cross_entropy.dx")
def cross_entropy_dx(request: Request) -> Launch:
    """(logits, target, divisor, dloss) -> dlogits; it may be logits."""
    (logits, target, divisor, dloss), (dlogits,) = request.inputs, request.outputs
    same_layout(logits.type, dlogits.type)
    rows = rows_of(logits.type)
    blend, weights = _blend(request.attrs, rows)
    spread_loss = loss_gradient
    if target.type.dtype != "int32":
        same_layout(logits.type, target.type)
        spread_loss = target_loss_gradient

    @Calls
    def launch(n: int) -> Iterator[Call]:
        given = dloss.array, divisor.array, logits.array, target.array
        yield spread_loss, (n, row_parts(rows, n), rows, blend, weights, *given, dlogits.array)

    return launch


@device
def _label_place(rows: Rows, start: int, label: int) -> int:
    """Where the logit of a label lies."""
    return start + label // rows.lanes * rows.positions * rows.lanes + label % rows.lanes


@device
def _weighted_distance(rows: Rows, weights: Array, x: Array, start: int, largest: np.float32) -> float:
    """Sum over the channels of weight * (largest - x)."""
    total = spread(0.0)
    for block in range(rows.blocks):
        at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
        for first in range(0, min(rows.lanes, rows.channels - channel), LANES):
            distance = spread(np.float64(largest)) - as_double(load_lanes(x, at + first))
            weighted = distance * as_double(load_lanes(weights, channel + first))
            total = total + choose(lanes_in_use(rows, channel, first), weighted, spread(0.0))
    return sum_of_lanes(total)


@parallel
def gather_losses(
    n: int,
    parts: int,
    rows: Rows,
    blend: Blend,
    weights: Array,
    x: Array,
    labels: Array,
    losses: Array,
    counts: Array,
) -> None:
    """x (n, blocks, positions, lanes), labels (n, positions) -> losses and weights of the labels (parts,)."""
    per_part, count = rows.rows_per_part, n * rows.positions
    smoothing = blend.smoothing
    for part in prange(parts):
        total, counted = 0.0, 0.0
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start, label = row_start(rows, row), np.int64(labels[row])
            if label < 0 or label >= rows.channels:
                total = np.nan
                continue
            largest, weight = largest_of_row(rows, x, start), np.float64(weights[label])
            mass = (1.0 - smoothing) * weight
            distance = mass * (np.float64(largest) - load(x, _label_place(rows, start, label)))
            if smoothing > 0.0:
                mass += smoothing / rows.channels * blend.total_weight
                distance += smoothing / rows.channels * _weighted_distance(rows, weights, x, start, largest)
            total = total + (mass * math.log(exponentials_of_row(rows, x, start, largest)) + distance)
            counted += weight
        losses[part], counts[part] = total, counted


@parallel
def gather_target_losses(
    n: int,
    parts: int,
    rows: Rows,
    blend: Blend,
    weights: Array,
    x: Array,
    target: Array,
    losses: Array,
    counts: Array,
) -> None:
    """x, target (n, blocks, positions, lanes) -> losses and numbers of rows (parts,)."""
    per_part, count = rows.rows_per_part, n * rows.positions
    kept, even = 1.0 - blend.smoothing, blend.smoothing / rows.channels
    for part in prange(parts):
        total, end = 0.0, min(count, (part + 1) * per_part)
        for row in range(part * per_part, end):
            start = row_start(rows, row)
            largest = largest_of_row(rows, x, start)
            masses, distances = spread(0.0), spread(0.0)
            for block in range(rows.blocks):
                at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
                for first in range(0, min(rows.lanes, rows.channels - channel), LANES):
                    wanted = spread(kept) * as_double(load_lanes(target, at + first)) + spread(even)
                    wanted = wanted * as_double(load_lanes(weights, channel + first))
                    away = spread(np.float64(largest)) - as_double(load_lanes(x, at + first))
                    used, none = lanes_in_use(rows, channel, first), spread(0.0)
                    masses = masses + choose(used, wanted, none)
                    distances = distances + choose(used, wanted * away, none)
            log_sum = math.log(exponentials_of_row(rows, x, start, largest))
            total = total + (sum_of_lanes(masses) * log_sum + sum_of_lanes(distances))
        losses[part], counts[part] = total, np.float64(end - part * per_part)


@serial
def join_losses(parts: int, losses: Array, counts: Array, loss: Array, divisor: Array) -> None:
    """losses, counts (parts,) -> loss, divisor (1,): the sums in order, and their quotient."""
    total, counted = 0.0, 0.0
    for part in range(parts):
        total += losses[part]
        counted += counts[part]
    loss[0] = total / counted
    divisor[0] = counted


@device
def _slope(dloss: Array, divisor: Array) -> float:
    """dloss over the divisor; NaN where nothing was counted."""
    counted = np.float64(divisor[0])
    return np.float64(dloss[0]) / counted if counted != 0.0 else np.nan


@parallel
def loss_gradient(
    n: int,
    parts: int,
    rows: Rows,
    blend: Blend,
    weights: Array,
    dloss: Array,
    divisor: Array,
    x: Array,
    labels: Array,
    dx: Array,
) -> None:
    """x, dx (n, blocks, positions, lanes), labels (n, positions); dloss, divisor (1,)."""
    per_part, count = rows.rows_per_part, n * rows.positions
    slope = _slope(dloss, divisor)
    even = slope * blend.smoothing / rows.channels
    for part in prange(parts):
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start, label = row_start(rows, row), np.int64(labels[row])
            largest = largest_of_row(rows, x, start)
            known = label >= 0 and label < rows.channels
            weight = np.float64(weights[label]) if known else np.nan
            here = slope * (1.0 - blend.smoothing) * weight
            mass = here + even * blend.total_weight
            factor = np.float32(mass / exponentials_of_row(rows, x, start, largest))
            for block in range(rows.blocks):
                at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
                width = min(rows.lanes, rows.channels - channel)
                for first in range(0, width, LANES):
                    powers = exp_lanes(load_lanes(x, at + first) - spread(largest))
                    target = spread(np.float32(even)) * load_lanes(weights, channel + first)
                    store_first(dx, at + first, powers * spread(factor) - target, width - first)
            if known:
                place = _label_place(rows, start, label)
                store(dx, place, load(dx, place) - np.float32(here))


@parallel
def target_loss_gradient(
    n: int,
    parts: int,
    rows: Rows,
    blend: Blend,
    weights: Array,
    dloss: Array,
    divisor: Array,
    x: Array,
    target: Array,
    dx: Array,
) -> None:
    """x, target, dx (n, blocks, positions, lanes); dloss, divisor (1,)."""
    per_part, count = rows.rows_per_part, n * rows.positions
    slope = _slope(dloss, divisor)
    kept, even = 1.0 - blend.smoothing, blend.smoothing / rows.channels
    for part in prange(parts):
        for row in range(part * per_part, min(count, (part + 1) * per_part)):
            start = row_start(rows, row)
            largest = largest_of_row(rows, x, start)
            masses = spread(0.0)
            for block in range(rows.blocks):
                at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
                for first in range(0, min(rows.lanes, rows.channels - channel), LANES):
                    wanted = spread(kept) * as_double(load_lanes(target, at + first)) + spread(even)
                    wanted = wanted * as_double(load_lanes(weights, channel + first))
                    masses = masses + choose(lanes_in_use(rows, channel, first), wanted, spread(0.0))
            factor = np.float32(slope * sum_of_lanes(masses) / exponentials_of_row(rows, x, start, largest))
            for block in range(rows.blocks):
                at, channel = start + block * rows.positions * rows.lanes, block * rows.lanes
                width = min(rows.lanes, rows.channels - channel)
                for first in range(0, width, LANES):
                    powers = exp_lanes(load_lanes(x, at + first) - spread(largest))
                    wanted = spread(np.float32(kept)) * load_lanes(target, at + first) + spread(np.float32(even))
                    wanted = wanted * load_lanes(weights, channel + first) * spread(np.float32(slope))
                    store_first(dx, at + first, powers * spread(factor) - wanted, width - first)
