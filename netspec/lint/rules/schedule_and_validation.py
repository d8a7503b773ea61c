"""A schedule goes by the validation loss, but no data is kept aside to validate on.

Without a validation part ``plateau`` never learns whether the loss still falls, so that training is refused.

Fails:

    netspec: 1
    input: [8, 8, 1]
    layers:
      - flatten
      - dense: 10
    train:
      data: digits
      preprocess: [{divide: 255}]
      lr: {plateau: 0.1}

Passes:

    netspec: 1
    input: [8, 8, 1]
    layers:
      - flatten
      - dense: 10
    train:
      data: digits
      preprocess: [{divide: 255}]
      validation: 0.1
      lr: {plateau: 0.1}
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.declare import declaration_of
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule


@rule("NS505")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the schedule. Without data in the spec, a program may hand in what to validate on."""
    recipe, place = facts.spec.recipe, facts.spec.recipe_spans.get("lr")
    watches = declaration_of(recipe.lr).has("after")
    if place is not None and watches and recipe.data is not None and not recipe.validation:
        yield Diagnostic("NS505", place, {"schedule": declaration_of(recipe.lr).name})
