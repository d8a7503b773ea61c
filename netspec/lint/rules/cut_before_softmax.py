"""An activation directly before a softmax.

A softmax wants the numbers of the layer before it as they are, negative ones too: they say how unlikely a class is. A
relu makes all unlikely classes equal and lets no gradient through to them; a sigmoid leaves numbers between 0 and 1, of
which softmax makes nearly equal probabilities.

Fails:

    netspec: 1
    input: [8]
    layers:
      - dense: 8
      - relu
      - dense: 3
      - relu
      - softmax

Passes:

    netspec: 1
    input: [8]
    layers:
      - dense: 8
      - relu
      - dense: 3
      - softmax
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule

_CUTS = {"relu": "cuts off all negative numbers", "relu6": "cuts off all negative numbers"}
_CUTS |= {"sigmoid": "leaves numbers between 0 and 1", "hard_sigmoid": "leaves numbers between 0 and 1"}


@rule("NS316")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the activation."""
    for node in layers(facts, *_CUTS):
        following = facts.following(node)
        if following is not None and following.op.name == "softmax":
            fields = {"layer": node.path, "softmax": following.path, "does": _CUTS[node.op.name]}
            yield Diagnostic("NS316", facts.place(node), fields)
