"""The last layer has another number of outputs than the data has classes.

A classifier wants one output per class. With fewer a label lies out of range and training cannot start; with more
the rest are never a target and only ever learn to stay small.

Fails:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 12
    train:
      data: mnist
      preprocess: [{divide: 255}]

Passes:

    netspec: 1
    input: [28, 28, 1]
    layers:
      - flatten
      - dense: 10
    train:
      data: mnist
      preprocess: [{divide: 255}]
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule

LABEL = "label"
"""The field of class numbers, as data sets call it."""


@rule("NS501")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the last layer with parameters on the way to the head."""
    data, head = facts.spec.recipe.data, facts.graph.heads.get("main")
    classes = getattr(data, "classes", None)
    if head is None or head in facts.spec.guessed or classes is None or head.type.channels == classes:
        return
    if facts.spec.recipe.head("main").target not in (None, LABEL):
        return  # it learns another field of the data
    if head.type.channels == 1 and facts.spec.recipe.loss.target(head.type).shape == head.type.shape:
        return  # the loss takes the number of the class as a number
    node = facts.producers.get(head)
    while node is not None and not node.parameters:
        node = facts.producers.get(node.data[0])
    if node is None:
        return
    fields = {
        "data": type(data).declaration.name,
        "classes": classes,
        "outputs": head.type.channels,
        "layer": node.path,
        "suggestion": f"{node.op.main}: {classes}",
    }
    yield Diagnostic("NS501", facts.place(node, node.op.main), fields)
