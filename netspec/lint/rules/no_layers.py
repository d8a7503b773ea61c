"""A network without layers: its output is its input.

Every layer may have been left out, by `when`, by `repeat: 0`, or because none was written.

Fails:

    netspec: 1
    input: [4]
    layers: []

Passes:

    netspec: 1
    input: [4]
    layers:
      - dense: 3
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule


@rule("NS241")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the input that is the output."""
    for name, head in facts.graph.heads.items():
        if head.role == "input" and facts.spec.complete and head.name in facts.spec.inputs:
            yield Diagnostic("NS241", facts.spec.inputs[head.name].span, {"head": name, "input": head.name})
