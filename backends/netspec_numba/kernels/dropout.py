"""Dropout (Srivastava et al. 2014). The mask is never stored: forward and backward compute the same one.

Which element is dropped depends on nothing but the seed, the step, the node and the element's place:

* key: the two halves of the node's 64-bit ``attrs.key``, low word first;
* counter: ``(index // 4`` low word, ``index // 4`` high word, ``step, seed)``, the last two as unsigned 32 bits;
* of the four words that Philox4x32-10 makes of them, word ``index % 4`` is the element's;
* index: ``(sample*positions + position)*C + channel``, or ``sample*C + channel`` where whole channels drop, or
  ``sample`` where whole samples do;
* the element is kept, and multiplied by ``1 / (1 - rate)``, if its word is at least ``round(rate * 2**32)``.

Layout, batch cutting and threads do not enter.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import prange

from netspec_numba.contract import Array, Call, Calls, Launch, Request, kernel
from netspec_numba.host import LANES
from netspec_numba.kernels.loops import device, load, parallel, same_layout, splits, store
from netspec_numba.kernels.random_numbers import philox


@kernel("dropout.mask")
def dropout_mask(request: Request) -> Launch:
    """(x, seed, step) -> y, x without its dropped elements; y may be x. Of dy it makes dx."""
    (x, seed, step), (y,) = request.inputs, request.outputs
    same_layout(x.type, y.type)
    rate, key, drop = float(request.attrs.rate), int(request.attrs.key), request.attrs.drop
    if drop not in ("element", "channel", "sample"):
        raise ValueError(f"drop is 'element', 'channel' or 'sample', not {drop!r}")
    channels, positions = x.type.channels, x.type.positions
    sample_step, position_step = (channels, 0) if drop == "channel" else (positions * channels, channels)
    pieces = splits(request.batch, x.type.blocks, positions)
    sizes = x.type.blocks, x.type.lanes, positions, channels, pieces, sample_step, position_step
    stored, cuts = x.type.stored, splits(request.batch, 1, x.type.stored)
    scale = np.float32(1.0 / (1.0 - rate) if rate < 1.0 else 0.0)
    choice = round(rate * 2**32), scale, key & 0xFFFFFFFF, key >> 32 & 0xFFFFFFFF

    @Calls
    def launch(n: int) -> Iterator[Call]:
        yield mask, (n, *sizes, *choice, seed.array, step.array, x.array, y.array)

    @Calls
    def launch_samples(n: int) -> Iterator[Call]:
        yield mask_samples, (n, stored, cuts, *choice, seed.array, step.array, x.array, y.array)

    return launch_samples if drop == "sample" else launch


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


@parallel
def mask_samples(
    n: int,
    stored: int,
    pieces: int,
    threshold: int,
    scale: float,
    low: int,
    high: int,
    seed: Array,
    step: Array,
    x: Array,
    y: Array,
) -> None:
    """x, y (n, stored); seed, step (1,). One word decides for all of a sample."""
    word_bits, bound = np.uint64(0xFFFFFFFF), np.uint64(threshold)
    now, start = np.uint64(step[0]) & word_bits, np.uint64(seed[0]) & word_bits
    for task in prange(n * pieces):
        sample, piece = task // pieces, task % pieces
        counter = np.uint64(sample // 4)
        words = philox(counter & word_bits, counter >> np.uint64(32), now, start, np.uint64(low), np.uint64(high))
        pair = (words[0], words[1]) if sample % 4 < 2 else (words[2], words[3])
        word = pair[0] if sample % 2 == 0 else pair[1]
        for at in range(sample * stored + piece * stored // pieces, sample * stored + (piece + 1) * stored // pieces):
            _keep(x, y, at, word, bound, scale)
