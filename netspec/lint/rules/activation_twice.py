"""The same kind of layer's output is activated twice in a row.

The second activation changes nothing useful: relu of relu is relu, and a sigmoid behind a relu only sees half of its
range. Two softmaxes in a row have a rule of their own.

Fails:

    netspec: 1
    input: [4]
    layers:
      - dense: 3
      - relu
      - relu
      - dense: 2

Passes:

    netspec: 1
    input: [4]
    layers:
      - dense: 3
      - relu
      - dense: 2
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics import Diagnostic, Note
from netspec.lint.engine import Facts, rule


@rule("NS302")
def check(facts: Facts) -> Iterator[Diagnostic]:
    """A finding at the second activation."""
    for node in facts.graph:
        following = facts.following(node)
        if following is None or node.where is None:
            continue
        if node.op.has("activation") and following.op.has("activation"):
            fields = {"first": node.path, "second": following.path}
            note = Note(facts.place(node), "the first activation")
            yield Diagnostic("NS302", facts.place(following), fields, notes=(note,))
