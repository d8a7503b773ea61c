"""A cost model of data-parallel training: plain functions of named figures, times in seconds, sizes in bytes.

Links follow Hockney ("The communication challenge for MPP", Parallel Computing 20, 1994): a message of m bytes takes a
latency and m / bandwidth. From LogP (Culler et al. 1993) is the overhead, for which a message keeps its rank busy even
while others are under way. That two stages of (n - 1) / n of the bytes each are as few as an allreduce can do with is
shown by Patarasuk and Yuan ("Bandwidth optimal all-reduce algorithms", JPDC 69, 2009).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Link(NamedTuple):
    """What joins a rank to the others. All its messages share the bandwidth, in each direction."""

    latency: float
    """Seconds until the first byte of a message arrives."""
    overhead: float
    """Seconds for which a message keeps the link and its rank busy, whatever its size."""
    bandwidth: float
    """Bytes per second."""
    work: float = 0.0
    """Seconds per byte moved for which the rank's processor is busy: packing, copying, adding, unpacking."""
    pause: float = 0.0
    """Seconds per byte that a pair of ranks exchanges for which both wait until the other looks after its messages."""


class Gradient(NamedTuple):
    """The gradient of a layer: its size, and how much work of the backward pass it and its inputs' gradient are."""

    bytes: int
    share: float
    """Of the backward pass, from 0 to 1."""


class Step(NamedTuple):
    """A step's time, and what of it is computing."""

    seconds: float
    computing: float

    @property
    def efficiency(self) -> float:
        """Images per second and rank, as a share of those of a rank alone with the same number of samples."""
        return self.computing / self.seconds


def messages(ranks: int) -> int:
    """Messages that a rank sends for a bucket: to each of the others, its part and later its sum."""
    return 2 * (ranks - 1)


def moved(size: float, ranks: int) -> float:
    """Bytes of a bucket of ``size`` that a rank sends, and receives: 2 (n - 1) / n of it."""
    return 2 * (ranks - 1) / ranks * size


def paired(size: float, ranks: int) -> float:
    """Bytes of a bucket of ``size`` that a rank exchanges with each of the others: a part of it, and a part's sum."""
    return 2 / ranks * size


def sharing(ranks: int, cores: int, others: float) -> float:
    """How many times as long a rank computes that shares the cores with the other ranks and so many ``others``, all of
    which get equal parts.
    """
    return max(1.0, (ranks + others) / cores)


def busy(size: float, ranks: int, link: Link, slowed: float = 1.0) -> float:
    """Seconds for which a bucket keeps a rank and its link busy; ``slowed`` is as :func:`sharing` has it.

    All pairs of ranks wait at the same time, and who waits needs no processor.
    """
    waiting = paired(size, ranks) * link.pause
    return slowed * processor(size, ranks, link) + moved(size, ranks) / link.bandwidth + waiting


def processor(size: float, ranks: int, link: Link) -> float:
    """Seconds of a processor that a bucket takes of a rank."""
    return messages(ranks) * link.overhead + moved(size, ranks) * link.work


def exchange(size: float, bucket: float, ranks: int, link: Link, slowed: float = 1.0) -> float:
    """Seconds to sum ``size`` bytes in buckets, all begun at once: one behind the other, and two latencies at the end,
    since the second stage of a bucket waits for its first.
    """
    if ranks == 1:
        return 0.0
    return sum(busy(each, ranks, link, slowed) for each in cut(size, bucket)) + 2 * link.latency


def cut(size: float, bucket: float) -> list[float]:
    """The sizes of the buckets of so many bytes: full ones and the rest."""
    full = int(size // bucket)
    rest = size - full * bucket
    return [bucket] * full + ([rest] if rest else [])


def packed(gradients: Iterable[Gradient], bucket: float) -> list[tuple[float, float]]:
    """The buckets of a backward pass in their order: (bytes, share of the pass after which it is complete).

    A gradient is not divided: a bucket is sent as soon as it holds ``bucket`` bytes, and the last whatever it holds.
    """
    found: list[tuple[float, float]] = []
    size, passed = 0, 0.0
    for each in gradients:
        size, passed = size + each.bytes, passed + each.share
        if size >= bucket:
            found.append((size, passed))
            size = 0
    return [*found, (size, passed)] if size else found


def step(gradients: Sequence[Gradient], computing: float, bucket: float, ranks: int, link: Link, overlap: bool) -> Step:
    """A step that computes for so many seconds: a third of it forward, two thirds backward.

    With ``overlap`` a bucket is sent when it is complete and the one before it is through, and computing goes on
    meanwhile at full speed; without it nothing is sent before the backward pass is over. What is measured lies between.
    """
    if ranks == 1:
        return Step(computing, computing)
    forward, backward = computing / 3, computing * 2 / 3
    end = 0.0
    for size, passed in packed(gradients, bucket):
        complete = forward + backward * passed if overlap else computing
        end = max(end, complete) + busy(size, ranks, link)
    return Step(max(computing, end + 2 * link.latency), computing)


class Observed(NamedTuple):
    """How long an exchange of ``size`` bytes in buckets of ``bucket`` took; ``slowed`` is as `sharing` has it."""

    size: float
    bucket: float
    ranks: int
    slowed: float
    seconds: float
    processor: float
    """Seconds of its processor that a rank took, the mean over the ranks."""


def fitted(observed: Sequence[Observed]) -> Link:
    """The link that explains what was observed where no wire limits it: its bandwidth is infinite.

    ``overhead`` and ``work`` follow from the processors' time, ``pause`` from what is left of the seconds; each time by
    least squares of the relative errors, none of them below 0.
    """
    overhead, work = _fitted_processor(observed)
    link = Link(0.0, overhead, float("inf"), work)
    top = bottom = 0.0
    for each in observed:
        share = paired(each.size, each.ranks) / each.seconds
        top += share * (1 - exchange(each.size, each.bucket, each.ranks, link, each.slowed) / each.seconds)
        bottom += share * share
    return link._replace(pause=max(0.0, top / bottom))


def _fitted_processor(observed: Sequence[Observed]) -> tuple[float, float]:
    """The overhead and the work that explain the processors' time."""
    rows = []
    for each in observed:
        count = len(cut(each.size, each.bucket)) * messages(each.ranks)
        rows.append((count / each.processor, moved(each.size, each.ranks) / each.processor))
    aa, bb, ab = sum(a * a for a, _ in rows), sum(b * b for _, b in rows), sum(a * b for a, b in rows)
    a, b = sum(a for a, _ in rows), sum(b for _, b in rows)
    determinant = aa * bb - ab * ab
    overhead, work = 0.0, b / bb
    if determinant > 1e-12 * aa * bb:  # else all have one size of bucket, and the two cannot be told apart
        overhead, work = (bb * a - ab * b) / determinant, (aa * b - ab * a) / determinant
    if overhead < 0:
        overhead, work = 0.0, b / bb
    elif work < 0:
        overhead, work = a / aa, 0.0
    return overhead, work
