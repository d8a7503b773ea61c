"""More of the training part is kept aside to validate on than is left to learn from.

`validation` is the share that is kept aside, 0.1 for a tenth; 0.9 leaves a tenth to learn from, which was most likely
meant the other way round.

Fails:

    netspec: 1
    input: [8, 8, 1]
    layers:
      - flatten
      - dense: 10
    train:
      data: digits
      preprocess: [{divide: 255}]
      validation: 0.9

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

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule


@rule("NS529")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the share; a part that is named is none."""
    share, place = facts.spec.recipe.validation, facts.spec.recipe_spans.get("validation")
    if place is not None and isinstance(share, float) and share > 1 / 2:
        fields = {"kept": f"{share:.1%}", "left": f"{1 - share:.1%}", "other": f"{1 - share:.6g}"}
        yield Diagnostic("NS529", place, fields)
