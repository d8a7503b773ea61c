"""More parameters than the budget allows.

Parameters are what is stored, sent and loaded. The finding stands at the layer that has the most of them. Budgets
stand in the linter's settings.

Settings:

    [tool.netspec.lint]
    budgets = {max_params = 500}

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


@rule("NS401")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the layer that has the greatest share."""
    limit, found = facts.budgets.max_params, facts.cost.params if facts.budgets.max_params is not None else 0
    if limit is not None and facts.spec.complete and found > limit:
        row, node = facts.largest(lambda row: row.params)
        fields = {"found": f"{found:,}", "limit": f"{limit:,}", "layer": node.path, "share": f"{row.params:,}"}
        yield Diagnostic("NS401", facts.place(node), fields)
