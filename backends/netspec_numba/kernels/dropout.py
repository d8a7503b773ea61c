"""Dropout (Srivastava et al. 2014). The mask is never stored: forward and backward compute the same one.

Which element is dropped depends on nothing but the seed, the step, the node and the element's place:

* key: the two halves of the node's 64-bit ``attrs.key``, low word first;
* counter: ``(index // 4`` low word, ``index // 4`` high word, ``step, seed)``, the last two as unsigned 32 bits;
* of the four words that Philox4x32-10 makes of them, word ``index % 4`` is the element's;
* index: ``(sample*positions + position)*C + channel``, or ``sample*C + channel`` where whole channels drop;
* the element is kept, and multiplied by ``1 / (1 - rate)``, if its word is at least ``round(rate * 2**32)``.

Layout, batch cutting and threads do not enter.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from netspec_numba.contract import Array, Launch, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.loops import device, load, parallel, same_layout, splits, store
from netspec_numba.kernels.random_numbers import philox


@kernel("dropout.mask")
def dropout_mask(request: Request) -> Launch:
    """(x, seed, step) -> y, x without its dropped elements; y may be x. Of dy it makes dx."""
    (x, seed, step), (y,) = request.inputs, request.outputs
    same_layout(x.type, y.type)
    rate, key = float(request.attrs.rate), int(request.attrs.key)
    if request.attrs.drop not in ("element", "channel"):
        raise ValueError(f"drop is 'element' or 'channel', not {request.attrs.drop!r}")
    channels, positions = x.type.channels, x.type.positions
    whole = request.attrs.drop == "channel"
    sample_step, position_step = (channels, 0) if whole else (positions * channels, channels)
    pieces = splits(request.batch, x.type.blocks, positions)
    sizes = x.type.blocks, x.type.lanes, positions, channels, pieces, sample_step, position_step
    threshold = round(rate * 2**32)
    scale = np.float32(1.0 / (1.0 - rate) if rate < 1.0 else 0.0)
    low, high = key & 0xFFFFFFFF, key >> 32 & 0xFFFFFFFF

    def launch(n: int) -> None:
        mask(n, *sizes, threshold, scale, low, high, seed.array, step.array, x.array, y.array)

    return launch


@device
def _keep(x: Array, y: Array, at: int, word: int, threshold: int, scale: float) -> None:
    kept = load(x, at) * scale
    store(y, at, kept if word >= threshold else np.float32(0.0))


@device
def _whole_quads(
    x: Array, y: Array, row: int, quads: int, quad: int, step: int, seed: int,
    low: int, high: int, threshold: int, scale: float,
) -> None:  # fmt: skip
    """``4 * quads`` elements from the first of a counter's four words on."""
    for each in range(quads):
        counter = np.uint64(quad + each)
        words = philox(counter & np.uint64(0xFFFFFFFF), counter >> np.uint64(32), step, seed, low, high)
        at = row + each * 4
        _keep(x, y, at, words[0], threshold, scale)
        _keep(x, y, at + 1, words[1], threshold, scale)
        _keep(x, y, at + 2, words[2], threshold, scale)
        _keep(x, y, at + 3, words[3], threshold, scale)


@device
def _row(
    x: Array, y: Array, row: int, width: int, first: int, step: int, seed: int,
    low: int, high: int, threshold: int, scale: float,
) -> None:  # fmt: skip
    """``width`` elements from the logical index ``first`` on, wherever among the four words that is."""
    for quad in range(first // 4, (first + width + 3) // 4):
        counter = np.uint64(quad)
        words = philox(counter & np.uint64(0xFFFFFFFF), counter >> np.uint64(32), step, seed, low, high)
        lane = quad * 4 - first
        for word in range(4):
            if lane + word >= 0 and lane + word < width:
                _keep(x, y, row + lane + word, words[word], threshold, scale)


@parallel
def mask(
    n: int,
    blocks: int,
    lanes: int,
    positions: int,
    channels: int,
    pieces: int,
    sample_step: int,
    position_step: int,
    threshold: int,
    scale: float,
    low: int,
    high: int,
    seed: Array,
    step: Array,
    x: Array,
    y: Array,
) -> None:
    """x, y (n, blocks, positions, lanes); seed, step (1,)."""
    word_bits, bound = np.uint64(0xFFFFFFFF), np.uint64(threshold)
    key_0, key_1 = np.uint64(low), np.uint64(high)
    now, start = np.uint64(step[0]) & word_bits, np.uint64(seed[0]) & word_bits
    aligned = sample_step % 4 == 0 and position_step % 4 == 0
    for task in prange(n * blocks * pieces):
        plane, piece = task // pieces, task % pieces
        sample, block = plane // blocks, plane % blocks
        width = min(lanes, channels - block * lanes)
        for position in range(piece * positions // pieces, (piece + 1) * positions // pieces):
            row = (plane * positions + position) * lanes
            first = sample * sample_step + position * position_step + block * lanes
            if not aligned:
                _row(x, y, row, width, first, now, start, key_0, key_1, bound, scale)
            elif width == LANES:
                _whole_quads(x, y, row, LANES // 4, first // 4, now, start, key_0, key_1, bound, scale)
            else:
                _whole_quads(x, y, row, width // 4, first // 4, now, start, key_0, key_1, bound, scale)
