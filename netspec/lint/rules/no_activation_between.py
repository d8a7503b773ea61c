"""Two convolutions or dense layers with nothing between them.

Without an activation between them two linear layers are one linear layer: the second adds parameters and time, but
nothing that the first could not have learned. A bottleneck inside an `add` branch that ends linear on purpose is no
finding, since what follows it is the sum.

Fails:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 4, kernel: 3}
      - conv: {filters: 4, kernel: 3}
      - relu
      - flatten
      - dense: 2

Passes:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 4, kernel: 3}
      - relu
      - conv: {filters: 4, kernel: 3}
      - relu
      - flatten
      - dense: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic, Note
from netspec.lint.engine import Facts, layers, rule

_TRANSPARENT = frozenset({"flatten", "dropout", "identity", "linear"})
_LINEAR = frozenset({"conv", "dense"})


@rule("NS301")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the second of two linear layers."""
    for node in layers(facts, *_LINEAR):
        following = facts.following(node)
        while following is not None and following.op.name in _TRANSPARENT:
            following = facts.following(following)
        if following is not None and following.op.name in _LINEAR and following.op.name == node.op.name:
            fields = {"first": node.path, "second": following.path}
            note = Note(facts.place(node), f"{node.path!r} is linear")
            yield Diagnostic("NS301", facts.place(following), fields, notes=(note,))
