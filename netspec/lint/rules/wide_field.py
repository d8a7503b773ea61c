"""Convolutions whose every output has seen the image several times over.

What a place sees grows with every layer, and faster behind each stride. Once it is several times as wide as the image,
most of it is padding, and further windows find nothing that was not seen before. A network with shortcuts is let be,
since its short ways see little.

Fails:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 8, kernel: 5, padding: 2, stride: 2}
      - relu
      - conv: {filters: 8, kernel: 3, padding: 1, stride: 2}
      - relu
      - conv: {filters: 8, kernel: 3, padding: same}
      - relu
      - conv: {filters: 8, kernel: 3, padding: same}
      - relu
      - conv: {filters: 8, kernel: 3, padding: same}
      - relu
      - conv: {filters: 8, kernel: 3, padding: same}
      - relu
      - conv: {filters: 8, kernel: 3, padding: same}
      - relu

Passes:

    netspec: 1
    input: [32, 32, 3]
    layers:
      - conv: {filters: 8, kernel: 3}
      - relu
      - conv: {filters: 8, kernel: 3}
      - relu
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core import formulas
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule

_TIMES = 4


@rule("NS314")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the first layer with weights that widens what is wide enough."""
    if not facts.spec.complete or len(facts.graph.inputs) != 1 or any(n.op.has("merges") for n in facts.graph):
        return
    image = facts.graph.inputs[0].type.spatial
    for node in layers(facts):
        field = facts.fields.get(node.data[0])
        if not node.op.has("geometry") or not node.op.has("macs") or field is None or len(field.size) != len(image):
            continue
        if facts.window(node).taps > 1 and all(
            seen >= _TIMES * side for seen, side in zip(field.size, image, strict=True)
        ):
            fields = {"layer": node.path, "seen": formulas.times(field.size), "image": formulas.times(image)}
            yield Diagnostic("NS314", facts.place(node), fields)
            return
