"""Dropout, with its random numbers from the definition of Philox4x32-10.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from netspec.core.reference import Bound, Case, Context
from netspec.core.types import TensorType
from netspec.declarations.ops.dropout import Dropout, DropoutMask

Array = np.ndarray[Any, np.dtype[Any]]
Words = tuple[Array, ...]

ROUNDS = 10
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
KEY_STEPS = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_WORD = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox4x32(counter: Words, key: Words) -> Words:
    """Four random words of 32 bits from four words of counter and two of key, each a uint64 array of them."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        first, second = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (second >> _HALF) ^ c1 ^ k0, second & _WORD, (first >> _HALF) ^ c3 ^ k1, first & _WORD
        k0, k1 = (k0 + KEY_STEPS[0]) & _WORD, (k1 + KEY_STEPS[1]) & _WORD
    return c0, c1, c2, c3


def random_words(index: Array, seed: int, step: int, key: int) -> Array:
    """The random word of each logical index: word ``index % 4`` of counter (index // 4, step, seed) under the key."""
    quad = np.asarray(index // 4, np.uint64)
    now, start = (np.full_like(quad, word % 2**32) for word in (step, seed))
    low, high = (np.full_like(quad, word) for word in (key % 2**32, key >> 32))
    words = np.stack(philox4x32((quad & _WORD, quad >> _HALF, now, start), (low, high)))
    return np.asarray(np.take_along_axis(words, (index % 4)[None], axis=0)[0])


def dropout(attrs: Dropout, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """The identity: dropout is for training only."""
    return (inputs[0],)


def dropout_mask(attrs: DropoutMask, inputs: Sequence[Array], context: Context) -> tuple[Array, ...]:
    """``x (N,...,C)``, seed and step ``()`` to ``x/(1 − rate)`` where the random word is at least ``rate·2³²``, else 0.

    The index of an element counts samples, positions and channels, channels fastest; where whole channels drop, it
    counts samples and channels only, where whole samples drop, samples only.
    """
    x, seed, step = inputs
    if attrs.drop == "channel":
        index = np.arange(context.samples * context.x.channels).reshape(-1, *(1,) * (x.ndim - 2), x.shape[-1])
    elif attrs.drop == "sample":
        index = np.arange(context.samples).reshape(-1, *(1,) * (x.ndim - 1))
    else:
        index = np.arange(x.size).reshape(x.shape)
    kept = random_words(index, int(seed), int(step), attrs.key) >= round(attrs.rate * 2**32)
    return (np.where(kept, x / (1 - attrs.rate), 0.0),)


BOUNDS = {"dropout.mask": Bound(2)}


def _cases() -> Iterator[Case]:
    for drop in ("element", "channel", "sample"):
        for shape in ((10,), (33,), (6, 3), (5, 4, 17), (3, 4, 16), (3, 2, 4, 2)):
            yield Case(Dropout(rate=0.25, drop=drop), (TensorType(shape),))
    yield Case(Dropout(rate=0.0), (TensorType((5, 3)),))
    yield Case(Dropout(rate=0.9), (TensorType((4, 4, 20)),))


CASES = {"dropout": tuple(_cases())}
