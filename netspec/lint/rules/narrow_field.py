"""Places that see too little of the image before they are averaged.

A global pooling adds up what each place has found. Where no place has seen more than a fifth of the image, the
network counts textures and cannot tell shapes. More layers, strides or poolings before it widen what a place sees.
With one or two windows it is a sketch, and nothing is said of it.

Fails:

    netspec: 1
    input: [64, 64, 3]
    layers:
      - conv: {filters: 8, kernel: 3, padding: same}
      - relu
      - conv: {filters: 8, kernel: 3, padding: same}
      - relu
      - conv: {filters: 8, kernel: 3, padding: same}
      - relu
      - global_avg_pool
      - dense: 2

Passes:

    netspec: 1
    input: [32, 32, 3]
    layers:
      - conv: {filters: 8, kernel: 3, padding: 1, stride: 2}
      - relu
      - max_pool: 2
      - conv: {filters: 8, kernel: 3, padding: same}
      - relu
      - conv: {filters: 8, kernel: 3, padding: same}
      - relu
      - global_avg_pool
      - dense: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core import formulas
from netspec.core.graph import Node
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule

_SHARE = 0.2
_FEWEST_WINDOWS = 3
_POOLINGS = ("global_avg_pool", "global_max_pool")


@rule("NS313")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the pooling that a head rests on; one within a gate sees little on purpose."""
    if not facts.spec.complete or len(facts.graph.inputs) != 1 or _windows(facts) < _FEWEST_WINDOWS:
        return
    image = facts.graph.inputs[0].type.spatial
    for node in layers(facts, *_POOLINGS):
        field = facts.fields.get(node.data[0])
        if field is None or len(field.size) != len(image) or not _leads_to_a_head(facts, node):
            continue
        if all(seen < _SHARE * side for seen, side in zip(field.size, image, strict=True)):
            fields = {"layer": node.path, "seen": formulas.times(field.size), "image": formulas.times(image)}
            yield Diagnostic("NS313", facts.place(node), fields)


def _windows(facts: Facts) -> int:
    """The layers with a window of more than one cell."""
    sliding = (node for node in facts.graph.nodes if node.op.has("geometry"))
    return sum(any(side > 1 for side in node.attrs.geometry(node.data[0].type).size) for node in sliding)


def _leads_to_a_head(facts: Facts, node: Node) -> bool:
    heads = set(facts.graph.heads.values())
    following: Node | None = node
    while following is not None and following.output not in heads:
        following = facts.following(following)
        if following is not None and following.op.has("merges"):
            return False
    return following is not None
