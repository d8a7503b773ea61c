"""Splits, shuffling and batches: fixed by their keys, and nothing lost or doubled."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from netspec.data.batches import Batches, epoch_order
from netspec.data.dataset import Part, labelled
from netspec.data.keyed import keyed_generator
from netspec.data.split import hold_out_validation, stratified_split

PINNED = [14361523472202767066, 12978811034324589947]


def part(samples: int) -> Part:
    images = np.arange(samples * 4, dtype=np.float32).reshape(samples, 2, 2, 1)
    return labelled(images, np.arange(samples, dtype=np.int32))


def test_a_generator_depends_on_seed_and_purpose_alone() -> None:
    first = keyed_generator(3, "shuffle", 7).integers(0, 2**60, 8)
    keyed_generator(3, "initialize", "conv.weight").standard_normal(1000)
    assert np.array_equal(first, keyed_generator(3, "shuffle", 7).integers(0, 2**60, 8))
    for other in (
        keyed_generator(4, "shuffle", 7),
        keyed_generator(3, "shuffle", 8),
        keyed_generator(3, "shuffl", "e7"),
    ):
        assert not np.array_equal(first, other.integers(0, 2**60, 8))


def test_the_bits_of_a_keyed_generator_stay() -> None:
    # A checkpoint says "seed 1, epoch 0" and means these numbers.
    assert keyed_generator(1, "shuffle", 0).bit_generator.random_raw(2).tolist() == PINNED


def test_the_order_of_an_epoch_is_a_permutation_fixed_by_seed_and_epoch() -> None:
    order = epoch_order(1000, 1, 4)
    assert sorted(order.tolist()) == list(range(1000))
    found = []
    threads = [threading.Thread(target=lambda: found.append(epoch_order(1000, 1, 4))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(order, other) for other in found)
    assert not np.array_equal(order, epoch_order(1000, 1, 5))
    assert not np.array_equal(order, epoch_order(1000, 2, 4))


@pytest.mark.parametrize("samples", [1, 3, 4, 5, 8, 11])
def test_batches_cover_every_sample_once_and_the_last_may_be_smaller(samples: int) -> None:
    data = part(samples)
    batches = Batches(data, 4)
    order = epoch_order(samples, 0, 0)
    sizes, images, labels = [], [], []
    for batch in batches.in_order(order):
        sizes.append(len(batch))
        images.append(batch["image"].copy())
        labels.append(batch["label"].copy())
    assert len(sizes) == len(batches) == -(-samples // 4)
    assert sizes[:-1] == [4] * (len(sizes) - 1)
    assert np.array_equal(np.concatenate(labels), data["label"][order])
    assert np.array_equal(np.concatenate(images), data["image"][order])


@pytest.mark.parametrize(("share", "taken"), [(0.2, 20), (0.001, 1), (0.999, 99), (0.155, 16)])
def test_a_split_takes_the_share_of_every_class(share: float, taken: int) -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    stay, held = stratified_split(labels, share, keyed_generator(0))
    assert len(held) == taken
    assert sorted([*stay, *held]) == list(range(100))
    assert np.all(np.diff(stay) > 0)
    assert np.abs(np.bincount(labels[held], minlength=3) - np.array([50, 30, 20]) * taken / 100).max() < 1


def test_a_single_sample_is_not_held_out() -> None:
    train, validation = hold_out_validation(part(1), "label", 0.5, 0)
    assert (len(train), len(validation)) == (1, 0)
