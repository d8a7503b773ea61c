"""Philox against its published answers, and masks against the documented scheme."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kernel_operands import empty, logical, operand, run, tensor
from numba import njit

from netspec.core.types import TensorType, scalar
from netspec_numba.host import LANES
from netspec_numba.kernels import dropout  # noqa: F401 - registers the kernel
from netspec_numba.kernels.random_numbers import philox

ANSWERS = [  # Random123's kat_vectors, philox4x32-10: counter, key, result
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


def reference_philox(counter: Any, key: Any) -> Any:
    """Words (..., 4) from counters (..., 4) and a key (2,), written as in the paper."""
    c = [np.asarray(counter, np.uint64)[..., word] for word in range(4)]
    k = [int(word) for word in key]
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [
            (second >> np.uint64(32)) ^ c[1] ^ np.uint64(k[0]),
            second & low,
            (first >> np.uint64(32)) ^ c[3] ^ np.uint64(k[1]),
            first & low,
        ]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return np.stack(c, -1)


@njit
def compiled_philox(words: Any) -> Any:
    return philox(words[0], words[1], words[2], words[3], words[4], words[5])


@pytest.mark.parametrize(("counter", "key", "result"), ANSWERS)
def test_known_answers(counter: list[int], key: list[int], result: list[int]) -> None:
    assert list(reference_philox(counter, key)) == result
    assert list(compiled_philox(np.array(counter + key, np.uint64))) == result


def reference_keep(index: Any, key: int, seed: int, step: int, rate: float) -> Any:
    quad = index.astype(np.uint64) // np.uint64(4)
    counter = np.empty((*index.shape, 4), np.uint64)
    counter[..., 0], counter[..., 1] = quad & np.uint64(0xFFFFFFFF), quad >> np.uint64(32)
    counter[..., 2], counter[..., 3] = step % 2**32, seed % 2**32
    words = reference_philox(counter, (key % 2**32, key >> 32))
    word = np.take_along_axis(words, (index % 4)[..., None], -1)[..., 0]
    return word >= np.uint64(round(rate * 2**32))


@pytest.mark.parametrize("drop", ["element", "channel", "sample"])
@pytest.mark.parametrize(
    "shape", [(1,), (3,), (16,), (4 * LANES + 4,), (5, 3), (3, 4, LANES), (3, 5, LANES + 4), (3, 3, 17), (2, 3, 2, 6)]
)
def test_the_mask_is_the_documented_one(shape: tuple[int, ...], drop: str) -> None:
    batch, n, rate, seed, step, key = 4, 3, 0.3, -5, 12345, 0xFEDCBA9876543210
    kind = tensor(shape)
    x = np.random.default_rng(1).normal(size=(n, *shape)).astype(np.float32)
    channels = shape[-1]
    if drop == "element":
        index = np.arange(x.size).reshape(x.shape)
    elif drop == "sample":
        index = np.arange(n).reshape(n, *(1 for _ in shape)) + np.zeros(x.shape, np.int64)
    else:
        index = np.arange(n * channels).reshape(n, *(1 for _ in shape[:-1]), channels) + np.zeros(x.shape, np.int64)
    keep = reference_keep(index, key, seed, step, rate)
    want = np.where(keep, x * np.float32(1 / (1 - rate)), np.float32(0))
    attrs = SimpleNamespace(rate=rate, key=key, drop=drop)
    scalars = [operand(scalar("int32"), [value], 1) for value in (seed, step)]
    for layout in {kind, kind.plain()}:
        y = empty(layout, batch)
        run("dropout.mask", attrs, [operand(layout, x, batch), *scalars], [y], batch, n)
        np.testing.assert_array_equal(logical(y, n), want)


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 1.0])
def test_the_rate_is_met_and_what_is_dropped_is_zero_even_where_x_is_not_finite(rate: float) -> None:
    kind = TensorType((4096,))
    x = operand(kind, np.full((16, 4096), np.inf, np.float32), 16)
    scalars = [operand(scalar("int32"), [1], 1), operand(scalar("int32"), [0], 1)]
    run("dropout.mask", SimpleNamespace(rate=rate, key=7, drop="element"), [x, *scalars], [x], 16, 16)
    got = logical(x, 16)
    assert set(np.unique(got)) <= {0.0, np.inf}
    deviation = np.sqrt(rate * (1 - rate) / got.size)
    assert abs((got == 0).mean() - rate) <= 4 * deviation  # four deviations are what chance allows


def test_seed_step_and_key_each_change_the_mask() -> None:
    kind, masks = TensorType((64,)), []
    for seed, step, key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 1 << 32)]:
        y = empty(kind, 1)
        scalars = [operand(scalar("int32"), [seed], 1), operand(scalar("int32"), [step], 1)]
        ones = operand(kind, np.ones((1, 64), np.float32), 1)
        run("dropout.mask", SimpleNamespace(rate=0.5, key=key, drop="element"), [ones, *scalars], [y], 1, 1)
        masks.append(y.array.tobytes())
    assert len(set(masks)) == len(masks)


@pytest.mark.parametrize("stored", [1, 5, 4096])
def test_samples_that_drop_as_one_follow_the_words_across_quads(stored: int) -> None:
    n, seed, step, key = 11, 3, 9, 0x123456789
    kind = TensorType((stored,))
    y = empty(kind, 12)
    scalars = [operand(scalar("int32"), [value], 1) for value in (seed, step)]
    ones = operand(kind, np.ones((n, stored), np.float32), 12)
    run("dropout.mask", SimpleNamespace(rate=0.5, key=key, drop="sample"), [ones, *scalars], [y], 12, n)
    keep = reference_keep(np.arange(n), key, seed, step, 0.5)
    np.testing.assert_array_equal(logical(y, n), np.where(keep, 2.0, 0.0)[:, None].repeat(stored, 1))
