"""A batch that does not fit into the memory of the machine.

Training would end before it has begun, or the machine would begin to swap. The figure is that of `netspec summary`, as
planned for the CPU, for the batch of the spec; how much memory there is stands in the linter's settings.

Settings:

    [tool.netspec.lint]
    budgets = {fits = "100KiB"}

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


@rule("NS404")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the batch, else at the first layer."""
    limit = facts.budgets.fits
    if limit is None or not facts.spec.complete or not facts.graph.heads or not facts.graph.nodes:
        return
    found = facts.memory["memory_train_bytes"]
    if found > limit:
        batch = fitting = facts.spec.recipe.batch
        while fitting and facts.planned(fitting)["memory_train_bytes"] > limit:
            fitting //= 2
        fields = {"found": size(found), "limit": size(limit), "batch": batch, "fitting": fitting or None}
        place = facts.spec.recipe_spans.get("batch") or facts.place(facts.graph.nodes[0])
        yield Diagnostic("NS404", place, fields)
