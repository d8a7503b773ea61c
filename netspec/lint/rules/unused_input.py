"""An input of the network that nothing takes.

Data would be read for it that no layer sees. With several inputs a layer says by `from` which of them it takes.

Fails:

    netspec: 1
    inputs: {left: [8, 8, 3], right: [8, 8, 3]}
    layers:
      - conv: {filters: 4, kernel: 3}
        from: left
      - relu

Passes:

    netspec: 1
    inputs: {left: [8, 8, 3], right: [8, 8, 3]}
    layers:
      - concat:
        from: [left, right]
      - conv: {filters: 4, kernel: 3}
      - relu
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule


@rule("NS240")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the input's shape."""
    if not facts.spec.complete or not facts.graph.nodes:
        return
    for value in facts.graph.inputs:
        if value not in facts.consumers and value not in facts.graph.heads.values():
            yield Diagnostic("NS240", facts.spec.inputs[value.name].span, {"input": value.name})
