"""The best k of no more than k classes.

`top_k: 5` asks whether the right class is among the five that the network holds likeliest. Of five classes or fewer it
always is, and the metric says 1 whatever was learnt.

Fails:

    netspec: 1
    input: [8]
    layers:
      - dense: 2
      - softmax
    train:
      metrics: [accuracy, {top_k: 5}]

Passes:

    netspec: 1
    input: [8]
    layers:
      - dense: 100
      - softmax
    train:
      metrics: [accuracy, {top_k: 5}]
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule


@rule("NS528")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the metric, for a head that is measured by the metrics of ``train:``."""
    recipe, places = facts.spec.recipe, facts.spec.recipe_items.get("metrics", ())
    for place, (_, metric) in zip(places, recipe.metrics if len(places) == len(recipe.metrics) else (), strict=False):
        best = getattr(metric, "k", None)
        for name, head in facts.graph.heads.items():
            measured = recipe.head(name).metrics is recipe.metrics and head not in facts.spec.guessed
            if best is not None and measured and best >= head.type.channels:
                yield Diagnostic("NS528", place, {"k": best, "classes": head.type.channels})
