"""A batch larger than the training data.

There would be one step per epoch, on less than a batch. The part that is kept aside for validation is not trained on.

Fails:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 10
    train:
      data: mnist
      preprocess: [{divide: 255}]
      batch: 60000
      validation: 0.1

Passes:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 10
    train:
      data: mnist
      preprocess: [{divide: 255}]
      batch: 64
      validation: 0.1
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.declare import declaration_of
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule


@rule("NS515")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the batch; of data whose size is known without reading more than headers."""
    recipe = facts.spec.recipe
    if facts.data is None or facts.data.samples is None:
        return
    aside = recipe.validation if isinstance(recipe.validation, float) else 0.0  # else a part of its own
    samples = round(facts.data.samples * (1 - aside))
    if recipe.batch > samples:
        fields = {"batch": f"{recipe.batch:,}", "data": declaration_of(recipe.data).name, "samples": f"{samples:,}"}
        place = facts.spec.recipe_spans.get("batch", facts.spec.recipe_spans["data"])
        yield Diagnostic("NS515", place, fields)
