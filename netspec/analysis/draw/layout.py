"""Where the boxes of a picture stand: a layered layout, cluster within cluster.

After Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (1981): rows by
longest path, order within a row by barycentres, positions by least squares. A cluster is laid out by itself and then is
one large item of the cluster around it, so no two clusters overlap; an edge into it meets its upper border in a port.
An edge that passes rows goes through a lane of its own in each of them, so no edge crosses a box.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from netspec.analysis.draw.picture import Box, Cluster, Picture
from netspec.analysis.draw.rows import Link, arrange, positions

ROW_GAP = 30.0
"""Between two rows: room for the curves of edges."""

BESIDE = 24.0
"""Between two items of a row."""

LANE = 16.0
"""Between an edge that passes a row and what is beside it."""

FRAME = 14.0
"""Between the frame of a cluster and what is in it."""

LABEL = 22.0
"""Height that the label of a cluster takes."""


class Area(NamedTuple):
    """A rectangle, in pixels, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float


class Curve(NamedTuple):
    """One piece of an edge: from (x0, y0) straight down to ``bend0``, over to x1 at ``bend1``, straight down to y1."""

    x0: float
    y0: float
    bend0: float
    bend1: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture laid out; everything lies between 0 and ``width``, 0 and ``height``."""

    width: float
    height: float
    boxes: Mapping[Box, Area]
    clusters: Mapping[Cluster, Area]
    curves: tuple[Curve, ...]


@dataclass(slots=True, eq=False)
class _Item:
    """What takes a place in a row: a box, a cluster with its own layout, a port, or the lane of a passing edge."""

    width: float = 0.0
    height: float = 0.0
    box: Box | None = None
    inside: _Inside | None = None
    lane: bool = False
    x: float = 0.0
    y: float = 0.0

    @property
    def thin(self) -> bool:
        return self.box is None and self.inside is None

    def port(self, net: Box, leaving: bool) -> float:
        """Where the edge from ``net`` meets the item, from its middle."""
        if self.inside is None:
            return 0.0
        ports = self.inside.leaving if leaving else self.inside.entering
        return ports[net] - self.width / 2


@dataclass(slots=True, eq=False)
class _Inside:
    """The layout of one cluster, from its own upper left corner; ports by the box that an edge comes from."""

    cluster: Cluster
    width: float = 0.0
    height: float = 0.0
    items: list[_Item] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    entering: dict[Box, float] = field(default_factory=dict)
    leaving: dict[Box, float] = field(default_factory=dict)


def lay_out(picture: Picture, sizes: Mapping[Box, tuple[float, float]], labels: Mapping[Cluster, float]) -> Layout:
    """Place everything. ``sizes`` are width and height of every box, ``labels`` the widths of the clusters' labels."""
    inside = _cluster(picture.root, picture.edges, sizes, labels)
    boxes: dict[Box, Area] = {}
    clusters: dict[Cluster, Area] = {}
    curves: list[Curve] = []
    _collect(inside, 0.0, 0.0, boxes, clusters, curves)
    return Layout(inside.width, inside.height, boxes, clusters, tuple(curves))


def _collect(
    inside: _Inside,
    x: float,
    y: float,
    boxes: dict[Box, Area],
    clusters: dict[Cluster, Area],
    curves: list[Curve],
) -> None:
    """Write down all that is in a cluster whose upper left corner is at (x, y), outer frames before inner ones."""
    if inside.cluster.framed:
        clusters[inside.cluster] = Area(x, y, inside.width, inside.height)
    curves += [Curve(c.x0 + x, c.y0 + y, c.bend0 + y, c.bend1 + y, c.x1 + x, c.y1 + y) for c in inside.curves]
    for item in inside.items:
        left, top = x + item.x - item.width / 2, y + item.y
        if item.box is not None:
            boxes[item.box] = Area(left, top, item.width, item.height)
        elif item.inside is not None:
            _collect(item.inside, left, top, boxes, clusters, curves)


