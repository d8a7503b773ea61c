"""More memory than the budget allows.

A training step holds what every layer leaves, for the whole batch, until the gradients have come back. The figure is
the one of `netspec summary`, as planned for the CPU; the finding stands at the layer that leaves the most. Budgets
stand in the linter's settings.

Settings:

    [tool.netspec.lint]
    budgets = {max_memory = "100KiB"}

Fails:

    netspec: 1
    input: [16, 16, 3]
    layers:
      - conv: {filters: 8, kernel: 3}
      - relu
      - flatten
      - dense: 2
    train: {batch: 64}

Passes:

    netspec: 1
    input: [16, 16, 3]
    layers:
      - conv: {filters: 2, kernel: 3}
      - relu
      - flatten
      - dense: 2
    train: {batch: 1}
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.diagnostics.text import size
from netspec.lint.engine import Facts, rule


@rule("NS403")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the layer that leaves the most."""
    limit = facts.budgets.max_memory
    if limit is None or not facts.spec.complete or not facts.graph.heads or not facts.graph.nodes:
        return
    found = facts.memory["memory_train_bytes"]
    if found > limit:
        row, node = facts.largest(lambda row: row.activation_bytes)
        batch = facts.spec.recipe.batch
        fields = {
            "found": size(found),
            "limit": size(limit),
            "batch": batch,
            "layer": node.path,
            "share": size(row.activation_bytes * batch),
        }
        yield Diagnostic("NS403", facts.place(node), fields)
