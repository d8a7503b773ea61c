"""The test part is named to validate on.

Validation chooses among checkpoints, epochs and settings. A network that was chosen by the test part has seen it, and
its score there says nothing of new data: training refuses it.

Fails:

    netspec: 1
    input: [8, 8, 1]
    layers:
      - flatten
      - dense: 10
    train:
      data: digits
      preprocess: [{divide: 255}]
      validation: test

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
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.declare import declaration_of
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule


@rule("NS908")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the part's name."""
    recipe, place = facts.spec.recipe, facts.spec.recipe_spans.get("validation")
    if recipe.validation == "test" and recipe.data is not None and place is not None:
        yield Diagnostic("NS908", place, {"data": declaration_of(recipe.data).name, "part": "test"})
