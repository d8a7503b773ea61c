"""The cost model against figures that are worked out by hand, of links that make them easy."""

from __future__ import annotations

import pytest
from scaling.machines import WORLDS, work_of
from scaling.model import (
    Gradient,
    Link,
    Observed,
    cut,
    exchange,
    fitted,
    messages,
    moved,
    packed,
    processor,
    sharing,
    step,
)

LINK = Link(latency=1.0, overhead=0.5, bandwidth=2.0, work=0.25)


def test_two_stages_of_all_parts_but_the_own() -> None:
    assert (messages(1), messages(2), messages(4)) == (0, 2, 6)
    assert (moved(8, 1), moved(8, 2), moved(8, 4)) == (0, 8, 12)


def test_buckets_follow_each_other_and_latencies_come_at_the_end() -> None:
    """Buckets of 4, 4 and 2 bytes: 2 messages of 0.5 s; 4 bytes at 2 per second; 0.25 s of work each; 2 latencies."""
    assert cut(10, 4) == [4, 4, 2]
    assert exchange(10, 4, 2, LINK) == (1 + 2 + 1) + (1 + 2 + 1) + (1 + 1 + 0.5) + 2
    assert exchange(10, 4, 1, LINK) == 0


def test_ranks_that_share_their_cores_compute_longer_and_send_as_fast() -> None:
    assert sharing(2, 4, 1) == 1
    assert sharing(4, 2, 6) == 5
    assert exchange(4, 4, 2, LINK, 2.0) == 2 * (1 + 1) + 2 + 2


def test_pairs_of_ranks_wait_at_the_same_time_and_longer_on_no_busier_machine() -> None:
    """Each of 4 ranks exchanges 2 of 8 bytes with each other, and as many sums; each of 2 ranks 4 and 4."""
    waiting = Link(latency=0.0, overhead=0.0, bandwidth=float("inf"), pause=0.5)
    assert [exchange(8, 8, ranks, waiting, slowed) for ranks, slowed in ((2, 1), (4, 1), (4, 7))] == [4, 2, 2]


GRADIENTS = [Gradient(4, 0.25), Gradient(0, 0.25), Gradient(4, 0.5)]


def test_a_bucket_is_sent_when_it_is_full_and_never_divides_a_gradient() -> None:
    assert packed(GRADIENTS, 4) == [(4, 0.25), (4, 1.0)]
    assert packed(GRADIENTS, 3) == [(4, 0.25), (4, 1.0)]
    assert packed(GRADIENTS, 5) == packed(GRADIENTS, 100) == [(8, 1.0)]


def test_what_is_sent_while_computing_goes_on_costs_nothing() -> None:
    """Of 12 s, 8 are backward. The first bucket is complete at 6 s and through at 10, the second goes from 12 to 16."""
    hidden, open_ = (step(GRADIENTS, 12, 4, 2, LINK, overlap) for overlap in (True, False))
    assert hidden.seconds == 16 + 2
    assert hidden.efficiency == 12 / 18
    assert open_.seconds == 12 + 4 + 4 + 2
    assert step(GRADIENTS, 12, 100, 2, LINK, True).seconds == 12 + (1 + 4 + 2) + 2
    assert step(GRADIENTS, 12, 4, 1, LINK, False).efficiency == 1


def test_a_link_that_is_behind_sends_one_bucket_after_the_other() -> None:
    """Complete at 0.5 and 1 s; 4 s each from 0.5 s on."""
    assert step(GRADIENTS, 1, 4, 2, LINK, True).seconds == pytest.approx(0.5 + 4 + 4 + 2)


def test_a_fit_finds_the_link_that_made_the_times() -> None:
    link = Link(0.0, 2e-4, float("inf"), 3e-9, 5e-9)
    rows = [
        (size, bucket, ranks, ranks / 2) for size, bucket in ((1e7, 1e6), (1e7, 1e5), (3e7, 1e7)) for ranks in (2, 4)
    ]
    seconds = (exchange(row[0], row[1], row[2], link, row[3]) for row in rows)
    processors = (sum(processor(each, row[2], link) for each in cut(row[0], row[1])) for row in rows)
    found = fitted(
        [Observed(*both) for both in ((*a, b, c) for a, b, c in zip(rows, seconds, processors, strict=True))]
    )
    assert found == pytest.approx(link)
    # Larger buckets that take longer leave nothing to a message, and what waits for processors alone leaves no pause.
    found = fitted([Observed(1e7, 1e6, 2, 1, 1.0, 1.0), Observed(1e7, 1e7, 2, 1, 1.0, 1.1)])
    assert (found.overhead, found.pause) == (0, 0)


def test_a_network_weighs_what_summary_counts() -> None:
    """ResNet-20: 269,722 trained parameters, 40,551,040 MACs; thrice two FLOPs to a MAC."""
    gradients, flops = work_of("resnet20", 10)
    assert sum(each.bytes for each in gradients) == 4 * 269_722
    assert sum(each.share for each in gradients) == pytest.approx(1)
    assert flops == 6 * 40_551_040 * 10
    assert gradients[1].bytes == 4 * 650  # behind the softmax the dense layer


def test_ten_gigabits_take_a_resnet_50_in_the_time_that_is_said() -> None:
    """64 ranks, 25,557,032 numbers in 25 buckets of 4 MiB: 126 messages of 20 us each; 2 * 63 / 64 of the bytes at 9
    Gbit/s and 0.3 ns of work; 2 latencies of 30 us.
    """
    world = next(world for world in WORLDS if "10 Gbit" in world.name)
    size = 4 * 25_557_032
    assert len(cut(size, 4 << 20)) == 25
    by_hand = 25 * 126 * 20e-6 + 2 * 63 / 64 * size * (8 / 9e9 + 0.3e-9) + 2 * 30e-6
    assert exchange(size, 4 << 20, 64, world.link) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.302, abs=0.001)
