"""A schedule that waits longer than the run lasts.

The rate would never reach what it is meant to: a warm-up that is not over at the end, or a drop that comes after it.

Fails:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 10
    train:
      lr: {step: {start: 0.1, every: 30}}
      epochs: 20

Passes:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 10
    train:
      lr: {step: {start: 0.1, every: 30}}
      epochs: 90
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.declare import declaration_of
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule

_WAITING = ("warmup_epochs", "every")


@rule("NS517")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the schedule."""
    recipe, place = facts.spec.recipe, facts.spec.recipe_spans.get("lr")
    for name in _WAITING:
        waits = getattr(recipe.lr, name, 0)
        if place is not None and waits >= recipe.epochs:
            fields = {"schedule": declaration_of(recipe.lr).name, "attribute": name, "waits": f"{waits:g}"}
            yield Diagnostic("NS517", place, {**fields, "epochs": recipe.epochs})
            return
    drops = [epoch for epoch in getattr(recipe.lr, "drops", ()) if epoch >= recipe.epochs]
    if place is not None and drops:
        about = {"schedule": declaration_of(recipe.lr).name, "drop": min(drops), "epochs": recipe.epochs}
        yield Diagnostic("NS517", place, about)
