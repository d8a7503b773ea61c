"""A dropout that drops nearly everything.

The rate is the share that is dropped, not the share that is kept, as it was in TensorFlow 1. More than four fifths
leave little to learn from; 0.1 to 0.5 are usual.

Fails:

    netspec: 1
    input: [8]
    layers:
      - dense: 8
      - relu
      - dropout: 0.9
      - dense: 2

Passes:

    netspec: 1
    input: [8]
    layers:
      - dense: 8
      - relu
      - dropout: 0.1
      - dense: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, layers, rule

_MOST = 0.8


@rule("NS518")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the rate."""
    for node in layers(facts, "dropout"):
        rate = node.attrs.rate
        if rate > _MOST:
            fields = {"layer": node.path, "rate": f"{rate:g}", "kept": f"{1 - rate:.2g}"}
            yield Diagnostic("NS518", facts.place(node, "rate"), fields)
