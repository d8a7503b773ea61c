"""What a picture of a network shows: boxes, the arrows between them, and the groups they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple

from netspec.analysis.cost import LayerCost, cost
from netspec.analysis.describe import describe
from netspec.core.formulas import times
from netspec.core.graph import Graph, Node, Value

Kind = Literal["input", "output", "convolution", "dense", "pooling", "merge", "other"]


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """A layer with what is folded into it, an input, or a head; two are the same only if they are the same object.

    ``lines`` are its op with attributes and the ops folded into it; ``remark`` is what there is no room for. ``name``
    is the path without the merges whose branches it is in.
    """

    path: str
    name: str
    kind: Kind
    lines: tuple[str, ...]
    shape: str
    remark: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """Boxes and clusters that belong together: a group, a copy or a block, or (not ``framed``) a branch.

    ``name`` is the path without the merges whose branches it is in.
    """

    path: str
    name: str
    framed: bool
    items: tuple[Box | Cluster, ...]

    def boxes(self) -> Iterator[Box]:
        """All boxes in it, in order."""
        for item in self.items:
            if isinstance(item, Box):
                yield item
            else:
                yield from item.boxes()


class Picture(NamedTuple):
    """A network as boxes and arrows; ``edges`` go from earlier boxes to later ones, each once."""

    name: str
    root: Cluster
    edges: tuple[tuple[Box, Box], ...]


def picture(graph: Graph, fold: bool = True) -> Picture:
    """The picture of a forward graph.

    With ``fold`` a layer that keeps the shape and takes nothing but the output of one other (an activation, a
    normalisation, a dropout) is shown in the box of that layer.
    """
    parts = folded(graph) if fold else [[node] for node in graph.nodes]
    rows = dict(zip(graph.nodes, cost(graph).layers, strict=True))
    maker: dict[Value, Box] = {}
    for value in graph.inputs:
        maker[value] = Box(value.name, value.name, "input", ("input",), times(value.type.shape))
    inputs = tuple(maker.values())
    merges = frozenset(node.path for node in graph.nodes if node.op.has("merges"))
    layers: list[Box] = []
    edges: dict[tuple[Box, Box], None] = {}
    for nodes in parts:
        box = _box(nodes, [rows[node] for node in nodes], merges)
        layers.append(box)
        edges.update({(maker[v], box): None for node in nodes for v in node.data if v in maker})
        maker.update((value, box) for node in nodes for value in node.outputs)
    heads = []
    if list(graph.heads) not in ([], ["main"]):
        for name, value in graph.heads.items():
            heads.append(Box(name, name, "output", ("output",), times(value.type.shape)))
            edges[maker[value], heads[-1]] = None
    items = (*inputs, *_clusters(layers, 1, merges), *heads)
    return Picture(graph.name, Cluster("", "", False, items), tuple(edges))


def folded(graph: Graph) -> list[list[Node]]:
    """The nodes, each with those that only change its numbers in place: what is shown in one box."""
    readers, heads = graph.consumers(), set(graph.heads.values())
    parts: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        x = node.data[0] if len(node.data) == 1 else None
        own = x is None or x not in parts or len(readers[x]) > 1 or x in heads or not _accompanies(node)
        part = [node] if own or x is None else [*parts.pop(x), node]
        parts[node.output] = part
    order = {node: number for number, node in enumerate(graph.nodes)}
    return sorted(parts.values(), key=lambda part: order[part[0]])


def _accompanies(node: Node) -> bool:
    """Whether a layer only changes the numbers of the one before it, in place."""
    same = node.data[0].type.shape == node.output.type.shape
    return same and not any(node.op.has(method) for method in ("geometry", "macs", "merges"))


def _box(nodes: list[Node], rows: list[LayerCost], merges: frozenset[str]) -> Box:
    first, last = nodes[0], nodes[-1]
    lines = [describe(first.attrs), *(f"+ {describe(node.attrs)}" for node in nodes[1:])]
    params, macs = sum(row.params for row in rows), sum(row.macs for row in rows)
    paths = ", ".join(node.path for node in nodes)
    counts = [f"{params:,} parameters"] if params else []
    counts += [f"{macs:,} MACs"] if macs else []
    remark = f"{paths}: {', '.join(counts)}" if counts else paths
    return Box(
        first.path, _without(first.path, merges), _kind(first), tuple(lines), times(last.output.type.shape), remark
    )


def _without(path: str, merges: frozenset[str]) -> str:
    """The path without the names of merges that it leads through."""
    names = path.split("/")
    return "/".join(name for i, name in enumerate(names, 1) if i == len(names) or "/".join(names[:i]) not in merges)


def _kind(node: Node) -> Kind:
    if node.op.has("merges"):
        return "merge"
    before, after = node.data[0].type, node.output.type
    if node.op.has("macs"):
        return "convolution" if before.spatial else "dense"
    fewer = after.positions < before.positions and after.channels == before.channels
    return "pooling" if node.op.has("geometry") or fewer else "other"


def _clusters(boxes: Iterable[Box], depth: int, merges: frozenset[str]) -> list[Box | Cluster]:
    """Boxes that follow one another below the same path, put together; ``depth`` is the length of that path.

    A merge and its branches stand side by side in the group around them, so its path makes no cluster. What would
    hold one thing only is that thing.
    """
    found: list[Box | Cluster] = []
    for above, run in groupby(boxes, key=lambda box: _above(box, depth)):
        if above is None:
            found.extend(run)
            continue
        inner = _clusters(run, depth + 1, merges)
        if above in merges or len(inner) == 1:
            found.extend(inner)
        else:
            parent = above.rpartition("/")[0]
            found.append(Cluster(above, _without(above, merges), parent not in merges, tuple(inner)))
    return found


def _above(box: Box, depth: int) -> str | None:
    """The first ``depth`` names of a box's path; None where it has no more than these."""
    names = box.path.split("/")
    return "/".join(names[:depth]) if len(names) > depth else None


def below(name: str, around: str) -> str:
    """A name as seen from within the cluster of the name ``around``."""
    return name.removeprefix(f"{around}/") if around else name
