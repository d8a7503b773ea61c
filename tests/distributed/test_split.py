"""Which samples are whose: each exactly once, whatever the batch and the number of ranks."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.distributed.split import Piece, Split


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize(("samples", "batch"), [(40, 8), (41, 8), (37, 12), (5, 8), (39, 10)])
def test_each_sample_is_one_rank_s_and_in_its_batch(samples: int, batch: int, size: int) -> None:
    order = np.random.default_rng(0).permutation(samples)
    seen: dict[int, list[int]] = {}
    for rank in range(size):
        split = Split(batch, rank, size)
        own = split.of_order(order)
        for number, begin in enumerate(range(0, samples, batch)):
            piece = split.piece(min(batch, samples - begin))
            cut = own[number * split.own : (number + 1) * split.own]
            assert len(cut) == max(piece.samples, 1) <= split.largest
            seen.setdefault(number, []).extend(cut[: piece.samples])
    for number, begin in enumerate(range(0, samples, batch)):
        assert sorted(seen[number]) == sorted(order[begin : begin + batch])


def test_a_rank_without_a_sample_looks_at_one_that_does_not_count() -> None:
    split = Split(12, 2, 4)
    assert split.piece(1) == Piece(0, 1)
    assert split.piece(1).share == 0
    assert list(split.of_order(np.arange(13))) == [2, 6, 10, 12]
    assert list(Split(1, 1, 2).of_order(np.arange(1))) == [0]


def test_a_world_of_one_has_all() -> None:
    order = np.random.default_rng(0).permutation(29)
    assert (Split(8).of_order(order) == order).all()
    assert Split(8).piece(5).share == 1
