"""Sigmoids one behind the other, deep in a stack.

The slope of a sigmoid is a quarter at most. A gradient that comes back through several of them is multiplied by as
many quarters, and the first layers hardly learn: the vanishing gradient (Hochreiter 1991; Glorot and Bengio 2010). A
relu keeps the gradient of what is positive as it is. A gate, whose sigmoid is multiplied with something, is no
finding.

Fails:

    netspec: 1
    input: [8]
    layers:
      - dense: 8
      - sigmoid
      - dense: 8
      - sigmoid
      - dense: 8
      - sigmoid
      - dense: 2

Passes:

    netspec: 1
    input: [8]
    layers:
      - dense: 8
      - relu
      - dense: 8
      - relu
      - dense: 8
      - sigmoid
      - dense: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.graph import Node, Value
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule

_FEWEST = 3
"""Sigmoids on one way from which on the gradient is said to vanish: 1/64 is left of it."""


@rule("NS308")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the first sigmoid on the way that has the most of them."""
    hidden = {node for node in layers(facts, "sigmoid") if not _is_gate(facts, node)}
    counts: dict[Value, int] = {}
    first: dict[Value, Node] = {}
    for node in facts.graph if len(hidden) >= _FEWEST else ():
        before = max(node.data, key=lambda value: counts.get(value, 0))
        for value in node.outputs:
            counts[value] = counts.get(before, 0) + (node in hidden)
            if counts[value]:
                first[value] = first.get(before, node)
    last = max(counts, key=lambda value: counts[value], default=None)
    if last is not None and counts[last] >= _FEWEST:
        count, node = counts[last], first[last]
        yield Diagnostic("NS308", facts.place(node), {"count": count, "layer": node.path, "share": f"1/{4**count:,}"})


def _is_gate(facts: Facts, node: Node) -> bool:
    """Whether the sigmoid gives the answer of a head, or factors for something else."""
    readers = facts.consumers.get(node.output, [])
    return not readers or any(reader.op.name == "multiply" for reader in readers)