def _cluster(
    cluster: Cluster,
    edges: Iterable[tuple[Box, Box]],
    sizes: Mapping[Box, tuple[float, float]],
    labels: Mapping[Cluster, float],
) -> _Inside:
    """Lay out a cluster; of ``edges`` count those that begin or end in it."""
    home = {box: item for item in cluster.items for box in ((item,) if isinstance(item, Box) else item.boxes())}
    near = [edge for edge in edges if edge[0] in home or edge[1] in home]
    items: dict[Box | Cluster, _Item] = {}
    for part in cluster.items:
        if isinstance(part, Box):
            items[part] = _Item(*sizes[part], box=part)
        else:
            inside = _cluster(part, near, sizes, labels)
            items[part] = _Item(inside.width, inside.height, inside=inside)
    entering = {net: _Item() for net, target in near if net not in home}
    leaving = {net: _Item() for net, target in near if net in home and target not in home}
    links: dict[Link[_Item, Box], None] = {}
    for net, target in near:
        first = items[home[net]] if net in home else entering[net]
        last = items[home[target]] if target in home else leaving[net]
        if first is not last:
            links[Link(first, last, net)] = None
    result = _Inside(cluster, items=list(items.values()))
    rows, pieces = arrange(list(entering.values()), result.items, list(leaving.values()), list(links), _lane)
    _place(result, rows, pieces, labels.get(cluster, 0.0))
    result.entering = {net: item.x for net, item in entering.items()}
    result.leaving = {net: item.x for net, item in leaving.items()}
    return result


def _place(result: _Inside, rows: Sequence[Sequence[_Item]], pieces: Sequence[Link[_Item, Box]], label: float) -> None:
    """Give every item of the rows its place, and every piece of an edge its curve."""
    anchors = [(p.first, p.first.port(p.net, True), p.last, p.last.port(p.net, False)) for p in pieces]
    places = positions(rows, anchors, _apart, _stiffness)
    framed = result.cluster.framed
    margin = FRAME if framed else 0.0
    left = min((x - i.width / 2 for i, x in places.items()), default=0.0) - margin
    right = max((x + i.width / 2 for i, x in places.items()), default=0.0) + margin
    missing = max(label + 2 * FRAME - (right - left), 0.0)
    for item, x in places.items():
        item.x = round(x - left + missing / 2, 2)
    result.width = right - left + missing
    tops, bottoms = _heights(result, rows, anchors)
    row_of = {item: number for number, row in enumerate(rows) for item in row}
    for first, out, last, into in anchors:
        above, under = row_of[first], row_of[last]
        start = tops[above] if first.thin else first.y + first.height
        end = tops[under] if last.thin else last.y
        curve = Curve(first.x + out, start, bottoms[above], tops[under], last.x + into, end)
        result.curves.append(curve)


def _heights(
    result: _Inside, rows: Sequence[Sequence[_Item]], anchors: Sequence[tuple[_Item, float, _Item, float]]
) -> tuple[list[float], list[float]]:
    """Set the items' y, in the middle of their rows; returns the upper and the lower borders of the rows."""
    framed = result.cluster.framed
    slanted = {
        id(first) for first, out, last, into in anchors if abs(first.x + out - last.x - into) > 0.5
    }  # by the item above
    tops: list[float] = []
    bottoms: list[float] = []
    y = 0.0
    for number, row in enumerate(rows):
        if number == 0 and framed and not all(item.thin for item in row):
            y = LABEL
        height = max((item.height for item in row), default=0.0)
        for item in row:
            item.y = round(y + (height - item.height) / 2, 2)
        tops.append(y)
        bottoms.append(y + height)
        bent = any(id(item) in slanted for item in row)
        ports = (number == 0 and _ports(row)) or (number + 2 >= len(rows) and _ports(rows[-1]))
        gap = ROW_GAP if bent or not ports else FRAME if framed else 0.0
        y += height + (max(gap, LABEL + 6) if number == 0 and framed and _ports(row) else gap)
    result.height = bottoms[-1] if bottoms else 0.0
    if framed and rows and not _ports(rows[-1]):
        result.height += FRAME
    return tops, bottoms


def _ports(row: Sequence[_Item]) -> bool:
    return all(item.thin for item in row)


def _apart(left: _Item, right: _Item) -> float:
    """Least distance of the middles of two neighbours in a row."""
    return (left.width + right.width) / 2 + (LANE if left.thin or right.thin else BESIDE)


def _lane() -> _Item:
    return _Item(lane=True)


def _stiffness(first: _Item, last: _Item) -> float:
    """How much it counts that a piece of an edge is straight: within a lane, then along the flow; a lane gives way."""
    if first.lane and last.lane:
        return 8.0
    return 0.002 if first.lane or last.lane else 4.0
