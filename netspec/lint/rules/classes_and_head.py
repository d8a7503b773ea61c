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

from netspec.core.graph import Node, Value
from netspec.diagnostics import Diagnostic
from netspec.lint.engine import Facts, rule
from netspec.syntax.source import Positions, Source

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
    behind = list(_behind(facts, head))
    if not behind:
        return
    decides = [node for node in behind if _main(node) == head.type.channels]
    node = (decides or behind)[0]
    fields = {
        "data": type(data).declaration.name,
        "classes": classes,
        "outputs": head.type.channels,
        "layer": node.path,
        "suggestion": _advice(facts, node, classes) if decides else None,
    }
    yield Diagnostic("NS501", facts.place(node, node.op.main), fields)


def _behind(facts: Facts, head: Value) -> Iterator[Node]:
    """The layers with parameters that a head comes from, the last first."""
    node = facts.producers.get(head)
    while node is not None:
        if node.parameters:
            yield node
        node = facts.producers.get(node.data[0]) if node.data else None


def _main(node: Node) -> object:
    """The value of a layer's main attribute, such as how many filters it has."""
    return getattr(node.attrs, node.op.main, None) if node.op.main else None


def _advice(facts: Facts, node: Node, classes: int) -> str | None:
    """What to write, as it is written there; None where the number is made of others."""
    main = node.op.main
    place = None if node.where is None or main is None else node.where.attributes.get(main)
    text = None if place is None else facts.spec.texts.get(place.file)
    if place is None or text is None:
        return None
    written = Positions(Source(place.file, text)).written(place)
    if written.isdecimal():
        before = text.splitlines()[place.line - 1][: place.column - 1].rstrip(": ")
        return f"{node.op.name if before.endswith(node.op.name) else main}: {classes}"
    name = written.removeprefix("$")
    return f"{name}: {classes} in vars" if (facts.spec.vars or {}).get(name) == _main(node) else None
