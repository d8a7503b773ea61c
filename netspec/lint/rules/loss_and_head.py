"""The loss cannot be taken of the head, such as when it has another number of class weights than there are classes.

Training could not start. Class weights are one factor for each number that the head gives, in their order.

Fails:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 3
    train:
      loss: {cross_entropy: {class_weights: [1, 2]}}

Passes:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 3
    train:
      loss: {cross_entropy: {class_weights: [1, 2, 2]}}
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.builder import Builder
from netspec.core.op import ShapeError
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule


@rule("NS504")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the loss, for each head that has no other and is refused by it."""
    loss, place = facts.spec.recipe.loss, facts.spec.recipe_spans.get("loss")
    if place is None:
        return
    for name, head in facts.graph.heads.items():
        if head in facts.spec.guessed or facts.spec.recipe.head(name).loss is not loss:
            continue
        g = Builder("loss")
        try:
            loss.apply(g, head, g.input("target", loss.target(head.type)))
        except ShapeError as error:
            yield Diagnostic(error.code, place, {**error.fields, "head": name})
