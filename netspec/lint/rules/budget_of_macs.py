"""More multiply-accumulates than the budget allows.

Multiply-accumulates say how long a prediction takes at least. The finding stands at the layer that takes the most.
Budgets stand in the linter's settings.

Settings:

    [tool.netspec.lint]
    budgets = {max_macs = "10k"}

Fails:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 8, kernel: 3}
      - relu
      - conv: {filters: 8, kernel: 3}
      - relu

Passes:

    netspec: 1
    input: [8, 8, 3]
    layers:
      - conv: {filters: 2, kernel: 3}
      - relu
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule


@rule("NS402")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the layer that has the greatest share."""
    limit, found = facts.budgets.max_macs, facts.cost.macs if facts.budgets.max_macs is not None else 0
    if limit is not None and facts.spec.complete and found > limit:
        row, node = facts.largest(lambda row: row.macs)
        fields = {"found": f"{found:,}", "limit": f"{limit:,}", "layer": node.path, "share": f"{row.macs:,}"}
        yield Diagnostic("NS402", facts.place(node), fields)
