"""Where ranges are cut, and how weights are shared: on numbers whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.passes.quantization import Range
from netspec.slimming.calibration import BINS, cut_entropy, cut_percentile
from netspec.slimming.clusters import cluster


def histogram(numbers: np.ndarray) -> tuple[np.ndarray, Range]:
    limits = Range(float(numbers.min()), float(numbers.max()))
    return np.histogram(numbers, BINS, limits)[0], limits


def test_a_percentile_leaves_out_what_is_alone() -> None:
    numbers = np.concatenate([np.random.default_rng(0).uniform(-1, 2, 100_000), [50.0, -30.0]])
    found = cut_percentile(*histogram(numbers))
    assert found.high == pytest.approx(2, abs=80 / BINS)
    assert found.low == pytest.approx(-1, abs=80 / BINS)


def test_entropy_cuts_a_tail_and_keeps_what_is_evenly_spread() -> None:
    generator = np.random.default_rng(1)
    tail = np.concatenate([generator.exponential(1.0, 100_000), [200.0]])
    assert 4 < cut_entropy(*histogram(tail)).high < 100
    even = generator.uniform(0, 3, 100_000)
    assert cut_entropy(*histogram(even)).high == pytest.approx(3, rel=0.05)
    both = cut_entropy(*histogram(np.concatenate([tail, -tail[:-1]])))
    assert both.low == pytest.approx(-both.high, rel=1.0)
    assert both.low < 0 < both.high


def test_entropy_is_not_misled_by_the_zeros_behind_a_relu() -> None:
    numbers = np.maximum(np.random.default_rng(4).standard_normal(200_000), 0)
    assert cut_entropy(*histogram(numbers)).high > 2.5


def test_k_means_finds_the_numbers_that_are_there() -> None:
    generator = np.random.default_rng(2)
    centres = np.array([-3.0, -1.0, 0.5, 2.0])
    weight = (centres[generator.integers(0, 4, 600)] + generator.uniform(-0.05, 0.05, 600)).astype(np.float32)
    shared = cluster(weight.reshape(20, 30), 2)
    assert shared.codebook == pytest.approx(centres, abs=0.02)
    assert np.abs(shared.weight((20, 30)).reshape(-1) - weight).max() < 0.1
    assert np.array_equal(shared.indices, cluster(weight.reshape(20, 30), 2).indices)


def test_no_bits_make_a_weight_worse() -> None:
    weight = np.random.default_rng(3).standard_normal((64, 32)).astype(np.float32)
    errors = [float(((cluster(weight, bits).weight(weight.shape) - weight) ** 2).sum()) for bits in range(2, 9)]
    assert errors == sorted(errors, reverse=True)
    # Every number is told by the nearest of the codebook.
    shared = cluster(weight, 3)
    nearest = np.abs(weight.reshape(-1, 1).astype(np.float64) - shared.codebook).argmin(axis=1)
    assert np.array_equal(shared.indices, nearest)
