"""Tables of convolutions with narrow groups: which lanes of the sums of each channel make a vector of results.

A *unit* is the smallest number of groups whose channels fill whole blocks on both sides. In it, every lane of the
source keeps a sum for each result of its group (its *terms*); a result is a sum over the lanes of its group. Where they
lie does not depend on the unit, nor on the position, so that a short table of permutations tells it. The first term of
the first channel of a group belongs to the first result, but that of the second channel to the second, and so on: the
lanes of one result then lie in different vectors, and each permutation moves something into every lane.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from netspec_numba.host import LANES
from netspec_numba.kernels.index_tables import Int32s
from netspec_numba.kernels.packing import Int64s

Lane = tuple[int, int]
"""A vector and a lane of it."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Vectors made from lanes of others, as sums of permutations of two vectors each.

    Target ``i`` has the steps ``spans[i, 0]`` onwards, ``spans[i, 1]`` of them. A step adds to every lane the number
    that ``lanes`` [steps, LANES] names: below ``LANES`` one of the first of its two ``vectors`` [steps, 2], below
    ``2*LANES`` one of the second, and none where it is -1.
    """

    spans: Int64s
    vectors: Int64s
    lanes: Int32s


@dataclass(frozen=True, slots=True)
class Unit:
    """Groups of ``channels`` of a source each, with as many ``results`` each."""

    channels: int
    results: int

    @property
    def groups(self) -> int:
        """Groups of a unit."""
        return LANES // math.gcd(LANES, self.channels, self.results)

    @property
    def sources(self) -> int:
        """Blocks of the source."""
        return self.groups * self.channels // LANES

    @property
    def targets(self) -> int:
        """Blocks of the result."""
        return self.groups * self.results // LANES

    @property
    def sums(self) -> int:
        """Vectors of sums: the terms of every block of the source."""
        return self.sources * self.results

    def collecting(self) -> Arrangement:
        """Each block of results from the terms of the source: vector ``block*results + term``."""

        def seen(block: int, lane: int) -> Iterable[Lane]:
            group, result = divmod(block * LANES + lane, self.results)
            for within in range(self.channels):
                vector, place = divmod(group * self.channels + within, LANES)
                yield vector * self.results + (result - within) % self.results, place

        return _arrangement(self.targets, seen)

    def spreading(self) -> Arrangement:
        """For each block of the source and term the results that its lanes meet: target ``block*results + term``."""

        def met(target: int, lane: int) -> Iterable[Lane]:
            block, term = divmod(target, self.results)
            group, within = divmod(block * LANES + lane, self.channels)
            yield divmod(group * self.results + (within + term) % self.results, LANES)

        return _arrangement(self.sums, met)


def _arrangement(targets: int, lanes_of: Callable[[int, int], Iterable[Lane]]) -> Arrangement:
    """Two vectors at a time, as often as any lane of the target wants another of their lanes."""
    spans: list[Lane] = []
    vectors: list[Lane] = []
    lanes: list[list[int]] = []
    for target in range(targets):
        wanted = [list(lanes_of(target, lane)) for lane in range(LANES)]
        seen = sorted({vector for each in wanted for vector, _ in each})
        start = len(lanes)
        for first, second in zip(seen[::2], [*seen[1::2], seen[-1]], strict=False):
            here = [[lane + LANES * (v != first) for v, lane in each if v in (first, second)] for each in wanted]
            for turn in range(max(map(len, here))):
                vectors.append((first, second))
                lanes.append([each[turn] if turn < len(each) else -1 for each in here])
        spans.append((start, len(lanes) - start))
    return Arrangement(np.array(spans, np.int64), np.array(vectors, np.int64), np.array(lanes, np.int32))
