"""A batch norm whose momentum looks like PyTorch's.

Here and in Keras `momentum` is the share of the old mean that is kept, 0.9 or 0.99; in PyTorch it is the share of the
new one, 0.1 or 0.01. A small number makes the moving statistics follow the last few batches, and predictions jump.

Fails:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 4, kernel: 3, bias: false}
      - batch_norm: {momentum: 0.1}
      - relu

Passes:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 4, kernel: 3, bias: false}
      - batch_norm: {momentum: 0.9}
      - relu
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule

_LEAST = 0.5


@rule("NS603")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the momentum."""
    for node in layers(facts, "batch_norm"):
        momentum = node.attrs.momentum
        if momentum < _LEAST:
            fields = {"layer": node.path, "momentum": f"{momentum:g}", "other": f"{1 - momentum:g}"}
            yield Diagnostic("NS603", facts.place(node, "momentum"), fields)
