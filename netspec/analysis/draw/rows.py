"""Rows of a layered layout: who stands in which, in what order, and where along it."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T", bound=Hashable)
N = TypeVar("N", bound=Hashable)

SWEEPS = 8
"""How often the rows are gone through, down and up, for their order and again for their positions."""


class Link(NamedTuple, Generic[T, N]):
    """An edge, or a piece of one, from an item to one in a lower row; ``net`` is what it carries."""

    first: T
    last: T
    net: N


def arrange(
    entering: Sequence[T], items: Sequence[T], leaving: Sequence[T], links: Sequence[Link[T, N]], lane: Callable[[], T]
) -> tuple[list[list[T]], list[Link[T, N]]]:
    """Rows of items, and the links cut into pieces from one row to the next.

    ``entering`` come alone in the first row, ``leaving`` alone in the last; ``items`` are in an order that every link
    follows. Where a link passes a row, ``lane`` makes an item for it there, one for all links of a net.
    """
    rank = _ranks(entering, items, leaving, links)
    rows: list[list[T]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    order = {item: number for number, item in enumerate((*entering, *items, *leaving))}
    lanes: dict[tuple[T, N, int], T] = {}
    pieces: dict[Link[T, N], None] = {}
    for link in sorted(links, key=lambda link: order[link.last]):
        here = link.first
        for row in range(rank[link.first] + 1, rank[link.last]):
            key = (link.first, link.net, row)
            if key not in lanes:
                lanes[key] = lane()
                order[lanes[key]] = order[link.last]
                rank[lanes[key]] = row
            pieces[Link(here, lanes[key], link.net)] = None
            here = lanes[key]
        pieces[Link(here, link.last, link.net)] = None
    for item in sorted(order, key=lambda item: order[item]):
        rows[rank[item]].append(item)
    return _ordered(rows, list(pieces)), list(pieces)


def _ranks(
    entering: Sequence[T], items: Sequence[T], leaving: Sequence[T], links: Sequence[Link[T, N]]
) -> dict[T, int]:
    """Rows by longest path; an item that nothing comes into stands right above what it goes to."""
    before, after = _neighbours((link.first, link.last) for link in links)
    rank = dict.fromkeys(entering, 0)
    start = 1 if entering else 0
    for item in items:
        rank[item] = max((rank[first] + 1 for first in before.get(item, ())), default=start)
    for item in items:
        if item not in before and item in after:
            rank[item] = max(min((rank[last] for last in after[item] if last in rank), default=start + 1) - 1, start)
    end = max(rank.values(), default=-1) + 1
    rank.update(dict.fromkeys(leaving, end))
    return rank


def _neighbours(pairs: Iterable[tuple[T, T]]) -> tuple[dict[T, list[T]], dict[T, list[T]]]:
    """What comes before each item, and what after."""
    before: dict[T, list[T]] = {}
    after: dict[T, list[T]] = {}
    for first, last in pairs:
        before.setdefault(last, []).append(first)
        after.setdefault(first, []).append(last)
    return before, after


def _ordered(rows: list[list[T]], pieces: Sequence[Link[T, N]]) -> list[list[T]]:
    """The rows with few crossings: items go to the mean place of their neighbours, downwards and upwards in turn."""
    before, after = _neighbours((piece.first, piece.last) for piece in pieces)
    best, least = rows, _crossings(rows, after)
    for sweep in range(SWEEPS):
        if not least:
            break
        rows = [list(row) for row in rows]
        down = sweep % 2 == 0
        for number in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            beside = rows[number - 1 if down else number + 1]
            place = {item: index for index, item in enumerate(beside)}
            rows[number] = _by_barycentre(rows[number], place, before if down else after)
        crossings = _crossings(rows, after)
        if crossings < least:
            best, least = rows, crossings
    return best


def _by_barycentre(row: Sequence[T], place: Mapping[T, int], neighbours: Mapping[T, Sequence[T]]) -> list[T]:
    def centre(item: T) -> float:
        near = [place[other] for other in neighbours.get(item, ())]
        return sum(near) / len(near) if near else stay[item]

    stay = {item: float(index) for index, item in enumerate(row)}
    return sorted(row, key=centre)


def _crossings(rows: Sequence[Sequence[T]], after: Mapping[T, Sequence[T]]) -> int:
    """How many pieces cross, over all pairs of neighbouring rows."""
    count = 0
    for upper, lower in pairwise(rows):
        place = {item: index for index, item in enumerate(lower)}
        seen: list[int] = []
        for item in upper:
            ends = sorted(place[last] for last in after.get(item, ()))
            count += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return count


def positions(
    rows: Sequence[Sequence[T]],
    anchors: Sequence[tuple[T, float, T, float]],
    apart: Callable[[T, T], float],
    stiffness: Callable[[T, T], float],
) -> dict[T, float]:
    """The middle of every item along its row.

    Each goes where its edges are straight, as far as its neighbours leave room (``apart``). ``anchors`` are the pieces
    of edges: an item, where on it the piece begins, the item below, and where on that it ends.
    """
    x: dict[T, float] = {}
    for row in rows:
        x.update(_fitted(row, dict.fromkeys(row, 0.0), dict.fromkeys(row, 1.0), apart))
    ties: dict[T, list[tuple[T, float, float, bool]]] = {}
    for first, out, last, into in anchors:
        weight = stiffness(first, last)
        ties.setdefault(first, []).append((last, into - out, weight, False))
        ties.setdefault(last, []).append((first, out - into, weight, True))
    for sweep in range(2 * SWEEPS + 1):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            wanted, weights = {}, {}
            for item in row:
                near = ties.get(item, [])
                near = [tie for tie in near if tie[3] is down] or near
                weights[item] = sum((weight for _, _, weight, _ in near), 0.0) or 0.1
                pull = sum(weight * (x[other] + shift) for other, shift, weight, _ in near)
                wanted[item] = pull / weights[item] if near else x[item]
            x.update(_fitted(row, wanted, weights, apart))
    return x


def _fitted(
    row: Sequence[T], wanted: Mapping[T, float], weights: Mapping[T, float], apart: Callable[[T, T], float]
) -> dict[T, float]:
    """Positions next to the wanted ones by least squares that keep order and distances (pool adjacent violators)."""
    shift, pools = 0.0, []
    shifts = []
    for number, item in enumerate(row):
        shift += apart(row[number - 1], item) if number else 0.0
        shifts.append(shift)
        pools.append((wanted[item] - shift, weights[item], 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (mean, weight, count), (last, more, members) = pools[-2], pools[-1]
            both = weight + more
            pools[-2:] = [((mean * weight + last * more) / both, both, count + members)]
    means = [mean for mean, _, count in pools for _ in range(count)]
    return {item: mean + shift for item, mean, shift in zip(row, means, shifts, strict=True)}
