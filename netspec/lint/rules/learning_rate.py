"""A learning rate out of the range that is usual for its optimiser.

Each optimiser has its own scale: 0.1 is common for SGD, and a hundred times too much for Adam. Too high a rate makes
the loss rise or become NaN, too low a one wastes the run. Each optimiser states its usual range.

Fails:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 10
    train:
      optimizer: adam
      lr: 0.1

Passes:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 10
    train:
      optimizer: adam
      lr: 0.001
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.declare import declaration_of
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule


@rule("NS513")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the learning rate, or where none is written at the optimiser."""
    recipe, spans = facts.spec.recipe, facts.spec.recipe_spans
    place = spans.get("lr", spans.get("optimizer"))
    main = declaration_of(recipe.lr).main
    usual = getattr(recipe.optimizer, "usual_rates", None)
    if place is None or main is None or usual is None:
        return
    rate, (lowest, highest) = getattr(recipe.lr, main), usual
    if not lowest <= rate <= highest:
        name = declaration_of(recipe.optimizer).name
        fields = {"rate": f"{rate:g}", "optimizer": name, "lowest": f"{lowest:g}", "highest": f"{highest:g}"}
        fields["usual"] = f"{recipe.optimizer.default_rate:g}"
        yield Diagnostic("NS513", place, fields)
