"""A very deep stack without shortcuts and without normalisation.

From some twenty layers on a plain stack trains worse than a shallower one, not for want of data but because signals and
gradients fade or explode on the way (He, Zhang, Ren and Sun 2015). Shortcuts (`add` with an empty branch) or a
normalisation behind each convolution keep both in range.

Fails:

    netspec: 1
    input: [4]
    blocks:
      cell: {layers: [{dense: 4}, relu]}
    layers:
      - cell:
        repeat: 24
      - dense: 2

Passes:

    netspec: 1
    input: [4]
    blocks:
      cell: {layers: [{dense: {units: 4, bias: false}}, batch_norm, relu]}
    layers:
      - cell:
        repeat: 24
      - dense: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.graph import Value
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule
from netspec.lint.facts import normalises

_MOST = 20


@rule("NS315")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the first layer beyond that depth."""
    if any(normalises(node) or node.op.has("merges") for node in facts.graph):
        return
    depths = _depths(facts)
    for node in facts.graph:
        if depths[node.output] > _MOST:
            yield Diagnostic("NS315", facts.place(node), {"layer": node.path, "depth": max(depths.values())})
            return


def _depths(facts: Facts) -> dict[Value, int]:
    """Layers with weights on the longest way to each value."""
    depths: dict[Value, int] = {}
    for node in facts.graph:
        reached = max((depths.get(value, 0) for value in node.data), default=0) + node.op.has("macs")
        depths.update(dict.fromkeys(node.outputs, reached))
    return depths
