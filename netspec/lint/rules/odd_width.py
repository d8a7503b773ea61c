"""A number of channels that does not suit the hardware.

Vector units take 8 or 16 numbers at a time, and kernels of all frameworks work through channels in such groups. What
is left over costs as much time as a full group: 60 channels take as long as 64. Narrow layers, and the last one,
whose width is given by the task, are let be.

Fails:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 60, kernel: 3}
      - relu
      - flatten
      - dense: 10

Passes:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 64, kernel: 3}
      - relu
      - flatten
      - dense: 10
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.graph import Value
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule

_GROUP = 8
_NARROW = 32


@rule("NS405")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the width of a layer behind which another with weights follows."""
    weighted: set[Value] = set()
    found = []
    for node in reversed(facts.graph.nodes):
        width = node.output.type.channels
        main = node.op.attribute(node.op.main) if node.op.main else None
        inner = not weighted.isdisjoint(node.outputs)
        chosen = (
            node.op.has("macs")
            and node.output.type.spatial
            and main is not None
            and main.kind == "int"
            and facts.sized(node)
        )
        if inner and chosen and width >= _NARROW and width % _GROUP:
            found.append((node, width))
        if inner or node.op.has("macs"):
            weighted.update(node.data)
    for node, width in reversed(found):
        fields = {"layer": node.path, "width": width, "group": _GROUP, "wider": -(-width // _GROUP) * _GROUP}
        yield Diagnostic("NS405", facts.place(node, node.op.main), fields)
