"""One dense layer behind a flattened image that holds most of the parameters.

Every number of the image gets a weight for every unit. A global average pooling in place of `flatten` leaves one number
per channel (Lin, Chen and Yan 2013), and the layer shrinks by the number of places. Networks below a million parameters
are let be.

Fails:

    netspec: 1
    input: [32, 32, 3]
    layers:
      - conv: {filters: 16, kernel: 3, padding: same}
      - relu
      - flatten
      - dense: 128
      - relu
      - dense: 10

Passes:

    netspec: 1
    input: [32, 32, 3]
    layers:
      - conv: {filters: 16, kernel: 3, padding: same}
      - relu
      - max_pool: 8
      - conv: {filters: 16, kernel: 3, padding: same}
      - relu
      - global_avg_pool
      - dense: 10
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule

_FEWEST = 1_000_000


@rule("NS311")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the layer."""
    total = sum(math.prod(slot.param.shape) for slot in facts.graph.slots)
    if not facts.spec.complete or total < _FEWEST:
        return
    for node in layers(facts, "dense"):
        before = facts.producers.get(node.data[0])
        while before is not None and before.op.name == "dropout":
            before = facts.producers.get(before.data[0])
        if before is None or before.op.name != "flatten" or before.data[0].type.positions == 1:
            continue
        share = sum(node.parameter(name).type.elements for name in node.parameters) / total
        if share > 0.5:
            places, channels = before.data[0].type.positions, before.data[0].type.channels
            fields = {"layer": node.path, "share": f"{share:.0%}", "places": f"{places:,}", "channels": channels}
            yield Diagnostic("NS311", facts.place(node), fields)
