"""Poolings whose sizes are rounded up.

Caffe rounds up, Keras always rounds down, PyTorch has a switch (`ceil_mode`). Where the two differ, a network that is
carried over by hand gets maps of another size. netspec and its exports keep what the spec says.

Fails:

    netspec: 1
    input: [9, 9, 3]
    layers:
      - max_pool: {size: 2, round: ceil}

Passes:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - max_pool: {size: 2, round: ceil}
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core import formulas
from netspec.core.declare import attributes_of
from netspec.core.graph import Node
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule


@rule("NS601")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """One finding, at the first layer where rounding matters."""
    found = [node for node in layers(facts) if getattr(node.attrs, "round", "floor") == "ceil" and _matters(node)]
    if found:
        sides = formulas.times(found[0].output.type.spatial)
        others = len({facts.place(node) for node in found}) - 1
        fields = {
            "layer": found[0].path,
            "sides": sides,
            "others": others or None,
        }
        yield Diagnostic("NS601", facts.place(found[0], "round"), fields)


def _matters(node: Node) -> bool:
    floor = type(node.attrs)(**{**attributes_of(node.attrs), "round": "floor"})
    return bool(floor.geometry(node.data[0].type).output != node.output.type.spatial)
