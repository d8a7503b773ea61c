"""The last activation is not the one that the loss goes with.

`cross_entropy` takes the logarithm of a softmax, `binary_cross_entropy` that of a sigmoid; each takes that activation
into itself where the network ends in it, and expects plain numbers where it does not. Behind another activation it gets
numbers of the wrong range, and trains badly or not at all. A squared error on a softmax gives gradients that vanish.

Fails:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 10
      - sigmoid
    train:
      loss: cross_entropy

Passes:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 10
      - softmax
    train:
      loss: cross_entropy
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.declare import declaration_of
from netspec.diagnostics import Diagnostic, Note
from netspec.lint.engine import Facts, rule


@rule("NS514")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the last layer of each head that is trained, or at the loss: softmax says what the head is for."""
    place = facts.spec.recipe_spans.get("loss", facts.spec.recipe_spans.get("data"))
    if place is None or facts.refused(place):
        return
    for name, head in facts.graph.heads.items():
        node, loss = facts.producers.get(head), facts.spec.recipe.head(name).loss
        if node is None or head in facts.spec.guessed:
            continue
        last = node.op.name
        squashed = last == "softmax" or (node.op.has("activation") and loss.absorbs is not None)
        if squashed and last != loss.absorbs:
            fields = {"layer": node.path, "loss": declaration_of(loss).name, "absorbs": loss.absorbs}
            if loss.absorbs is None and "loss" in facts.spec.recipe_spans and loss is facts.spec.recipe.loss:
                yield Diagnostic("NS514", place, fields, (Note(facts.place(node), "the last layer"),))
            else:
                yield Diagnostic("NS514", facts.place(node), fields, (Note(place, "the loss"),))
